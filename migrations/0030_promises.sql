-- 0030: promises that are also kept outside of this folder, where `fleet.storage` names a place for that.
--
-- Why: a disk is lost with its last day. Who was told "done" must not have to say it again, so each promise goes to the storage
-- as well, in the order of all (docs/adr/0066). Triggers write it down in the transaction that keeps it here, whoever made it:
-- a member, a command, a bundle. Without `fleet.storage` the first table is empty, and nothing is written.

CREATE TABLE promise_journal (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    journal  TEXT NOT NULL,              -- which journal: another storage begins another one
    number   INTEGER NOT NULL DEFAULT 0, -- the last record of the journal that holds in this folder
    begun    INTEGER NOT NULL DEFAULT 0, -- 1: what held here before there was a journal was added to it
    behind   INTEGER NOT NULL DEFAULT 1, -- 1: new, or restored from a backup: the journal must be read before anything else
    applying INTEGER NOT NULL DEFAULT 0  -- 1, within a transaction: what it changes comes from the journal
) STRICT;

-- What was promised here and is not known to be in the storage.
CREATE TABLE promises_waiting (
    waiting_id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid        TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))), -- of the record: known again after a kill
    kind       TEXT NOT NULL,
    what       TEXT NOT NULL, -- JSON; ids only
    at_s       INTEGER NOT NULL DEFAULT (unixepoch()),
    carried    INTEGER NOT NULL DEFAULT 0 -- 1: brought from the database that a restored one replaced, so it does not hold here yet
) STRICT;

-- Servers of which the journal says that everything goes, and of which something may still be here.
CREATE TABLE guilds_to_forget (guild_id INTEGER PRIMARY KEY) STRICT;

CREATE TRIGGER promises_opted_out AFTER INSERT ON opt_outs
WHEN EXISTS (SELECT 1 FROM promise_journal WHERE NOT applying)
BEGIN
    INSERT INTO promises_waiting (kind, what)
    VALUES ('opted-out', json_object('user', new.user_id, 'guild', new.guild_id));
END;
CREATE TRIGGER promises_returned AFTER DELETE ON opt_outs
WHEN EXISTS (SELECT 1 FROM promise_journal WHERE NOT applying)
BEGIN
    INSERT INTO promises_waiting (kind, what)
    VALUES ('returned', json_object('user', old.user_id, 'guild', old.guild_id));
END;
CREATE TRIGGER promises_consent AFTER UPDATE OF consent ON guilds
WHEN old.consent != new.consent AND EXISTS (SELECT 1 FROM promise_journal WHERE NOT applying)
    AND NOT EXISTS (SELECT 1 FROM guilds_to_forget WHERE guild_id = new.guild_id)
BEGIN
    INSERT INTO promises_waiting (kind, what)
    VALUES (CASE new.consent WHEN 1 THEN 'consented' ELSE 'withdrawn' END, json_object('guild', new.guild_id));
END;
CREATE TRIGGER promises_forgotten AFTER DELETE ON guilds BEGIN
    INSERT INTO promises_waiting (kind, what) SELECT 'forgotten', json_object('guild', old.guild_id)
    WHERE EXISTS (SELECT 1 FROM promise_journal WHERE NOT applying)
        AND NOT EXISTS (SELECT 1 FROM guilds_to_forget WHERE guild_id = old.guild_id);
    DELETE FROM guilds_to_forget WHERE guild_id = old.guild_id;
END;
