-- 0003: words in scripts that put no spaces between them, and when a guild's words changed.
--
-- Why: unicode61 takes a whole run of Chinese, Japanese, Thai … letters for one word, so nothing inside it can be found.
-- Texts that hold such letters are indexed by trigrams as well; the others are not, since trigrams take several times
-- the room. Two line breaks stand behind each part: so every letter begins a trigram, and a search for one or two
-- letters is a search for all trigrams that begin with them (`words_trigram_terms` knows them).

CREATE VIEW unspaced_texts AS
SELECT message_id, content || char(10, 10) || file_names || char(10, 10) || alt_texts || char(10, 10) AS body
FROM texts
WHERE content || file_names || alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*';

CREATE VIRTUAL TABLE words_trigram USING fts5 (
    body, content = 'unspaced_texts', content_rowid = 'message_id', tokenize = 'trigram'
);
CREATE VIRTUAL TABLE words_trigram_terms USING fts5vocab ('words_trigram', 'row');
-- How common a word is: common ones are left out of a search that has rarer ones.
CREATE VIRTUAL TABLE words_terms USING fts5vocab ('words', 'row');

INSERT INTO words_trigram (rowid, body) SELECT message_id, body FROM unspaced_texts;

CREATE TRIGGER texts_trigram_insert AFTER INSERT ON texts
WHEN new.content || new.file_names || new.alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*'
BEGIN
    INSERT INTO words_trigram (rowid, body)
    VALUES (new.message_id, new.content || char(10, 10) || new.file_names || char(10, 10) || new.alt_texts || char(10, 10));
END;
CREATE TRIGGER texts_trigram_delete AFTER DELETE ON texts
WHEN old.content || old.file_names || old.alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*'
BEGIN
    INSERT INTO words_trigram (words_trigram, rowid, body)
    VALUES ('delete', old.message_id, old.content || char(10, 10) || old.file_names || char(10, 10) || old.alt_texts || char(10, 10));
END;
-- One trigger, so that the old text always goes before the new one comes.
CREATE TRIGGER texts_trigram_update AFTER UPDATE ON texts BEGIN
    INSERT INTO words_trigram (words_trigram, rowid, body)
    SELECT 'delete', old.message_id, old.content || char(10, 10) || old.file_names || char(10, 10) || old.alt_texts || char(10, 10)
    WHERE old.content || old.file_names || old.alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*';
    INSERT INTO words_trigram (rowid, body)
    SELECT new.message_id, new.content || char(10, 10) || new.file_names || char(10, 10) || new.alt_texts || char(10, 10)
    WHERE new.content || new.file_names || new.alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*';
END;

-- Counts edits of a guild's words. With the index's own log it tells whether a remembered answer is still true; new and
-- deleted messages stand in that log already.
CREATE TABLE word_edits (
    guild_id INTEGER PRIMARY KEY,
    edits    INTEGER NOT NULL
) STRICT;
CREATE TRIGGER texts_edited AFTER UPDATE ON texts BEGIN
    INSERT INTO word_edits (guild_id, edits) SELECT guild_id, 1 FROM messages WHERE message_id = new.message_id
    ON CONFLICT (guild_id) DO UPDATE SET edits = edits + 1;
END;
