-- The first circle: accounts, sign-ins, mail. Plain SQL that SQLite and PostgreSQL both take:
-- TEXT, BIGINT (times in milliseconds since 1970, UTC), BOOLEAN, BYTEA. Identifiers are UUID texts.

CREATE TABLE accounts (
    id                  TEXT PRIMARY KEY,
    email               TEXT NOT NULL UNIQUE,          -- canonical form
    name                TEXT NOT NULL,
    password_hash       TEXT NOT NULL,                 -- PHC string
    requested_role      TEXT,                          -- waits for an admin's approval
    created_at          BIGINT NOT NULL,
    verified_at         BIGINT,                        -- NULL: not activated yet
    disabled_at         BIGINT,                        -- NULL: may sign in
    password_changed_at BIGINT NOT NULL
);
CREATE INDEX accounts_unverified ON accounts (created_at) WHERE verified_at IS NULL;

CREATE TABLE account_roles (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role       TEXT NOT NULL,
    PRIMARY KEY (account_id, role)
);
CREATE INDEX account_roles_by_role ON account_roles (role, account_id);

-- A mailed secret: a link token and a short code for the same purpose. Only the newest row of an account and
-- purpose is live.
CREATE TABLE codes (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    purpose      TEXT NOT NULL,                        -- verify_email, …
    link_hash    BYTEA NOT NULL,
    code_hash    BYTEA NOT NULL,
    tries_left   BIGINT NOT NULL,                      -- of the code
    link_expires BIGINT NOT NULL,
    code_expires BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    consumed_at  BIGINT
);
CREATE INDEX codes_by_account ON codes (account_id, purpose, created_at);
CREATE INDEX codes_by_expiry ON codes (link_expires);

-- One row for each sign-in on one device. It carries its refresh family: the hash of the live token and of the one
-- before it.
CREATE TABLE sessions (
    id            TEXT PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    amr           TEXT NOT NULL,                       -- space-separated
    auth_time     BIGINT NOT NULL,
    keep          BOOLEAN NOT NULL,
    refresh_hash  BYTEA NOT NULL,
    previous_hash BYTEA,
    rotated_at    BIGINT NOT NULL,
    generation    BIGINT NOT NULL,
    idle_expires  BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,                     -- absolute
    created_at    BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    ip            TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    ended_at      BIGINT,
    end_reason    TEXT                                 -- logout, reuse, limit, …
);
CREATE INDEX sessions_by_account ON sessions (account_id, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Failures by canonical address, known or not, so that both lock alike.
CREATE TABLE lockouts (
    address      TEXT PRIMARY KEY,
    failures     BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,                      -- 0: not locked
    locks        BIGINT NOT NULL,                      -- how often in a row; doubles the duration
    updated_at   BIGINT NOT NULL
);
CREATE INDEX lockouts_by_age ON lockouts (updated_at);

CREATE TABLE attempts (
    id         TEXT PRIMARY KEY,
    at         BIGINT NOT NULL,
    account_id TEXT,
    address    TEXT NOT NULL,
    ip         TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    outcome    TEXT NOT NULL,                          -- success, failure
    reason     TEXT NOT NULL
);
CREATE INDEX attempts_by_account ON attempts (account_id, at);
CREATE INDEX attempts_by_time ON attempts (at);

CREATE TABLE audit (
    id         TEXT PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT NOT NULL,                          -- account id, 'system' or 'operator'
    action     TEXT NOT NULL,
    target     TEXT NOT NULL,
    ip         TEXT NOT NULL,
    request_id TEXT NOT NULL,
    detail     TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);

-- Transactional outbox. Contents are wiped once a mail is sent.
CREATE TABLE outbox (
    id           TEXT PRIMARY KEY,                     -- also the Message-ID's left part
    recipient    TEXT NOT NULL,
    kind         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    body_text    TEXT NOT NULL,
    body_html    TEXT NOT NULL,
    state        TEXT NOT NULL,                        -- waiting, sent, dead
    tries        BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    last_error   TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    sent_at      BIGINT
);
CREATE INDEX outbox_due ON outbox (state, next_at);
CREATE INDEX outbox_by_age ON outbox (created_at);

-- Tokens that ended before their time. Rows leave when the last such token has expired.
CREATE TABLE revocations (
    kind        TEXT NOT NULL,                         -- session, account
    subject     TEXT NOT NULL,
    ends_before BIGINT NOT NULL,                       -- tokens made before this have ended (account)
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

CREATE TABLE signing_keys (
    kid            TEXT PRIMARY KEY,
    algorithm      TEXT NOT NULL,
    sealed_private BYTEA NOT NULL,
    created_at     BIGINT NOT NULL,
    retired_at     BIGINT,
    follows        TEXT NOT NULL UNIQUE                -- the key before it, '' for the first: one successor each
);
