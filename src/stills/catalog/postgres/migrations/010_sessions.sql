-- Browsers that logged in with an API key. Only the hash of a session's secret is here.
CREATE TABLE sessions (
    digest     TEXT PRIMARY KEY,
    key_id     TEXT NOT NULL REFERENCES api_keys (id),
    expires_at DOUBLE PRECISION NOT NULL
);

CREATE INDEX sessions_by_end ON sessions (expires_at);
