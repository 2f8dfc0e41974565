ALTER TABLE generations ADD COLUMN fresh_key TEXT COLLATE "C";
