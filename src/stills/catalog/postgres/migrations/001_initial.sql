-- The catalog in Postgres. Tables and columns have the names that they have in SQLite, so that both
-- run the same statements; ../migrations explains them. Times are Unix seconds, but for leases.

-- What SQLite and its adapter provide as functions. Those in plain SQL become part of the statement
-- that calls them; others are in PL/pgSQL, which keeps their plans.

CREATE FUNCTION date(seconds DOUBLE PRECISION, unit TEXT) RETURNS TEXT
LANGUAGE sql STABLE AS $$ SELECT to_char(to_timestamp(seconds) AT TIME ZONE 'UTC', 'YYYY-MM-DD') $$;

CREATE FUNCTION json_insert(list TEXT, path TEXT, value TEXT) RETURNS TEXT
LANGUAGE sql STABLE AS $$ SELECT (list::jsonb || to_jsonb(value))::text $$;

-- A lease runs on this server's clock, whatever the clocks of the machines that hold claims.
CREATE FUNCTION lease_start() RETURNS TIMESTAMPTZ
LANGUAGE sql VOLATILE AS $$ SELECT clock_timestamp() $$;

CREATE FUNCTION lease_end(seconds DOUBLE PRECISION) RETURNS TIMESTAMPTZ
LANGUAGE sql VOLATILE AS $$ SELECT clock_timestamp() + make_interval(secs => seconds) $$;

CREATE FUNCTION in_lease(lease_from TIMESTAMPTZ, lease_until TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE sql VOLATILE AS $$ SELECT clock_timestamp() <= lease_until $$;

-- What the transaction's client knows about the processes on its own machine.
CREATE FUNCTION life_of(scope TEXT, pid BIGINT, started BIGINT, lock_byte BIGINT) RETURNS TEXT
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        nullif(current_setting('stills.lives', true), '')::jsonb
            ->> concat_ws(' ', scope, pid, started),
        'unknown'
    )
$$;

CREATE FUNCTION lock_until_commit(name TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('stills ' || name, 0));
END $$;

CREATE TABLE generations (
    sequence           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id                 TEXT COLLATE "C" NOT NULL UNIQUE,
    key                TEXT COLLATE "C" NOT NULL,
    seeded_key         TEXT COLLATE "C" NOT NULL,
    provider           TEXT COLLATE "C" NOT NULL,
    model              TEXT COLLATE "C" NOT NULL,
    prompt             TEXT NOT NULL,
    style              TEXT COLLATE "C",
    text               TEXT NOT NULL,
    negative_prompt    TEXT,
    native_width       INTEGER NOT NULL,
    native_height      INTEGER NOT NULL,
    seed               BIGINT NOT NULL,
    sent_references    TEXT NOT NULL DEFAULT '[]',
    price_nano_usd     BIGINT,
    prompt_extend      BOOLEAN NOT NULL DEFAULT TRUE,
    prompt_extend_mode TEXT,
    enable_thinking    BOOLEAN,
    stage              TEXT NOT NULL
        CHECK (stage IN ('claimed', 'sent', 'answered', 'spooled', 'kept', 'failed')),
    created_at         DOUBLE PRECISION NOT NULL,
    notes              TEXT NOT NULL DEFAULT '[]',
    image_url          TEXT,
    url_expires_at     DOUBLE PRECISION,
    request_id         TEXT,
    task_id            TEXT,
    task_send          BIGINT,
    task_image         INTEGER NOT NULL DEFAULT 0,
    sha256             TEXT COLLATE "C",
    byte_count         BIGINT,
    object_path        TEXT COLLATE "C",
    spool_url          TEXT,
    CHECK (stage != 'kept' OR (sha256 IS NOT NULL AND object_path IS NOT NULL))
);

CREATE INDEX generations_by_key ON generations (key, sequence);
CREATE INDEX generations_by_seeded_key ON generations (seeded_key, sequence);
CREATE INDEX generations_by_model ON generations (model, sequence);
CREATE INDEX generations_by_style ON generations (style, sequence) WHERE style IS NOT NULL;
CREATE INDEX generations_by_seed ON generations (seed, sequence);
CREATE INDEX generations_unfinished ON generations (sequence)
WHERE stage IN ('sent', 'answered', 'spooled');
CREATE INDEX generations_kept ON generations (sequence) WHERE stage = 'kept';

CREATE TABLE claims (
    key           TEXT COLLATE "C" PRIMARY KEY,
    token         TEXT NOT NULL,
    generation_id TEXT COLLATE "C" NOT NULL REFERENCES generations (id),
    lease_from    TIMESTAMPTZ NOT NULL,
    lease_until   TIMESTAMPTZ NOT NULL,
    payer         TEXT,
    host          TEXT NOT NULL,
    pid           BIGINT NOT NULL,
    scope         TEXT,
    started       BIGINT,
    taken_at      DOUBLE PRECISION NOT NULL,
    lock_byte     BIGINT
);

CREATE INDEX claims_by_generation ON claims (generation_id);

CREATE TABLE sends (
    number        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    generation_id TEXT COLLATE "C" NOT NULL REFERENCES generations (id),
    call_number   BIGINT,
    sent_at       DOUBLE PRECISION NOT NULL,
    settled_at    DOUBLE PRECISION,
    billing       TEXT NOT NULL CHECK (billing IN ('none', 'possible', 'billed')),
    code          TEXT NOT NULL,
    request_id    TEXT,
    payer         TEXT COLLATE "C"
);

CREATE INDEX sends_by_generation ON sends (generation_id);
CREATE INDEX sends_by_time ON sends (sent_at);
CREATE INDEX sends_possible ON sends (generation_id) WHERE billing = 'possible';

CREATE TABLE renditions (
    generation_id TEXT COLLATE "C" NOT NULL REFERENCES generations (id),
    width         INTEGER NOT NULL,
    height        INTEGER NOT NULL,
    sha256        TEXT COLLATE "C" NOT NULL,
    byte_count    BIGINT NOT NULL,
    object_path   TEXT COLLATE "C" NOT NULL,
    created_at    DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (generation_id, width, height)
);

CREATE INDEX renditions_by_time ON renditions (created_at DESC, generation_id);

CREATE TABLE requests (
    key             TEXT COLLATE "C" PRIMARY KEY,
    generation_id   TEXT COLLATE "C" NOT NULL,
    width           INTEGER NOT NULL,
    height          INTEGER NOT NULL,
    prompt          TEXT NOT NULL,
    negative_prompt TEXT,
    style           TEXT,
    seed            BIGINT,
    reference       TEXT,
    first_asked_at  DOUBLE PRECISION NOT NULL,
    FOREIGN KEY (generation_id, width, height) REFERENCES renditions
);

CREATE INDEX requests_by_rendition ON requests (generation_id, width, height);

CREATE TABLE answers (
    request_key TEXT COLLATE "C" NOT NULL REFERENCES requests (key),
    day         TEXT COLLATE "C" NOT NULL,
    paid        BIGINT NOT NULL DEFAULT 0,
    cached      BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (request_key, day)
);

-- Every statement sees what others have committed since the one before. So whatever decides about a
-- claim is locked first: then it stays as it is until the transaction ends. Returns the version of
-- the schema.
CREATE FUNCTION begin_paid_step(keys TEXT[]) RETURNS INTEGER
LANGUAGE plpgsql AS $$
DECLARE
    one TEXT;
BEGIN
    FOREACH one IN ARRAY keys LOOP
        PERFORM lock_until_commit('key ' || one);
        PERFORM FROM claims AS c WHERE c.key = one FOR UPDATE;
        PERFORM FROM generations AS g
        WHERE g.key = one AND g.stage IN ('claimed', 'sent', 'answered', 'spooled')
        ORDER BY g.sequence
        FOR NO KEY UPDATE;
    END LOOP;
    RETURN (SELECT max(version) FROM schema_version);
END $$;

CREATE TABLE limiter_states (
    provider               TEXT COLLATE "C" NOT NULL,
    model                  TEXT COLLATE "C" NOT NULL,
    limit_per_second       DOUBLE PRECISION NOT NULL,
    started_at             DOUBLE PRECISION NOT NULL,
    counted_from           DOUBLE PRECISION NOT NULL,
    updated_at             DOUBLE PRECISION NOT NULL,
    rate_fraction          DOUBLE PRECISION NOT NULL,
    recovery               DOUBLE PRECISION NOT NULL,
    paused_until           DOUBLE PRECISION NOT NULL,
    lowered_at             DOUBLE PRECISION NOT NULL,
    learned_at             DOUBLE PRECISION NOT NULL,
    accepted               BIGINT NOT NULL,
    refused                BIGINT NOT NULL,
    accepted_since_refusal BIGINT NOT NULL,
    last_good_per_second   DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (provider, model)
);

CREATE TABLE api_keys (
    id           TEXT COLLATE "C" PRIMARY KEY,
    name         TEXT NOT NULL,
    digest       TEXT NOT NULL,
    day_nano_usd BIGINT,
    per_second   DOUBLE PRECISION,
    created_at   DOUBLE PRECISION NOT NULL,
    revoked_at   DOUBLE PRECISION,
    next_turn_at DOUBLE PRECISION NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX api_keys_in_use ON api_keys (name) WHERE revoked_at IS NULL;

CREATE TABLE replies (
    owner      TEXT NOT NULL,
    key        TEXT NOT NULL,
    digest     TEXT NOT NULL,
    answer     TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (owner, key)
);

CREATE INDEX replies_by_time ON replies (created_at);

CREATE TABLE store (
    single    BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single),
    id        TEXT NOT NULL,
    confirmed BOOLEAN NOT NULL
);

INSERT INTO store (id, confirmed) VALUES (substr(replace(gen_random_uuid()::text, '-', ''), 1, 16), FALSE);

-- The prompts of stored images, with their case folded by Python. They have a trigram index if the
-- server has the extension pg_trgm (schema.py).
CREATE TABLE prompts (
    rowid  BIGINT PRIMARY KEY,
    prompt TEXT COLLATE "C" NOT NULL
);

-- Totals per day, kept exact by triggers. They are in parts, because every call of a day would
-- otherwise wait for the same row.
CREATE TABLE partial_totals (
    day      TEXT COLLATE "C" NOT NULL,
    part     INTEGER NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    model    TEXT COLLATE "C" NOT NULL,
    style    TEXT COLLATE "C" NOT NULL,
    payer    TEXT COLLATE "C" NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('possible', 'billed', 'saved')),
    images   BIGINT NOT NULL,
    nano_usd BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    PRIMARY KEY (day, part, provider, model, style, payer, kind)
);

CREATE VIEW totals AS
SELECT day, provider, model, style, payer, kind, sum(images)::bigint AS images,
       sum(nano_usd)::bigint AS nano_usd, sum(unpriced)::bigint AS unpriced
FROM partial_totals
GROUP BY day, provider, model, style, payer, kind;

CREATE FUNCTION add_to_totals(
    of_day TEXT, generation TEXT, paid_by TEXT, of_kind TEXT, added BIGINT
) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO partial_totals AS t
    SELECT of_day, pg_backend_pid() % 64, g.provider, g.model, coalesce(g.style, ''),
           coalesce(paid_by, ''), of_kind, added, added * coalesce(g.price_nano_usd, 0),
           added * (g.price_nano_usd IS NULL)::int
    FROM generations AS g
    WHERE g.id = generation
    ON CONFLICT (day, part, provider, model, style, payer, kind) DO UPDATE SET
        images = t.images + excluded.images,
        nano_usd = t.nano_usd + excluded.nano_usd,
        unpriced = t.unpriced + excluded.unpriced;
END $$;

CREATE FUNCTION count_send() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND old.billing != 'none' THEN
        PERFORM add_to_totals(
            date(old.sent_at, 'unixepoch'), old.generation_id, old.payer, old.billing, -1
        );
    END IF;
    IF new.billing != 'none' THEN
        PERFORM add_to_totals(
            date(new.sent_at, 'unixepoch'), new.generation_id, new.payer, new.billing, 1
        );
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER count_send AFTER INSERT ON sends
FOR EACH ROW EXECUTE FUNCTION count_send();

CREATE TRIGGER count_settled_send AFTER UPDATE OF billing ON sends
FOR EACH ROW WHEN (new.billing != old.billing) EXECUTE FUNCTION count_send();

CREATE FUNCTION count_saved() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    generation TEXT;
    before BIGINT := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := old.cached;
    END IF;
    IF new.cached != before THEN
        SELECT generation_id INTO generation FROM requests WHERE key = new.request_key;
        PERFORM add_to_totals(new.day, generation, NULL, 'saved', new.cached - before);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER count_saved AFTER INSERT OR UPDATE OF cached ON answers
FOR EACH ROW EXECUTE FUNCTION count_saved();
