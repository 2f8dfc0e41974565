-- How a lane comes back after refusals that follow each other, whatever its rate.
ALTER TABLE paces ADD COLUMN calm INTEGER NOT NULL DEFAULT 0;  -- starts since the last refusal
ALTER TABLE paces ADD COLUMN proven_per_second REAL NOT NULL DEFAULT 0.0;
