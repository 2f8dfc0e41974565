ALTER TABLE sends ADD COLUMN account TEXT COLLATE "C" NOT NULL DEFAULT '';

ALTER TABLE limiter_states ADD COLUMN account TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE limiter_states DROP CONSTRAINT limiter_states_pkey;
ALTER TABLE limiter_states ADD PRIMARY KEY (provider, model, account);
