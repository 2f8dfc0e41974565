-- The account that a call goes to and that a limit belongs to: a digest, empty if unknown.
ALTER TABLE sends ADD COLUMN account TEXT NOT NULL DEFAULT '';

ALTER TABLE limiter_states RENAME TO earlier_states;

CREATE TABLE limiter_states (
    provider               TEXT NOT NULL,
    model                  TEXT NOT NULL,
    account                TEXT NOT NULL,
    limit_per_second       REAL NOT NULL,
    started_at             REAL NOT NULL,  -- the latest start given out, up to a moment ahead
    counted_from           REAL NOT NULL,
    updated_at             REAL NOT NULL,
    rate_fraction          REAL NOT NULL,
    recovery               REAL NOT NULL,
    paused_until           REAL NOT NULL,
    lowered_at             REAL NOT NULL,
    learned_at             REAL NOT NULL,
    accepted               INTEGER NOT NULL,
    refused                INTEGER NOT NULL,
    accepted_since_refusal INTEGER NOT NULL,
    last_good_per_second   REAL NOT NULL,
    PRIMARY KEY (provider, model, account)
) STRICT, WITHOUT ROWID;

INSERT INTO limiter_states
SELECT provider, model, '', limit_per_second, started_at, counted_from, updated_at, rate_fraction,
       recovery, paused_until, lowered_at, learned_at, accepted, refused, accepted_since_refusal,
       last_good_per_second
FROM earlier_states;

DROP TABLE earlier_states;
