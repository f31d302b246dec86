-- 0002: embeddings, and what keeps the derived vector index honest.
--
-- Why: an embedding is a row here first; the mapped segments under data/segments can be deleted at any moment and are
-- rebuilt from these rows. Whatever changes what a search may find (an embedding, a place, a message) leaves a line in
-- `index_log` by trigger, so no writer can forget to tell the index. A line says "look at this place again", nothing
-- more: replaying it once, twice or late gives the same index.

CREATE TABLE models (
    model_id    INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    pretrained  TEXT NOT NULL,
    dimension   INTEGER NOT NULL CHECK (dimension > 0),
    fingerprint TEXT NOT NULL,
    UNIQUE (name, pretrained, dimension, fingerprint)
) STRICT;

-- A rowid table: three rows of 512 dimensions fill a page, while an index tree would spill each row to a second page.
CREATE TABLE embeddings (
    embedding_id INTEGER PRIMARY KEY,
    picture_id   INTEGER NOT NULL REFERENCES pictures ON DELETE CASCADE,
    model_id     INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    vector       BLOB NOT NULL CHECK (length(vector) > 0 AND length(vector) % 2 = 0), -- unit length, float16, little-endian
    UNIQUE (picture_id, model_id)
) STRICT;
CREATE INDEX embeddings_by_model ON embeddings (model_id);

-- The sealed segments that are in force. `name` is the file's, below segments/GUILD/MODEL. The checksums are CRC-32:
-- they find rot, not forgery (who can write the file can write this row), and run at 7 GB/s.
CREATE TABLE segments (
    segment_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    guild_id    INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    model_id    INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    name        TEXT NOT NULL UNIQUE,
    vectors     INTEGER NOT NULL, -- distinct pictures
    places      INTEGER NOT NULL,
    byte_count  INTEGER NOT NULL, -- of the file
    table_crc   INTEGER NOT NULL, -- of header and row table, checked at every opening
    vectors_crc INTEGER NOT NULL, -- of vectors and codes, checked in the background after it
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX segments_by_index ON segments (guild_id, model_id);
CREATE INDEX segments_by_model ON segments (model_id);

-- Rows of a sealed segment that are no longer true: never answered, gone from the file at the next compaction.
CREATE TABLE tombstones (
    segment_id INTEGER NOT NULL REFERENCES segments ON DELETE CASCADE,
    place_row  INTEGER NOT NULL, -- row of the segment's place table
    at_s       INTEGER NOT NULL, -- Unix seconds when it was deleted
    PRIMARY KEY (segment_id, place_row)
) STRICT, WITHOUT ROWID;

-- How far a guild's segments and tombstones go: together they are the state after line `covered_seq` of the log.
-- `generation` is random and new with every publication: a reader that remembers another one opens anew.
CREATE TABLE coverage (
    guild_id    INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    model_id    INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    covered_seq INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    PRIMARY KEY (guild_id, model_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX coverage_by_model ON coverage (model_id);

-- AUTOINCREMENT: a number is never used twice, also when covered lines have been dropped.
CREATE TABLE index_log (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    guild_id INTEGER NOT NULL,
    place_id INTEGER NOT NULL, -- look at this place again; 0: the whole guild
    model_id INTEGER NOT NULL, -- for this model's index; 0: for all
    at_s     INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;
CREATE INDEX index_log_by_guild ON index_log (guild_id, seq);

CREATE TRIGGER index_embedding_insert AFTER INSERT ON embeddings BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, new.model_id FROM places WHERE picture_id = new.picture_id;
END;
CREATE TRIGGER index_embedding_update AFTER UPDATE ON embeddings BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, old.model_id FROM places WHERE picture_id = old.picture_id;
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, new.model_id FROM places
    WHERE picture_id = new.picture_id AND (new.picture_id != old.picture_id OR new.model_id != old.model_id);
END;
CREATE TRIGGER index_embedding_delete BEFORE DELETE ON embeddings BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, old.model_id FROM places WHERE picture_id = old.picture_id;
END;

CREATE TRIGGER index_place_insert AFTER INSERT ON places WHEN new.picture_id IS NOT NULL BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT new.guild_id, new.place_id, 0
    WHERE EXISTS (SELECT 1 FROM embeddings WHERE picture_id = new.picture_id);
END;
-- BEFORE: a picture that loses its last place is deleted by a trigger of 0001, and its embeddings with it.
CREATE TRIGGER index_place_update BEFORE UPDATE OF place_id, message_id, guild_id, picture_id, flags ON places
WHEN old.picture_id IS NOT new.picture_id OR old.flags != new.flags OR old.message_id != new.message_id
    OR old.guild_id != new.guild_id OR old.place_id != new.place_id
BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT old.guild_id, old.place_id, 0
    WHERE EXISTS (SELECT 1 FROM embeddings WHERE picture_id IN (old.picture_id, new.picture_id));
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT new.guild_id, new.place_id, 0
    WHERE (old.guild_id != new.guild_id OR old.place_id != new.place_id)
        AND EXISTS (SELECT 1 FROM embeddings WHERE picture_id IN (old.picture_id, new.picture_id));
END;
CREATE TRIGGER index_place_delete BEFORE DELETE ON places WHEN old.picture_id IS NOT NULL BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT old.guild_id, old.place_id, 0
    WHERE EXISTS (SELECT 1 FROM embeddings WHERE picture_id = old.picture_id);
END;
CREATE TRIGGER index_message_update AFTER UPDATE OF channel_id, author_id ON messages
WHEN old.channel_id != new.channel_id OR old.author_id != new.author_id
BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, 0 FROM places WHERE message_id = new.message_id AND picture_id IS NOT NULL;
END;
CREATE TRIGGER index_guild_delete AFTER DELETE ON guilds BEGIN
    DELETE FROM index_log WHERE guild_id = old.guild_id;
    INSERT INTO index_log (guild_id, place_id, model_id) VALUES (old.guild_id, 0, 0);
END;
