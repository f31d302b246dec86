-- 0022: searches that members have saved.
--
-- Why: `/saved run` asks them again. What somebody looks for speaks of them: it belongs to one member in one server, goes with
-- the server, and with a wish to be forgotten, by whatever way that wish comes into the database (docs/adr/0051).

CREATE TABLE saved_searches (
    saved_id        INTEGER PRIMARY KEY,
    guild_id        INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    user_id         INTEGER NOT NULL,
    name            TEXT NOT NULL CHECK (name != ''), -- as indexer/saved_searches.py writes it
    question        TEXT NOT NULL, -- as /similar takes it; empty: the picture alone
    created_ms      INTEGER NOT NULL,
    -- The picture that was asked with, or NULL: never its file.
    sha256          BLOB CHECK (length(sha256) = 32), -- of the uploaded file
    perceptual_hash INTEGER, -- 64 bits as a signed integer
    model_id        INTEGER REFERENCES models ON DELETE SET NULL, -- that made the vector
    vector          BLOB CHECK (length(vector) > 0 AND length(vector) % 2 = 0), -- unit length, float16, little-endian
    UNIQUE (guild_id, user_id, name),
    CHECK (question != '' OR vector IS NOT NULL),
    CHECK ((vector IS NULL) = (sha256 IS NULL) AND (vector IS NULL) = (perceptual_hash IS NULL))
) STRICT;
CREATE INDEX saved_searches_by_user ON saved_searches (user_id);
CREATE INDEX saved_searches_by_model ON saved_searches (model_id) WHERE model_id IS NOT NULL;

CREATE TRIGGER saved_searches_delete AFTER DELETE ON saved_searches BEGIN
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;
-- Nothing is saved for somebody who opted out, so that a second wish has nothing to delete.
CREATE TRIGGER saved_searches_opt_out AFTER INSERT ON opt_outs BEGIN
    DELETE FROM saved_searches WHERE user_id = new.user_id AND new.guild_id IN (0, guild_id);
END;
