-- The key with which a new image was requested: requests with the same key share it. NULL without one.
ALTER TABLE generations ADD COLUMN fresh_key TEXT;
