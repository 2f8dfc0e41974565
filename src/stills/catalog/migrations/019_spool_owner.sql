-- The name of the machine whose spool has the image; NULL for what was spooled before.
ALTER TABLE generations ADD COLUMN spool_owner TEXT;
