-- Which store the images are in. Its marker object has the same id, so that an unmounted disk, or a
-- STILLS_STORE that was changed, is noticed before anything is written there.
CREATE TABLE store (
    only      INTEGER PRIMARY KEY CHECK (only = 1),
    id        TEXT NOT NULL,
    confirmed INTEGER NOT NULL  -- whether the marker was seen in the store
) STRICT;

INSERT INTO store (only, id, confirmed) VALUES (1, lower(hex(randomblob(8))), 0);
