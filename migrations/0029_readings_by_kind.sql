-- 0029: which pictures were read, by what makes a text of them.
--
-- Why: a picture may be read for its words (ocr) and described by a sentence (caption). Each has a reader of its own, which may be
-- switched on later, changed or fail for itself, so each has rows of its own in the tables of 0025 (docs/adr/0060).

CREATE TABLE readings_by_kind (
    picture_id      INTEGER NOT NULL REFERENCES pictures ON DELETE CASCADE,
    kind            TEXT NOT NULL, -- as in picture_texts
    reason          TEXT, -- why it could not be read; NULL: it was
    attempts        INTEGER NOT NULL DEFAULT 0, -- failed ones
    next_attempt_ms INTEGER, -- of a failed one; NULL: never again by itself
    PRIMARY KEY (picture_id, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO readings_by_kind SELECT picture_id, 'ocr', reason, attempts, next_attempt_ms FROM readings;
DROP TABLE readings;
ALTER TABLE readings_by_kind RENAME TO readings;
CREATE INDEX readings_due ON readings (next_attempt_ms) WHERE next_attempt_ms IS NOT NULL;

CREATE TABLE picture_readers (kind TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID; -- none before the first reading
INSERT INTO picture_readers SELECT 'ocr', name FROM word_reader;
DROP TABLE word_reader;

-- Channels whose pictures whoever runs the bot wants to have read first.
CREATE TABLE read_first_by_kind (
    kind       TEXT NOT NULL,
    channel_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    PRIMARY KEY (kind, channel_id)
) STRICT, WITHOUT ROWID;
INSERT INTO read_first_by_kind SELECT 'ocr', channel_id FROM read_first;
DROP TABLE read_first;
ALTER TABLE read_first_by_kind RENAME TO read_first;
CREATE INDEX read_first_by_channel ON read_first (channel_id);
