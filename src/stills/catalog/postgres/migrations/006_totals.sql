-- The same totals in fewer steps: the answers of many callers are counted together, and a settled
-- call changes both of its totals at once.

CREATE FUNCTION count_settled_send() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO partial_totals AS t
    SELECT date(new.sent_at, 'unixepoch'), pg_backend_pid() % 64, g.provider, g.model,
           coalesce(g.style, ''), coalesce(new.payer, ''), changed.kind, changed.number,
           changed.number * coalesce(g.price_nano_usd, 0),
           changed.number * (g.price_nano_usd IS NULL)::int
    FROM generations AS g,
         (VALUES (old.billing, -1), (new.billing, 1)) AS changed (kind, number)
    WHERE g.id = new.generation_id AND changed.kind != 'none'
    ON CONFLICT (day, part, provider, model, style, payer, kind) DO UPDATE SET
        images = t.images + excluded.images,
        nano_usd = t.nano_usd + excluded.nano_usd,
        unpriced = t.unpriced + excluded.unpriced;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER count_settled_send AFTER UPDATE OF billing ON sends
FOR EACH ROW WHEN (new.billing != old.billing) EXECUTE FUNCTION count_settled_send();

DROP TRIGGER count_saved ON answers;
DROP FUNCTION count_saved;

CREATE FUNCTION count_first_saved() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO partial_totals AS t
    SELECT a.day, pg_backend_pid() % 64, g.provider, g.model, coalesce(g.style, ''), '', 'saved',
           sum(a.cached), sum(a.cached * coalesce(g.price_nano_usd, 0)),
           sum(a.cached * (g.price_nano_usd IS NULL)::int)
    FROM added AS a
    JOIN requests AS q ON q.key = a.request_key
    JOIN generations AS g ON g.id = q.generation_id
    WHERE a.cached > 0
    GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (day, part, provider, model, style, payer, kind) DO UPDATE SET
        images = t.images + excluded.images,
        nano_usd = t.nano_usd + excluded.nano_usd,
        unpriced = t.unpriced + excluded.unpriced;
    RETURN NULL;
END $$;

CREATE TRIGGER count_first_saved AFTER INSERT ON answers
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION count_first_saved();

CREATE FUNCTION count_saved() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO partial_totals AS t
    SELECT a.day, pg_backend_pid() % 64, g.provider, g.model, coalesce(g.style, ''), '', 'saved',
           sum(a.cached - b.cached),
           sum((a.cached - b.cached) * coalesce(g.price_nano_usd, 0)),
           sum((a.cached - b.cached) * (g.price_nano_usd IS NULL)::int)
    FROM after AS a
    JOIN before AS b USING (request_key, day)
    JOIN requests AS q ON q.key = a.request_key
    JOIN generations AS g ON g.id = q.generation_id
    WHERE a.cached != b.cached
    GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (day, part, provider, model, style, payer, kind) DO UPDATE SET
        images = t.images + excluded.images,
        nano_usd = t.nano_usd + excluded.nano_usd,
        unpriced = t.unpriced + excluded.unpriced;
    RETURN NULL;
END $$;

CREATE TRIGGER count_saved AFTER UPDATE ON answers
REFERENCING OLD TABLE AS before NEW TABLE AS after
FOR EACH STATEMENT EXECUTE FUNCTION count_saved();
