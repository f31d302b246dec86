-- 0013: keys of the HTTP interface.
--
-- Why: who holds such a key reads whole servers, so what is stored must not be a key. A key's secret has 256 random bits:
-- nobody can guess it from its hash, so a fast hash is enough (docs/adr/0037).

CREATE TABLE api_keys (
    key_id     INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: the audit log names it
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
    guild_id   INTEGER, -- NULL: every server. No reference: a key must not become one for every server when its own goes
    sha256     BLOB NOT NULL CHECK (length(sha256) = 32), -- of the secret
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER, -- NULL: never
    revoked_ms INTEGER -- NULL: it is not revoked
) STRICT;
