-- 0021: several frames of an animation.
--
-- Why: an animation was found by one frame only (docs/adr/0050). `embeddings` keeps the frame that stands for it; every row here is one
-- more frame of the same picture, which looks different, and the best of them counts. A picture without rows here costs nothing.
-- A segment has these vectors behind those of its pictures, and `segments.vectors` counts both.

ALTER TABLE embeddings ADD COLUMN at_ms INTEGER; -- when this frame is shown in its animation; NULL: a still, or not known
ALTER TABLE embeddings ADD COLUMN frames_sought INTEGER NOT NULL DEFAULT 1; -- as many frames of it were looked for

CREATE TABLE frames (
    frame_id        INTEGER PRIMARY KEY,
    picture_id      INTEGER NOT NULL,
    model_id        INTEGER NOT NULL,
    at_ms           INTEGER NOT NULL CHECK (at_ms >= 0),
    perceptual_hash INTEGER NOT NULL, -- 64 bits as a signed integer
    vector          BLOB NOT NULL CHECK (length(vector) > 0 AND length(vector) % 2 = 0), -- unit length, float16, little-endian
    UNIQUE (picture_id, model_id, at_ms),
    FOREIGN KEY (picture_id, model_id) REFERENCES embeddings (picture_id, model_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX frames_by_model ON frames (model_id);

CREATE TRIGGER index_frame_insert AFTER INSERT ON frames BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, new.model_id FROM places WHERE picture_id = new.picture_id;
END;
CREATE TRIGGER index_frame_update AFTER UPDATE OF picture_id, model_id, at_ms, vector ON frames BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, old.model_id FROM places WHERE picture_id = old.picture_id;
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, new.model_id FROM places
    WHERE picture_id = new.picture_id AND (new.picture_id != old.picture_id OR new.model_id != old.model_id);
END;
CREATE TRIGGER index_frame_delete BEFORE DELETE ON frames BEGIN
    INSERT INTO index_log (guild_id, place_id, model_id)
    SELECT guild_id, place_id, old.model_id FROM places WHERE picture_id = old.picture_id;
END;
