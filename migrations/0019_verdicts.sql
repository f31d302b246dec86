-- 0019: which pairs of pictures are copies of one another, as comparing their pixels has shown.
--
-- Why: comparing a pair takes a tenth of a second and two small copies, which may have to be downloaded. /duplicates compares thousands
-- of pairs, so what was found out is kept (docs/adr/0046). It can be found out anew, and no backup has it. A picture's id stands for
-- the SHA-256 of its bytes and is never used twice.

CREATE TABLE verdicts (
    picture_id INTEGER NOT NULL REFERENCES pictures ON DELETE CASCADE,
    other_id   INTEGER NOT NULL REFERENCES pictures ON DELETE CASCADE,
    guild_id   INTEGER NOT NULL, -- what was found out in one server is nothing to another, which may have both pictures, too
    rule       INTEGER NOT NULL, -- the version of the rule that said so
    copy       TEXT, -- JSON: what was done to the copy; NULL: they are two pictures
    PRIMARY KEY (picture_id, other_id, guild_id),
    CHECK (picture_id < other_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX verdicts_by_other ON verdicts (other_id);

-- In a server a verdict stays only as long as places there show both pictures, whoever removes the place.
CREATE TRIGGER verdicts_place_delete AFTER DELETE ON places
WHEN old.picture_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM places WHERE picture_id = old.picture_id AND guild_id = old.guild_id)
BEGIN
    DELETE FROM verdicts WHERE picture_id = old.picture_id AND guild_id = old.guild_id;
    DELETE FROM verdicts WHERE other_id = old.picture_id AND guild_id = old.guild_id;
END;
CREATE TRIGGER verdicts_place_update AFTER UPDATE OF picture_id, guild_id ON places
WHEN old.picture_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM places WHERE picture_id = old.picture_id AND guild_id = old.guild_id)
BEGIN
    DELETE FROM verdicts WHERE picture_id = old.picture_id AND guild_id = old.guild_id;
    DELETE FROM verdicts WHERE other_id = old.picture_id AND guild_id = old.guild_id;
END;
