-- The durable job that a call or a claim belongs to, and what each job's calls cost: kept exact by
-- triggers, so that a cap need not add up the calls of a long job.
ALTER TABLE sends ADD COLUMN job TEXT;
ALTER TABLE claims ADD COLUMN job TEXT;
CREATE TABLE job_totals (
    job      TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('possible', 'billed')),
    images   INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (job, kind)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER count_job_send AFTER INSERT ON sends
WHEN new.job IS NOT NULL AND new.billing != 'none'
BEGIN
    INSERT INTO job_totals
    SELECT new.job, new.billing, 1, coalesce(price_nano_usd, 0), price_nano_usd IS NULL
    FROM generations WHERE id = new.generation_id
    ON CONFLICT DO UPDATE SET
        images = images + excluded.images,
        nano_usd = nano_usd + excluded.nano_usd,
        unpriced = unpriced + excluded.unpriced;
END;

CREATE TRIGGER count_settled_job_send AFTER UPDATE OF billing ON sends
WHEN new.job IS NOT NULL AND new.billing != old.billing
BEGIN
    INSERT INTO job_totals
    SELECT old.job, old.billing, -1, -coalesce(price_nano_usd, 0), -(price_nano_usd IS NULL)
    FROM generations WHERE id = old.generation_id AND old.billing != 'none'
    ON CONFLICT DO UPDATE SET
        images = images + excluded.images,
        nano_usd = nano_usd + excluded.nano_usd,
        unpriced = unpriced + excluded.unpriced;
    INSERT INTO job_totals
    SELECT new.job, new.billing, 1, coalesce(price_nano_usd, 0), price_nano_usd IS NULL
    FROM generations WHERE id = new.generation_id AND new.billing != 'none'
    ON CONFLICT DO UPDATE SET
        images = images + excluded.images,
        nano_usd = nano_usd + excluded.nano_usd,
        unpriced = unpriced + excluded.unpriced;
END;
