-- 0025: which pictures were read for words.
--
-- Why: reading goes on where it was after a kill, and a picture without words is not read again. What was read stands in
-- picture_texts (0008). A row belongs to the content, so copies of one file share one reading, and it goes with its picture.
-- Rows hold for one reader: where its models change, all of them go and every picture is read anew (docs/adr/0055).

CREATE TABLE readings (
    picture_id      INTEGER PRIMARY KEY REFERENCES pictures ON DELETE CASCADE,
    reason          TEXT, -- why it could not be read; NULL: it was
    attempts        INTEGER NOT NULL DEFAULT 0, -- failed ones
    next_attempt_ms INTEGER -- of a failed one; NULL: never again by itself
) STRICT;
CREATE INDEX readings_due ON readings (next_attempt_ms) WHERE next_attempt_ms IS NOT NULL;

CREATE TABLE word_reader (name TEXT NOT NULL) STRICT; -- one row, or none before the first reading

-- Channels whose pictures whoever runs the bot wants to have read first.
CREATE TABLE read_first (channel_id INTEGER PRIMARY KEY REFERENCES channels ON DELETE CASCADE) STRICT;
