-- What was billed, possibly billed and saved on each day (UTC), so that neither spending nor a cap has
-- to add up the whole ledger. Triggers keep it exact, whichever statement changes the ledger.
CREATE TABLE totals (
    day      TEXT NOT NULL,
    provider TEXT NOT NULL,
    model    TEXT NOT NULL,
    style    TEXT NOT NULL,     -- empty without a style
    payer    TEXT NOT NULL,     -- empty without a payer
    kind     TEXT NOT NULL CHECK (kind IN ('possible', 'billed', 'saved')),
    images   INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,  -- how many of the images have no known price
    PRIMARY KEY (day, provider, model, style, payer, kind)
) STRICT, WITHOUT ROWID;

INSERT INTO totals
SELECT date(s.sent_at, 'unixepoch'), g.provider, g.model, coalesce(g.style, ''),
       coalesce(s.payer, ''), s.billing, count(*), coalesce(sum(g.price_nano_usd), 0),
       count(*) - count(g.price_nano_usd)
FROM sends AS s JOIN generations AS g ON g.id = s.generation_id
WHERE s.billing != 'none'
GROUP BY 1, 2, 3, 4, 5, 6;

INSERT INTO totals
SELECT a.day, g.provider, g.model, coalesce(g.style, ''), '', 'saved', sum(a.cached),
       coalesce(sum(a.cached * g.price_nano_usd), 0),
       coalesce(sum(a.cached) FILTER (WHERE g.price_nano_usd IS NULL), 0)
FROM answers AS a
JOIN requests AS q ON q.key = a.request_key
JOIN generations AS g ON g.id = q.generation_id
WHERE a.cached > 0
GROUP BY 1, 2, 3, 4;

CREATE TRIGGER count_send AFTER INSERT ON sends WHEN new.billing != 'none'
BEGIN
    INSERT INTO totals
    SELECT date(new.sent_at, 'unixepoch'), provider, model, coalesce(style, ''),
           coalesce(new.payer, ''), new.billing, 1, coalesce(price_nano_usd, 0),
           price_nano_usd IS NULL
    FROM generations WHERE id = new.generation_id
    ON CONFLICT DO UPDATE SET
        images = images + excluded.images,
        nano_usd = nano_usd + excluded.nano_usd,
        unpriced = unpriced + excluded.unpriced;
END;

CREATE TRIGGER count_settled_send AFTER UPDATE OF billing ON sends WHEN new.billing != old.billing
BEGIN
    INSERT INTO totals
    SELECT date(old.sent_at, 'unixepoch'), provider, model, coalesce(style, ''),
           coalesce(old.payer, ''), old.billing, -1, -coalesce(price_nano_usd, 0),
           -(price_nano_usd IS NULL)
    FROM generations WHERE id = old.generation_id AND old.billing != 'none'
    ON CONFLICT DO UPDATE SET
        images = images + excluded.images,
        nano_usd = nano_usd + excluded.nano_usd,
        unpriced = unpriced + excluded.unpriced;
    INSERT INTO totals
    SELECT date(new.sent_at, 'unixepoch'), provider, model, coalesce(style, ''),
           coalesce(new.payer, ''), new.billing, 1, coalesce(price_nano_usd, 0),
           price_nano_usd IS NULL
    FROM generations WHERE id = new.generation_id AND new.billing != 'none'
    ON CONFLICT DO UPDATE SET
        images = images + excluded.images,
        nano_usd = nano_usd + excluded.nano_usd,
        unpriced = unpriced + excluded.unpriced;
END;

CREATE TRIGGER count_first_saved AFTER INSERT ON answers WHEN new.cached > 0
BEGIN
    INSERT INTO totals
    SELECT new.day, g.provider, g.model, coalesce(g.style, ''), '', 'saved', new.cached,
           new.cached * coalesce(g.price_nano_usd, 0), new.cached * (g.price_nano_usd IS NULL)
    FROM requests AS q JOIN generations AS g ON g.id = q.generation_id
    WHERE q.key = new.request_key
    ON CONFLICT DO UPDATE SET
        images = images + excluded.images,
        nano_usd = nano_usd + excluded.nano_usd,
        unpriced = unpriced + excluded.unpriced;
END;

CREATE TRIGGER count_saved AFTER UPDATE OF cached ON answers WHEN new.cached != old.cached
BEGIN
    INSERT INTO totals
    SELECT new.day, g.provider, g.model, coalesce(g.style, ''), '', 'saved',
           new.cached - old.cached, (new.cached - old.cached) * coalesce(g.price_nano_usd, 0),
           (new.cached - old.cached) * (g.price_nano_usd IS NULL)
    FROM requests AS q JOIN generations AS g ON g.id = q.generation_id
    WHERE q.key = new.request_key
    ON CONFLICT DO UPDATE SET
        images = images + excluded.images,
        nano_usd = nano_usd + excluded.nano_usd,
        unpriced = unpriced + excluded.unpriced;
END;
