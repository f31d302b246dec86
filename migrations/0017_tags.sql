-- 0017: tags that whoever runs the bot gives to pictures.
--
-- Why: a tag belongs to a place and not to a picture (docs/adr/0039): given to what one channel shows, it must say nothing of the
-- same picture elsewhere. The channel stands in each row, so that a question reads the tags of its own channels alone, and
-- its time tells nothing of tags in others. A tag goes with its place.

CREATE TABLE tags (
    place_id   INTEGER NOT NULL REFERENCES places ON DELETE CASCADE,
    tag        TEXT NOT NULL CHECK (tag != ''), -- as indexer/query/tag_names.py writes it: NFC, case folded
    channel_id INTEGER NOT NULL, -- the message's
    PRIMARY KEY (place_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_channel ON tags (channel_id, tag, place_id);

-- Answers are remembered by the version of the guild's index, of which word_edits is a part.
CREATE TRIGGER tags_insert AFTER INSERT ON tags BEGIN
    INSERT INTO word_edits (guild_id, edits) SELECT guild_id, 1 FROM places WHERE place_id = new.place_id
    ON CONFLICT (guild_id) DO UPDATE SET edits = edits + 1;
END;
CREATE TRIGGER tags_delete AFTER DELETE ON tags BEGIN
    INSERT INTO word_edits (guild_id, edits) SELECT guild_id, 1 FROM places WHERE place_id = old.place_id
    ON CONFLICT (guild_id) DO UPDATE SET edits = edits + 1;
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;
CREATE TRIGGER tags_message_move AFTER UPDATE OF channel_id ON messages WHEN old.channel_id != new.channel_id BEGIN
    UPDATE tags SET channel_id = new.channel_id
    WHERE place_id IN (SELECT place_id FROM places WHERE message_id = new.message_id);
END;
