-- Keys of the HTTP service. A key's secret is not here, only its hash.
CREATE TABLE api_keys (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    digest        TEXT NOT NULL,
    day_usd       REAL,
    per_second    REAL,
    created_at    REAL NOT NULL,
    revoked_at    REAL,
    next_turn_at  REAL NOT NULL DEFAULT 0  -- when the next request would be on time
) STRICT;

CREATE UNIQUE INDEX api_keys_in_use ON api_keys (name) WHERE revoked_at IS NULL;

-- What was answered to a client's Idempotency-Key: results as JSON, no image bytes.
CREATE TABLE replies (
    owner      TEXT NOT NULL,
    key        TEXT NOT NULL,
    digest     TEXT NOT NULL,
    answer     TEXT,
    created_at REAL NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX replies_by_time ON replies (created_at);

-- Whose budget a send counts towards, and that of a send to come.
ALTER TABLE sends ADD COLUMN payer TEXT;
ALTER TABLE claims ADD COLUMN payer TEXT;

CREATE INDEX sends_by_payer ON sends (payer, sent_at) WHERE payer IS NOT NULL;
