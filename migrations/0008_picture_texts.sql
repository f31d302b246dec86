-- 0008: what pictures say: words read in them, captions, tags.
--
-- Why: such a text belongs to the content, so it is kept once however often the picture is posted, and it comes long after the
-- message was stored, so it must not rewrite the message's own row. What is searched is `shown_texts`: for each message what
-- its pictures say, so that it is found newest first, inside the asker's filter, by the same walk as what messages say
-- (docs/adr/0019). It is derived: triggers make it anew whenever a text, a place or a message changes.

CREATE TABLE picture_texts (
    text_id    INTEGER PRIMARY KEY,
    picture_id INTEGER NOT NULL REFERENCES pictures ON DELETE CASCADE,
    kind       TEXT NOT NULL, -- who says so: 'ocr', 'caption', 'tags' …
    body       TEXT NOT NULL CHECK (body != ''),
    confidence REAL CHECK (confidence BETWEEN 0 AND 1), -- NULL: whoever wrote it does not say
    UNIQUE (picture_id, kind)
) STRICT;

CREATE TABLE shown_texts (
    message_id INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    body       TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE shown_words USING fts5 (
    body, content = 'shown_texts', content_rowid = 'message_id', tokenize = 'unicode61 remove_diacritics 2'
);
-- As in 0003: texts in scripts without spaces by trigrams as well, with two line breaks behind them.
CREATE VIEW unspaced_shown_texts AS
SELECT message_id, body || char(10, 10) AS body FROM shown_texts
WHERE body GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*';
CREATE VIRTUAL TABLE shown_words_trigram USING fts5 (
    body, content = 'unspaced_shown_texts', content_rowid = 'message_id', tokenize = 'trigram'
);
CREATE VIRTUAL TABLE shown_words_trigram_terms USING fts5vocab ('shown_words_trigram', 'row');

-- How many messages of each channel have pictures that say something, and with how many characters: as in 0005.
ALTER TABLE channel_texts ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel_texts ADD COLUMN shown_characters INTEGER NOT NULL DEFAULT 0;

-- A row of shown_texts is only ever inserted and deleted, and its message is there both times: see shown_texts_message_delete.
CREATE TRIGGER shown_texts_insert AFTER INSERT ON shown_texts BEGIN
    INSERT INTO shown_words (rowid, body) VALUES (new.message_id, new.body);
    INSERT INTO shown_words_trigram (rowid, body)
    SELECT message_id, body FROM unspaced_shown_texts WHERE message_id = new.message_id;
    INSERT INTO channel_texts (channel_id, texts, characters, shown, shown_characters)
    SELECT channel_id, 0, 0, 1, length(new.body) FROM messages WHERE message_id = new.message_id
    ON CONFLICT (channel_id) DO UPDATE
    SET shown = shown + 1, shown_characters = shown_characters + excluded.shown_characters;
    INSERT INTO word_edits (guild_id, edits) SELECT guild_id, 1 FROM messages WHERE message_id = new.message_id
    ON CONFLICT (guild_id) DO UPDATE SET edits = edits + 1;
END;
CREATE TRIGGER shown_texts_delete BEFORE DELETE ON shown_texts BEGIN
    INSERT INTO shown_words (shown_words, rowid, body) VALUES ('delete', old.message_id, old.body);
    INSERT INTO shown_words_trigram (shown_words_trigram, rowid, body)
    SELECT 'delete', message_id, body FROM unspaced_shown_texts WHERE message_id = old.message_id;
    UPDATE channel_texts SET shown = shown - 1, shown_characters = shown_characters - length(old.body)
    WHERE channel_id = (SELECT channel_id FROM messages WHERE message_id = old.message_id);
    INSERT INTO word_edits (guild_id, edits) SELECT guild_id, 1 FROM messages WHERE message_id = old.message_id
    ON CONFLICT (guild_id) DO UPDATE SET edits = edits + 1;
END;

-- To insert a message's id here makes its row of shown_texts anew: SQLite's way to call one trigger from several others.
CREATE VIEW shown_texts_stale AS SELECT message_id FROM shown_texts WHERE false;
CREATE TRIGGER shown_texts_refresh INSTEAD OF INSERT ON shown_texts_stale BEGIN
    DELETE FROM shown_texts WHERE message_id = new.message_id;
    INSERT INTO shown_texts (message_id, body)
    -- In the order of the message: the pictures' own numbers tell what was stored elsewhere.
    SELECT new.message_id, group_concat(body, char(10)) FROM (
        SELECT t.body FROM places p JOIN picture_texts t USING (picture_id)
        WHERE p.message_id = new.message_id GROUP BY t.text_id ORDER BY min(p.ordinal), t.kind
    ) HAVING count(*) > 0;
END;

CREATE TRIGGER picture_texts_insert AFTER INSERT ON picture_texts BEGIN
    INSERT INTO shown_texts_stale SELECT DISTINCT message_id FROM places WHERE picture_id = new.picture_id;
END;
CREATE TRIGGER picture_texts_update AFTER UPDATE OF body ON picture_texts WHEN old.body != new.body BEGIN
    INSERT INTO shown_texts_stale SELECT DISTINCT message_id FROM places WHERE picture_id = new.picture_id;
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;
CREATE TRIGGER picture_texts_delete AFTER DELETE ON picture_texts BEGIN
    INSERT INTO shown_texts_stale SELECT DISTINCT message_id FROM places WHERE picture_id = old.picture_id;
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;

CREATE TRIGGER shown_texts_place_insert AFTER INSERT ON places
WHEN EXISTS (SELECT 1 FROM picture_texts WHERE picture_id = new.picture_id) BEGIN
    INSERT INTO shown_texts_stale VALUES (new.message_id);
END;
CREATE TRIGGER shown_texts_place_update AFTER UPDATE OF picture_id, ordinal ON places
WHEN (old.picture_id IS NOT new.picture_id OR old.ordinal != new.ordinal)
    AND (EXISTS (SELECT 1 FROM picture_texts WHERE picture_id = new.picture_id)
        OR EXISTS (SELECT 1 FROM shown_texts WHERE message_id = new.message_id))
BEGIN
    INSERT INTO shown_texts_stale VALUES (new.message_id);
END;
CREATE TRIGGER shown_texts_place_delete AFTER DELETE ON places
WHEN EXISTS (SELECT 1 FROM shown_texts WHERE message_id = old.message_id) BEGIN
    INSERT INTO shown_texts_stale VALUES (old.message_id);
END;
-- BEFORE: the counts of the channel and of the guild are found through the message.
CREATE TRIGGER shown_texts_message_delete BEFORE DELETE ON messages BEGIN
    DELETE FROM shown_texts WHERE message_id = old.message_id;
END;
CREATE TRIGGER shown_texts_message_leave BEFORE UPDATE OF channel_id ON messages WHEN old.channel_id != new.channel_id BEGIN
    DELETE FROM shown_texts WHERE message_id = old.message_id;
END;
CREATE TRIGGER shown_texts_message_arrive AFTER UPDATE OF channel_id ON messages WHEN old.channel_id != new.channel_id BEGIN
    INSERT INTO shown_texts_stale VALUES (new.message_id);
END;
