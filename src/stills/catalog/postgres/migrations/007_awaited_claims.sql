-- Announce when a claim ends, but only if someone waits: the server commits announcements one by one.
ALTER TABLE claims ADD COLUMN is_awaited BOOLEAN NOT NULL DEFAULT FALSE;

CREATE FUNCTION announce_freed_key() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('stills_freed_keys', old.key);
    RETURN NULL;
END $$;

CREATE TRIGGER announce_freed_key AFTER DELETE ON claims
FOR EACH ROW WHEN (old.is_awaited) EXECUTE FUNCTION announce_freed_key();
