CREATE TABLE IF NOT EXISTS entries (id bigserial PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT now());
