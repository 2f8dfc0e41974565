-- The asynchronous task that the last call created, and the number of that call in `sends`, until the
-- call is settled: the next holder of the claim asks for the task instead of sending again.
ALTER TABLE generations ADD COLUMN task_id TEXT;
ALTER TABLE generations ADD COLUMN task_send INTEGER;
