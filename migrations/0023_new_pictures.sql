-- 0023: new pictures, and who is told of them.
--
-- Why: a member may want to be told when something new fits a saved search. A trigger writes a line for each picture that becomes
-- searchable in a message that somebody waits for, so no way into the index can forget to. Lines are read outside of indexing and
-- deleted when they are dealt with: a restart loses none and reads none twice (docs/adr/0052).

CREATE TABLE new_pictures (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    follower TEXT NOT NULL, -- who reads this line
    guild_id INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    place_id INTEGER NOT NULL REFERENCES places ON DELETE CASCADE
) STRICT;
CREATE INDEX new_pictures_by_follower ON new_pictures (follower, guild_id, seq);
CREATE INDEX new_pictures_by_guild ON new_pictures (guild_id);
CREATE INDEX new_pictures_by_place ON new_pictures (place_id);

-- A saved search whose member is told of what is new.
CREATE TABLE saved_notices (
    saved_id   INTEGER PRIMARY KEY REFERENCES saved_searches ON DELETE CASCADE,
    guild_id   INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    after_id   INTEGER NOT NULL, -- messages with a larger id count: those posted after it was saved
    language   TEXT NOT NULL,
    channel_id INTEGER, -- where the member may be mentioned, if they take no direct messages
    told_ms    INTEGER NOT NULL DEFAULT 0, -- when they were told last
    -- What a new picture must reach before it is looked at closely: vector × picture ≥ least. NULL: every one is.
    gate_ms    INTEGER,
    model_id   INTEGER REFERENCES models ON DELETE SET NULL,
    vector     BLOB CHECK (length(vector) > 0 AND length(vector) % 4 = 0), -- float32, little-endian; not of unit length
    least      REAL,
    CHECK ((vector IS NULL) = (least IS NULL))
) STRICT;
CREATE INDEX saved_notices_by_guild ON saved_notices (guild_id, after_id);
CREATE INDEX saved_notices_by_model ON saved_notices (model_id) WHERE model_id IS NOT NULL;

-- New pictures that fit, until their member is told of them.
CREATE TABLE saved_matches (
    saved_id INTEGER NOT NULL REFERENCES saved_notices ON DELETE CASCADE,
    place_id INTEGER NOT NULL REFERENCES places ON DELETE CASCADE,
    sending  INTEGER NOT NULL DEFAULT 0 CHECK (sending IN (0, 1)), -- 1: in the notice that is being sent
    PRIMARY KEY (saved_id, place_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX saved_matches_by_place ON saved_matches (place_id);

-- Only what comes from Discord (origin 0) and is posted after somebody began to wait: of old pictures nobody is told.
CREATE TRIGGER new_pictures_saved AFTER UPDATE OF state ON places WHEN new.state = 'ready' AND old.state != 'ready' BEGIN
    INSERT INTO new_pictures (follower, guild_id, place_id)
    SELECT 'saved searches', new.guild_id, new.place_id
    WHERE EXISTS (SELECT 1 FROM saved_notices WHERE guild_id = new.guild_id AND after_id < new.message_id)
        AND EXISTS (SELECT 1 FROM messages WHERE message_id = new.message_id AND origin_id = 0);
END;
