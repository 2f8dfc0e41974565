-- What made a new image necessary, if it says so: an image with the same fresh key is not made again.
ALTER TABLE generations ADD COLUMN fresh_key TEXT;
