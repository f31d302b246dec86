-- 0006: whose index this is, and since when a server has not been listed.
--
-- Why: a start with another bot's token found none of the stored servers, took all of them for left, and deleted them. So
-- the application that reads is written down, and a server is forgotten for its absence only once that has lasted.

CREATE TABLE application (
    one            INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row at most
    application_id INTEGER NOT NULL
) STRICT;

ALTER TABLE guilds ADD COLUMN absent_since_ms INTEGER; -- NULL: Discord listed it when the bot last looked
