-- Which image of its task a generation gets, from 0: a task can make several.
ALTER TABLE generations ADD COLUMN task_image INTEGER NOT NULL DEFAULT 0;
