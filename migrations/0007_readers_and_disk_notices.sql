-- 0007: which version of the picture readers gave up on the failed pictures, and which servers were told of a full disk.
--
-- Why: bytes that no reader can open are never tried again, so what an earlier version could not open stayed out of the
-- index for good, though the present one opens it. And the managers of a server are told of a full disk once, also where
-- the bot is started again and again meanwhile.

CREATE TABLE readers (
    one     INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row
    version INTEGER NOT NULL -- of the readers that all failures are of; 0: of whichever came before there was this row
) STRICT;
INSERT INTO readers (one, version) VALUES (1, 0);

CREATE TABLE disk_notices (
    guild_id   INTEGER PRIMARY KEY REFERENCES guilds ON DELETE CASCADE,
    channel_id INTEGER -- where it was told; NULL: to one manager alone, in answer to a command
) STRICT;
