-- When an image was deleted on purpose: an equal request is then billed again, which it says.
ALTER TABLE generations ADD COLUMN deleted_at REAL;

-- The output folders of batches, as file URLs of a machine. What is picked is in the folders.
CREATE TABLE batch_folders (
    host TEXT NOT NULL,
    url  TEXT NOT NULL,
    PRIMARY KEY (host, url)
) STRICT, WITHOUT ROWID;
