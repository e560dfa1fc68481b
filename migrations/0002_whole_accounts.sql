-- The whole account system: second factors, challenges, devices, counters by scope, deletion with undo.

ALTER TABLE accounts ADD COLUMN email_otp BOOLEAN NOT NULL DEFAULT FALSE;  -- codes by mail are asked for
ALTER TABLE accounts ADD COLUMN must_reset BOOLEAN NOT NULL DEFAULT FALSE; -- the password is not taken any more
ALTER TABLE accounts ADD COLUMN contested BOOLEAN NOT NULL DEFAULT FALSE;  -- registered differently before the proof
ALTER TABLE accounts ADD COLUMN delete_at BIGINT;                          -- closed by its owner, deleted then
ALTER TABLE accounts ADD COLUMN signed_in_at BIGINT;                       -- the last whole sign-in; NULL: never
CREATE INDEX accounts_by_age ON accounts (created_at, id);
CREATE INDEX accounts_by_name ON accounts (lower(name), id);
CREATE INDEX accounts_disabled ON accounts (disabled_at) WHERE disabled_at IS NOT NULL;
CREATE INDEX accounts_to_delete ON accounts (delete_at) WHERE delete_at IS NOT NULL;
CREATE INDEX accounts_to_approve ON accounts (created_at, id) WHERE requested_role IS NOT NULL;

-- What the code is about, such as the new address.
ALTER TABLE codes ADD COLUMN payload TEXT NOT NULL DEFAULT '';

-- The device of a session; '' where none is known.
ALTER TABLE sessions ADD COLUMN device_id TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_by_idle ON sessions (idle_expires);

-- When a mail is of no more use: every link and code in it has expired by then. NULL: it keeps its use.
ALTER TABLE outbox ADD COLUMN expires_at BIGINT;
CREATE INDEX outbox_given_up ON outbox (created_at) WHERE state = 'dead' AND body_text <> '';

-- One time-based secret for each account (RFC 6238). Not confirmed: it counts for nothing yet.
CREATE TABLE totp (
    account_id   TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    sealed_seed  BYTEA NOT NULL,                       -- bound to the account
    created_at   BIGINT NOT NULL,
    confirmed_at BIGINT,
    last_step    BIGINT NOT NULL                       -- the newest step that was used
);

CREATE TABLE recovery_codes (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    code_mac   BYTEA NOT NULL,                         -- keyed, bound to the account
    created_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX recovery_codes_by_account ON recovery_codes (account_id);

-- A sign-in or an elevation that waits for a second factor. It opens nothing else.
CREATE TABLE challenges (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    session_id   TEXT NOT NULL,                        -- of an elevation; '' for a sign-in
    token_hash   BYTEA NOT NULL UNIQUE,                -- of what the client holds
    password_mac BYTEA NOT NULL,                       -- of the password hash it began with: another ends it
    browser_hash BYTEA NOT NULL,                       -- of the cookie it was bound to; empty: none
    keep         BOOLEAN NOT NULL,                     -- "keep me signed in"
    code_mac     BYTEA NOT NULL,                       -- of the newest mailed code; empty: none
    code_expires BIGINT NOT NULL,
    tries_left   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    consumed_at  BIGINT
);
CREATE INDEX challenges_by_account ON challenges (account_id, created_at);
CREATE INDEX challenges_by_expiry ON challenges (expires_at);

-- Browsers that have signed in before, by the cookie they keep, for each account they were used with.
CREATE TABLE devices (
    device_id     TEXT NOT NULL,
    account_id    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    trusted_until BIGINT NOT NULL,                     -- no second factor until then; 0: asked each time
    ip            TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    PRIMARY KEY (account_id, device_id)
);
CREATE INDEX devices_by_age ON devices (last_seen_at);
CREATE INDEX devices_by_name ON devices (device_id);

-- `lockouts.address` holds an address, or an address with '#' and the device or session that counts apart.

-- One's own history is read in pages.
DROP INDEX attempts_by_account;
CREATE INDEX attempts_by_account ON attempts (account_id, at, id);
CREATE INDEX attempts_by_outcome ON attempts (outcome, at);
CREATE INDEX attempts_by_address ON attempts (address, at);
CREATE INDEX attempts_by_ip ON attempts (ip, at);
CREATE INDEX audit_by_actor ON audit (actor, at);
CREATE INDEX audit_by_target ON audit (target, at);
CREATE INDEX audit_by_action ON audit (action, at);
CREATE INDEX outbox_by_state ON outbox (state, created_at);

-- The one-time way to make the first admin; and 'admins', the row that whoever takes an admin away holds, so that
-- such changes go one after the other.
CREATE TABLE bootstrap (
    name       TEXT PRIMARY KEY,                       -- 'first-admin', 'admins'
    nonce      BYTEA NOT NULL,                         -- the token is a MAC of it
    created_at BIGINT NOT NULL,
    used_at    BIGINT
);

-- For the clean-ups, which look for little in large tables.
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX recovery_codes_by_use ON recovery_codes (used_at) WHERE used_at IS NOT NULL;
