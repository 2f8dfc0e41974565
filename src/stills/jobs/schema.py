"""The tables of jobs, next to those of DBOS.

`jobs.sequence` orders jobs. A job that is being submitted has no sequence, and nobody sees it.
A shot's row is written when it ends, or to remember an interrupted call that a retry accepted.
"""

_TABLES = """
CREATE TABLE IF NOT EXISTS {schema}jobs (
    id          TEXT PRIMARY KEY,
    sequence    BIGINT UNIQUE,
    owner       TEXT,
    name        TEXT,
    digest      TEXT,
    spec        TEXT NOT NULL,
    provider    TEXT NOT NULL,
    notify_url  TEXT,
    state       TEXT NOT NULL,
    total       BIGINT NOT NULL DEFAULT 0,
    error       TEXT,
    created_at  DOUBLE PRECISION NOT NULL,
    started_at  DOUBLE PRECISION,
    finished_at DOUBLE PRECISION
);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_name ON {schema}jobs (coalesce(owner, ''), name)
WHERE sequence IS NOT NULL AND name IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_active ON {schema}jobs (sequence)
WHERE state IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS jobs_ended ON {schema}jobs (finished_at) WHERE notify_url IS NOT NULL;

CREATE TABLE IF NOT EXISTS {schema}parts (
    job_id     TEXT NOT NULL,
    number     BIGINT NOT NULL,
    first      BIGINT NOT NULL,
    shots      TEXT NOT NULL,
    count      BIGINT NOT NULL,
    state      TEXT NOT NULL DEFAULT 'waiting',
    attempt    BIGINT NOT NULL DEFAULT 0,
    starts     BIGINT NOT NULL DEFAULT 0,
    failures   BIGINT NOT NULL DEFAULT 0,
    trying     BIGINT,
    tries      BIGINT NOT NULL DEFAULT 0,
    not_before DOUBLE PRECISION NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, number)
);
CREATE INDEX IF NOT EXISTS parts_by_state ON {schema}parts (job_id, state, number);

CREATE TABLE IF NOT EXISTS {schema}part_needs (
    job_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    needs  BIGINT NOT NULL,
    PRIMARY KEY (job_id, number, needs)
);

CREATE TABLE IF NOT EXISTS {schema}ends (
    job_id   TEXT NOT NULL,
    position BIGINT NOT NULL,
    shot_id  TEXT NOT NULL,
    kind     TEXT,
    result   TEXT,
    failure  TEXT,
    image_id TEXT,
    accepted BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, position)
);
CREATE INDEX IF NOT EXISTS ends_by_kind ON {schema}ends (job_id, kind);
CREATE INDEX IF NOT EXISTS ends_by_shot ON {schema}ends (job_id, shot_id);

CREATE TABLE IF NOT EXISTS {schema}files (
    job_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes  {bytes} NOT NULL,
    PRIMARY KEY (job_id, digest)
);

CREATE TABLE IF NOT EXISTS {schema}executors (
    id      TEXT PRIMARY KEY,
    seen_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE IF NOT EXISTS {schema}webhooks (
    id           TEXT PRIMARY KEY,
    job_id       TEXT NOT NULL,
    ended_at     DOUBLE PRECISION NOT NULL,
    attempts     BIGINT NOT NULL,
    next_at      DOUBLE PRECISION NOT NULL,
    delivered_at DOUBLE PRECISION,
    gave_up_at   DOUBLE PRECISION,
    problem      TEXT
);
CREATE INDEX IF NOT EXISTS webhooks_due ON {schema}webhooks (next_at)
WHERE delivered_at IS NULL AND gave_up_at IS NULL;

CREATE TABLE IF NOT EXISTS {schema}turns (
    name     TEXT PRIMARY KEY,
    taken_at DOUBLE PRECISION NOT NULL
)
"""

SQLITE = _TABLES.format(schema="", bytes="BLOB")
POSTGRES = "CREATE SCHEMA IF NOT EXISTS stills_jobs;" + _TABLES.format(
    schema="stills_jobs.", bytes="BYTEA"
)
