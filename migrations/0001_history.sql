-- 0001: what was read from Discord.
--
-- Why: SQLite is the truth; everything else (segments, thumbnails) can be rebuilt from here. A picture is content,
-- known by its SHA-256; a place is where a message shows it. So the same bytes are kept and embedded once, however
-- often they are posted. Times of messages are in their snowflakes; other times are Unix milliseconds.

CREATE TABLE guilds (
    guild_id INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    consent  INTEGER NOT NULL DEFAULT 0 CHECK (consent IN (0, 1)), -- 1: someone with Manage Server started the crawl
    added_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE channels (
    channel_id     INTEGER PRIMARY KEY,
    guild_id       INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    parent_id      INTEGER, -- a thread's channel; not a reference: a thread may be seen before its parent
    kind           TEXT NOT NULL,
    name           TEXT NOT NULL,
    age_restricted INTEGER NOT NULL DEFAULT 0 CHECK (age_restricted IN (0, 1)),
    archived       INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1)),
    parked_reason  TEXT -- why it cannot be read at present; NULL: it can
) STRICT;
CREATE INDEX channels_by_guild ON channels (guild_id);
CREATE INDEX channels_by_parent ON channels (parent_id) WHERE parent_id IS NOT NULL;

-- Names for the command line and for archives; Discord's own screens get a mention instead.
CREATE TABLE users (
    user_id INTEGER PRIMARY KEY,
    name    TEXT NOT NULL
) STRICT;

CREATE TABLE messages (
    message_id INTEGER PRIMARY KEY,
    guild_id   INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    channel_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    author_id  INTEGER NOT NULL REFERENCES users,
    edited_ms  INTEGER,
    checked_ms INTEGER NOT NULL -- when Discord last showed it to us
) STRICT;
CREATE INDEX messages_by_channel ON messages (channel_id, message_id);
CREATE INDEX messages_by_author ON messages (author_id, guild_id);
CREATE INDEX messages_by_check ON messages (guild_id, checked_ms);
-- A name stays only as long as a message of that person does.
CREATE TRIGGER messages_delete AFTER DELETE ON messages BEGIN
    DELETE FROM users
    WHERE user_id = old.author_id AND NOT EXISTS (SELECT 1 FROM messages WHERE author_id = old.author_id);
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;

-- A row while the files may still hold bytes of what was deleted: since when. A purge marks the rows it takes on and
-- deletes them when the files are written anew; what is deleted meanwhile leaves a row of its own.
CREATE TABLE residue (
    since_s INTEGER NOT NULL, -- Unix seconds
    taken   INTEGER NOT NULL DEFAULT 0 CHECK (taken IN (0, 1))
) STRICT;

-- Ids that Discord said are gone, kept for a day: a page that was read before and is stored after must not bring a
-- deleted message back.
CREATE TABLE deletions (
    message_id INTEGER PRIMARY KEY,
    at_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX deletions_by_age ON deletions (at_ms);

-- The searchable words of a message. An external-content FTS5 table, so that the text lies on disk once.
CREATE TABLE texts (
    message_id INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    content    TEXT NOT NULL DEFAULT '',
    file_names TEXT NOT NULL DEFAULT '',
    alt_texts  TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE VIRTUAL TABLE words USING fts5 (
    content, file_names, alt_texts,
    content = 'texts', content_rowid = 'message_id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER texts_insert AFTER INSERT ON texts BEGIN
    INSERT INTO words (rowid, content, file_names, alt_texts)
    VALUES (new.message_id, new.content, new.file_names, new.alt_texts);
END;
CREATE TRIGGER texts_delete AFTER DELETE ON texts BEGIN
    INSERT INTO words (words, rowid, content, file_names, alt_texts)
    VALUES ('delete', old.message_id, old.content, old.file_names, old.alt_texts);
END;
CREATE TRIGGER texts_update AFTER UPDATE ON texts BEGIN
    INSERT INTO words (words, rowid, content, file_names, alt_texts)
    VALUES ('delete', old.message_id, old.content, old.file_names, old.alt_texts);
    INSERT INTO words (rowid, content, file_names, alt_texts)
    VALUES (new.message_id, new.content, new.file_names, new.alt_texts);
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;

CREATE TABLE pictures (
    picture_id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: segments and old pages of results name it
    sha256          BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32), -- of the file as posted, or of the copy fetched
    perceptual_hash INTEGER, -- 64 bits as a signed integer; NULL where the picture could not be decoded
    width           INTEGER,
    height          INTEGER,
    format          TEXT,
    frame_count     INTEGER,
    byte_count      INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('ready', 'rejected')),
    reason          TEXT, -- why it was rejected: the same bytes are never tried again
    CHECK ((state = 'rejected') = (reason IS NOT NULL))
) STRICT;

CREATE TABLE places (
    place_id        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    message_id      INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    guild_id        INTEGER NOT NULL, -- the message's: one guild's work is found without wading through another's
    ordinal         INTEGER NOT NULL,
    picture_id      INTEGER REFERENCES pictures, -- NULL until it was fetched; a rejected one where state is failed
    source          TEXT NOT NULL,
    link            TEXT NOT NULL, -- bare: no query, no signature
    file_name       TEXT NOT NULL DEFAULT '',
    alt_text        TEXT NOT NULL DEFAULT '',
    content_type    TEXT,
    byte_count      INTEGER,
    width           INTEGER,
    height          INTEGER,
    flags           INTEGER NOT NULL DEFAULT 0, -- PlaceFlag
    state           TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'ready', 'failed')),
    reason          TEXT, -- the last failure
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_ms INTEGER, -- of a failed one; NULL: never again by itself
    UNIQUE (message_id, ordinal),
    CHECK ((state = 'failed') = (reason IS NOT NULL)),
    CHECK (state != 'ready' OR picture_id IS NOT NULL),
    CHECK (state = 'failed' OR next_attempt_ms IS NULL)
) STRICT;
CREATE INDEX places_by_picture ON places (picture_id, guild_id);
CREATE INDEX places_pending ON places (guild_id, message_id) WHERE state = 'pending';
CREATE INDEX places_failed ON places (guild_id, next_attempt_ms, reason) WHERE state = 'failed';
-- A picture stays only as long as a place shows it, whoever removes the place: an edit, a delete, a cascade.
CREATE TRIGGER places_delete AFTER DELETE ON places BEGIN
    DELETE FROM pictures
    WHERE picture_id = old.picture_id AND NOT EXISTS (SELECT 1 FROM places WHERE picture_id = old.picture_id);
    INSERT INTO residue (since_s) SELECT unixepoch() WHERE NOT EXISTS (SELECT 1 FROM residue WHERE taken = 0);
END;
CREATE TRIGGER places_detach AFTER UPDATE OF picture_id ON places
WHEN old.picture_id IS NOT NULL AND old.picture_id IS NOT new.picture_id BEGIN
    DELETE FROM pictures
    WHERE picture_id = old.picture_id AND NOT EXISTS (SELECT 1 FROM places WHERE picture_id = old.picture_id);
END;

-- Which stretches of a channel's history have been read, as closed ranges of snowflakes. A page widens a span in the
-- same transaction that stores its messages; spans that touch become one. All is read when one span reaches from 0.
CREATE TABLE spans (
    channel_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    low        INTEGER NOT NULL,
    high       INTEGER NOT NULL,
    PRIMARY KEY (channel_id, low),
    CHECK (low <= high)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    job_id       INTEGER PRIMARY KEY,
    guild_id     INTEGER NOT NULL REFERENCES guilds ON DELETE CASCADE,
    scope        TEXT NOT NULL, -- JSON: {"kind": "server" | "channel" | "failed", "channel_id"?}
    state        TEXT NOT NULL CHECK (state IN ('running', 'paused', 'done', 'cancelled', 'failed')),
    reason       TEXT,
    requested_by INTEGER,
    channel_id   INTEGER, -- where its progress message stands, if anywhere
    message_id   INTEGER,
    created_ms   INTEGER NOT NULL,
    updated_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_by_guild ON jobs (guild_id, state);

CREATE TABLE opt_outs (
    guild_id INTEGER NOT NULL, -- 0: everywhere. No reference: the wish outlives the guild's rows
    user_id  INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (guild_id, user_id)
) STRICT, WITHOUT ROWID;

-- Who did what: ids only, never content. Outlives the rows it speaks of.
CREATE TABLE audit_log (
    audit_id INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    guild_id INTEGER,
    actor_id INTEGER,
    action   TEXT NOT NULL,
    detail   TEXT NOT NULL DEFAULT '{}' -- JSON
) STRICT;
