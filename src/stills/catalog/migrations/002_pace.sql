-- One row for each lane: how fast all processes that share this catalog start sends together.
CREATE TABLE paces (
    provider         TEXT NOT NULL,
    model            TEXT NOT NULL,
    limit_per_second REAL NOT NULL,
    started_at       REAL NOT NULL,  -- the latest start given out, up to a moment ahead
    counted_from     REAL NOT NULL,
    updated_at       REAL NOT NULL,
    share            REAL NOT NULL,
    recovery         REAL NOT NULL,
    held_until       REAL NOT NULL,
    lowered_at       REAL NOT NULL,
    learned_at       REAL NOT NULL,
    accepted         INTEGER NOT NULL,
    refused          INTEGER NOT NULL,
    PRIMARY KEY (provider, model)
) STRICT, WITHOUT ROWID;
