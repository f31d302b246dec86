-- 0014: what an archive brought that was read to its end.
--
-- Why: an export that has not changed since need not be parsed again to say so: a file of 5 GB takes a minute.

ALTER TABLE origins ADD COLUMN brought TEXT; -- JSON; NULL: not read to its end, or changed since
-- It has names of channels and servers: they go with the first of these that is forgotten, and the archive is read again.
CREATE TRIGGER origins_forget_channel AFTER DELETE ON channels
WHEN EXISTS (SELECT 1 FROM origins WHERE brought IS NOT NULL) BEGIN
    UPDATE origins SET brought = NULL WHERE brought IS NOT NULL;
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;
CREATE TRIGGER origins_forget_guild AFTER DELETE ON guilds
WHEN EXISTS (SELECT 1 FROM origins WHERE brought IS NOT NULL) BEGIN
    UPDATE origins SET brought = NULL WHERE brought IS NOT NULL;
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;
-- Whoever takes back an opt-out finds their messages again when the archive is imported again.
CREATE TRIGGER origins_return AFTER DELETE ON opt_outs BEGIN
    UPDATE origins SET brought = NULL WHERE brought IS NOT NULL;
END;
