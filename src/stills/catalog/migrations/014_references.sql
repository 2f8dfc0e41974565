-- All reference images of a generation, in order: a JSON list of digests and names.
ALTER TABLE generations ADD COLUMN sent_references TEXT NOT NULL DEFAULT '[]';
UPDATE generations SET sent_references = '[{"digest": "' || reference_digest || '", "shown": null}]'
WHERE reference_digest IS NOT NULL;
ALTER TABLE generations DROP COLUMN reference_digest;
