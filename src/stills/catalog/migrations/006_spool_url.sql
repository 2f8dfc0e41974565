-- Where a spooled image is: HOME, and so the spool's folder, differs between users and containers that
-- share a catalog. NULL for what was spooled before; its name was always the id of the generation.
ALTER TABLE generations ADD COLUMN spool_url TEXT;
ALTER TABLE generations DROP COLUMN spool_path;
