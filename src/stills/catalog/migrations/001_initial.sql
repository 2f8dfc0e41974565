-- Times are Unix seconds, but for leases (005). No row holds image bytes, a key, or a link that
-- outlives its use.

CREATE TABLE generations (
    sequence         INTEGER PRIMARY KEY,  -- order of claims: the newest kept one answers
    id               TEXT NOT NULL UNIQUE,
    key              TEXT NOT NULL,        -- as it was asked for
    seeded_key       TEXT NOT NULL,        -- the same with the seed that was sent
    provider         TEXT NOT NULL,
    model            TEXT NOT NULL,
    prompt           TEXT NOT NULL,        -- as first asked for, and the style
    style            TEXT,
    text             TEXT NOT NULL,        -- as sent, the style woven in
    negative_prompt  TEXT,
    native_width     INTEGER NOT NULL,
    native_height    INTEGER NOT NULL,
    seed             INTEGER NOT NULL,
    reference_digest TEXT,
    price_usd        REAL,
    stage            TEXT NOT NULL
        CHECK (stage IN ('claimed', 'sent', 'answered', 'spooled', 'kept', 'failed')),
    created_at       REAL NOT NULL,
    notes            TEXT NOT NULL DEFAULT '[]',  -- JSON list of sentences
    image_url        TEXT,                 -- the provider's link, until the image is kept
    url_expires_at   REAL,
    request_id       TEXT,
    sha256           TEXT,
    byte_count       INTEGER,
    object_path      TEXT,
    spool_path       TEXT,
    CHECK (stage != 'kept' OR (sha256 IS NOT NULL AND object_path IS NOT NULL))
) STRICT;

CREATE INDEX generations_by_key ON generations (key, sequence);
CREATE INDEX generations_by_seeded_key ON generations (seeded_key, sequence);

CREATE TABLE claims (
    key           TEXT PRIMARY KEY,
    token         TEXT NOT NULL,
    generation_id TEXT NOT NULL REFERENCES generations (id),
    lease_until   REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- The ledger: one row for each request that left this machine.
CREATE TABLE sends (
    number        INTEGER PRIMARY KEY,
    generation_id TEXT NOT NULL REFERENCES generations (id),
    sent_at       REAL NOT NULL,
    settled_at    REAL,
    billing       TEXT NOT NULL CHECK (billing IN ('none', 'possible', 'billed')),
    code          TEXT NOT NULL,
    request_id    TEXT
) STRICT;

CREATE INDEX sends_by_generation ON sends (generation_id);
CREATE INDEX sends_by_time ON sends (sent_at);

CREATE TABLE renditions (
    generation_id TEXT NOT NULL REFERENCES generations (id),
    width         INTEGER NOT NULL,
    height        INTEGER NOT NULL,
    sha256        TEXT NOT NULL,
    byte_count    INTEGER NOT NULL,
    object_path   TEXT NOT NULL,
    created_at    REAL NOT NULL,
    PRIMARY KEY (generation_id, width, height)
) STRICT, WITHOUT ROWID;

CREATE INDEX renditions_by_time ON renditions (created_at);

CREATE TABLE requests (
    key             TEXT PRIMARY KEY,      -- hash of what was asked and what answered
    generation_id   TEXT NOT NULL,
    width           INTEGER NOT NULL,
    height          INTEGER NOT NULL,
    prompt          TEXT NOT NULL,
    negative_prompt TEXT,
    style           TEXT,
    seed            INTEGER,
    reference       TEXT,                  -- shown without secrets
    first_asked_at  REAL NOT NULL,
    FOREIGN KEY (generation_id, width, height) REFERENCES renditions
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_by_rendition ON requests (generation_id, width, height);

-- How often a request was answered on a day (UTC), paid for or out of the catalog.
CREATE TABLE answers (
    request_key TEXT NOT NULL REFERENCES requests (key),
    day         TEXT NOT NULL,
    paid        INTEGER NOT NULL DEFAULT 0,
    cached      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (request_key, day)
) STRICT, WITHOUT ROWID;
