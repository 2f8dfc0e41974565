-- Which process holds a claim, so that others can tell whether it is still alive. `scope` names the
-- boot and the namespaces in which pid and start time are valid; NULL where the system doesn't tell.
ALTER TABLE claims ADD COLUMN host TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE claims ADD COLUMN pid INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claims ADD COLUMN scope TEXT;
ALTER TABLE claims ADD COLUMN started INTEGER;                    -- clock ticks since boot
ALTER TABLE claims ADD COLUMN taken_at REAL NOT NULL DEFAULT 0;
