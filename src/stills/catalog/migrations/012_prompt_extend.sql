-- How the service was told to rewrite the prompt. Every image so far was made with prompt_extend.
ALTER TABLE generations ADD COLUMN prompt_extend INTEGER NOT NULL DEFAULT 1;
ALTER TABLE generations ADD COLUMN prompt_extend_mode TEXT;
ALTER TABLE generations ADD COLUMN enable_thinking INTEGER;
