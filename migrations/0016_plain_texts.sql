-- 0016: a text of plain letters is not searched for letters of other scripts.
--
-- Why: each stored text was compared, letter by letter, with the ranges of scripts without spaces: 21 of the 44 µs that storing
-- a text of 80 letters takes in SQLite. A text of ASCII letters has as many bytes as letters, and none of those scripts. The
-- rest of each condition is that of 0003 and 0008.

DROP TRIGGER texts_trigram_insert;
CREATE TRIGGER texts_trigram_insert AFTER INSERT ON texts
WHEN length(CAST(new.content || new.file_names || new.alt_texts AS BLOB)) != length(new.content || new.file_names || new.alt_texts)
    AND new.content || new.file_names || new.alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*'
BEGIN
    INSERT INTO words_trigram (rowid, body)
    VALUES (new.message_id, new.content || char(10, 10) || new.file_names || char(10, 10) || new.alt_texts || char(10, 10));
END;
DROP TRIGGER texts_trigram_delete;
CREATE TRIGGER texts_trigram_delete AFTER DELETE ON texts
WHEN length(CAST(old.content || old.file_names || old.alt_texts AS BLOB)) != length(old.content || old.file_names || old.alt_texts)
    AND old.content || old.file_names || old.alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*'
BEGIN
    INSERT INTO words_trigram (words_trigram, rowid, body)
    VALUES ('delete', old.message_id, old.content || char(10, 10) || old.file_names || char(10, 10) || old.alt_texts || char(10, 10));
END;
DROP TRIGGER texts_trigram_update;
CREATE TRIGGER texts_trigram_update AFTER UPDATE ON texts BEGIN
    INSERT INTO words_trigram (words_trigram, rowid, body)
    SELECT 'delete', old.message_id, old.content || char(10, 10) || old.file_names || char(10, 10) || old.alt_texts || char(10, 10)
    WHERE length(CAST(old.content || old.file_names || old.alt_texts AS BLOB)) != length(old.content || old.file_names || old.alt_texts)
    AND old.content || old.file_names || old.alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*';
    INSERT INTO words_trigram (rowid, body)
    SELECT new.message_id, new.content || char(10, 10) || new.file_names || char(10, 10) || new.alt_texts || char(10, 10)
    WHERE length(CAST(new.content || new.file_names || new.alt_texts AS BLOB)) != length(new.content || new.file_names || new.alt_texts)
    AND new.content || new.file_names || new.alt_texts GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*';
END;

DROP VIEW unspaced_shown_texts;
CREATE VIEW unspaced_shown_texts AS
SELECT message_id, body || char(10, 10) AS body FROM shown_texts
WHERE length(CAST(body AS BLOB)) != length(body)
    AND body GLOB '*[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]*';
