-- 0031: which saved searches and watched pictures came here with a server that moved.
--
-- Why: a move that was killed is given again, and the bot of the new folder may have told its members meanwhile. What came once, as
-- the digest says, does not come again; of what came in another state, only what is newer (docs/adr/0065).

CREATE TABLE arrivals (
    guild_id INTEGER PRIMARY KEY REFERENCES guilds ON DELETE CASCADE,
    digest   BLOB NOT NULL CHECK (length(digest) = 32), -- of the rows as they were sent
    at_ms    INTEGER NOT NULL,
    saved    TEXT NOT NULL CHECK (json_valid(saved)), -- the ids that they have here
    watched  TEXT NOT NULL CHECK (json_valid(watched))
) STRICT;
