-- 0009: where each message was read: from Discord (0), or from an archive (a row of `origins`).
--
-- Why: one message may come from Discord and from archives. What Discord says goes before what an archive says, so each
-- row must say which of them told it, and a picture of an archive is fetched again from that archive. An archive may be
-- imported at any time, so the ids of deleted messages are kept for good: without the time, 15 bytes each.

CREATE TABLE origins (
    origin_id INTEGER PRIMARY KEY CHECK (origin_id > 0), -- 0 is Discord and has no row
    kind      TEXT NOT NULL, -- which parser reads it
    location  TEXT NOT NULL, -- an absolute path
    version   TEXT NOT NULL, -- changes with the content: what was read of another version is read again
    UNIQUE (kind, location)
) STRICT;

-- Of a guild or channel: 0 as soon as Discord has listed it, whatever archives it stands in.
ALTER TABLE guilds ADD COLUMN origin_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN origin_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN origin_id INTEGER NOT NULL DEFAULT 0;

-- A stretch that an archive shows is not one that Discord has shown.
CREATE TABLE spans_by_origin (
    channel_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    origin_id  INTEGER NOT NULL,
    low        INTEGER NOT NULL,
    high       INTEGER NOT NULL,
    PRIMARY KEY (channel_id, origin_id, low),
    CHECK (low <= high)
) STRICT, WITHOUT ROWID;
INSERT INTO spans_by_origin SELECT channel_id, 0, low, high FROM spans;
DROP TABLE spans;
ALTER TABLE spans_by_origin RENAME TO spans;

DROP INDEX deletions_by_age;
ALTER TABLE deletions DROP COLUMN at_ms;
