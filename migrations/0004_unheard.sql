-- A refresh token whose successor nobody has heard of: the answer to the COMMIT was lost. The token returns its
-- successor until that one is used, however long this takes.
ALTER TABLE sessions ADD COLUMN unheard BOOLEAN NOT NULL DEFAULT FALSE;
