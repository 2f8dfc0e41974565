-- Rate limits, the days of caps and the ledger run on this server's clock too, whatever the clocks of
-- the machines. Stable, so that a statement may use an index with it.
CREATE FUNCTION unix_now() RETURNS DOUBLE PRECISION
LANGUAGE sql STABLE AS $$ SELECT extract(epoch FROM clock_timestamp())::double precision $$;
