ALTER TABLE generations ADD COLUMN spool_owner TEXT;
