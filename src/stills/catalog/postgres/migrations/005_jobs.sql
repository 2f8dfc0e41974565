-- The durable job that a call or a claim belongs to, and what each job's calls cost: kept exact by
-- triggers, so that a cap need not add up the calls of a long job.
ALTER TABLE sends ADD COLUMN job TEXT COLLATE "C";
ALTER TABLE claims ADD COLUMN job TEXT COLLATE "C";

CREATE TABLE job_totals (
    job      TEXT COLLATE "C" NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('possible', 'billed')),
    images   BIGINT NOT NULL,
    nano_usd BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    PRIMARY KEY (job, kind)
);

CREATE FUNCTION add_to_job_totals(of_job TEXT, generation TEXT, of_kind TEXT, added BIGINT)
RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_totals AS t
    SELECT of_job, of_kind, added, added * coalesce(g.price_nano_usd, 0),
           added * (g.price_nano_usd IS NULL)::int
    FROM generations AS g
    WHERE g.id = generation
    ON CONFLICT (job, kind) DO UPDATE SET
        images = t.images + excluded.images,
        nano_usd = t.nano_usd + excluded.nano_usd,
        unpriced = t.unpriced + excluded.unpriced;
END $$;

-- In the order of their kinds, so that two transactions never wait for each other's rows.
CREATE FUNCTION count_job_send() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM add_to_job_totals(new.job, new.generation_id, kind, change)
        FROM (VALUES (old.billing, -1), (new.billing, 1)) AS changed (kind, change)
        WHERE kind != 'none'
        ORDER BY kind;
    ELSIF new.billing != 'none' THEN
        PERFORM add_to_job_totals(new.job, new.generation_id, new.billing, 1);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER count_job_send AFTER INSERT ON sends
FOR EACH ROW WHEN (new.job IS NOT NULL) EXECUTE FUNCTION count_job_send();

CREATE TRIGGER count_settled_job_send AFTER UPDATE OF billing ON sends
FOR EACH ROW WHEN (new.job IS NOT NULL AND new.billing != old.billing)
EXECUTE FUNCTION count_job_send();
