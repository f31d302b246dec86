-- 0024: pictures that managers watch for.
--
-- Why: where a watched picture is posted again, a channel is told. A picture of a message is kept as its place, so it goes with the
-- message; an uploaded one as embedding, hashes and a small copy, which tell copies, so it is the manager's and goes with their wish to
-- be forgotten (docs/adr/0053).

CREATE TABLE watched_pictures (
    watch_id        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: managers name it
    guild_id        INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    added_by        INTEGER NOT NULL,
    after_id        INTEGER NOT NULL, -- messages with a larger id count: those posted after it was added
    channel_id      INTEGER NOT NULL, -- that is told
    alike           INTEGER NOT NULL CHECK (alike IN (0, 1)), -- 1: look-alikes count too
    place_id        INTEGER REFERENCES places ON DELETE CASCADE, -- where a message shows it; NULL: it was uploaded
    sha256          BLOB CHECK (length(sha256) = 32),
    perceptual_hash INTEGER, -- 64 bits as a signed integer
    model_id        INTEGER REFERENCES models ON DELETE SET NULL, -- that made the vector
    vector          BLOB CHECK (length(vector) > 0 AND length(vector) % 2 = 0), -- unit length, float16, little-endian
    small_copy      BLOB, -- WebP, 256 pixels
    CHECK ((place_id IS NULL) = (sha256 IS NOT NULL) AND (place_id IS NULL) = (perceptual_hash IS NOT NULL)
        AND (place_id IS NULL) = (vector IS NOT NULL) AND (place_id IS NULL) = (small_copy IS NOT NULL))
) STRICT;
CREATE INDEX watched_pictures_by_guild ON watched_pictures (guild_id, after_id);
CREATE INDEX watched_pictures_by_place ON watched_pictures (place_id) WHERE place_id IS NOT NULL;
CREATE INDEX watched_pictures_by_member ON watched_pictures (added_by);
CREATE INDEX watched_pictures_by_model ON watched_pictures (model_id) WHERE model_id IS NOT NULL;

-- What was found, until the channel is told of it.
CREATE TABLE watched_matches (
    watch_id INTEGER NOT NULL REFERENCES watched_pictures ON DELETE CASCADE,
    place_id INTEGER NOT NULL REFERENCES places ON DELETE CASCADE,
    band     TEXT NOT NULL, -- how close the two are
    copy     TEXT, -- JSON, what was done to it, as the pixels show; NULL: they were not compared
    sending  INTEGER NOT NULL DEFAULT 0 CHECK (sending IN (0, 1)), -- 1: in the notice that is being sent
    PRIMARY KEY (watch_id, place_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX watched_matches_by_place ON watched_matches (place_id);

CREATE TRIGGER watched_pictures_delete AFTER DELETE ON watched_pictures BEGIN
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;
CREATE TRIGGER watched_pictures_opt_out AFTER INSERT ON opt_outs BEGIN
    DELETE FROM watched_pictures WHERE added_by = new.user_id AND new.guild_id IN (0, guild_id);
END;
CREATE TRIGGER new_pictures_watched AFTER UPDATE OF state ON places WHEN new.state = 'ready' AND old.state != 'ready' BEGIN
    INSERT INTO new_pictures (follower, guild_id, place_id)
    SELECT 'watched pictures', new.guild_id, new.place_id
    WHERE EXISTS (SELECT 1 FROM watched_pictures WHERE guild_id = new.guild_id AND after_id < new.message_id)
        AND EXISTS (SELECT 1 FROM messages WHERE message_id = new.message_id AND origin_id = 0);
END;
