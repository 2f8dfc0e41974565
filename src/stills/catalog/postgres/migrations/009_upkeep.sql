ALTER TABLE generations ADD COLUMN deleted_at DOUBLE PRECISION;

CREATE TABLE batch_folders (
    host TEXT COLLATE "C" NOT NULL,
    url  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (host, url)
);
