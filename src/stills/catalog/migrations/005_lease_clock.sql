-- A lease runs on the machine's monotonic clock, for the time of day can be set: a step forward would
-- end a lease that is held, a step back prolong that of a dead process by as much. A lease that lies
-- outside of now is over, and so is one that begins later: it is of an earlier start of the machine,
-- or of an earlier version of this table, whose leases were Unix seconds.
ALTER TABLE claims ADD COLUMN lease_from REAL NOT NULL DEFAULT 1e300;
