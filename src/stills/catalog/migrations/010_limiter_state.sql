ALTER TABLE paces RENAME TO limiter_states;
ALTER TABLE limiter_states RENAME COLUMN share TO rate_fraction;
ALTER TABLE limiter_states RENAME COLUMN held_until TO paused_until;
ALTER TABLE limiter_states RENAME COLUMN calm TO accepted_since_refusal;
ALTER TABLE limiter_states RENAME COLUMN proven_per_second TO last_good_per_second;
