//! People's accounts and the roles they hold.

use super::{Row, Store, StoreError, Tx, params};
use crate::model::{AccountId, Email, RoleName, Secret, SessionId, Timestamp};

/// An account as it is stored, with its roles.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// Its identifier.
    pub id: AccountId,
    /// Its address in canonical form; unique.
    pub email: Email,
    /// Full name.
    pub name: String,
    /// PHC string.
    pub password_hash: Secret,
    /// A role that waits for an admin's approval.
    pub requested_role: Option<String>,
    /// When the address was proved; `None`: not activated.
    pub verified_at: Option<Timestamp>,
    /// Since when the account is switched off.
    pub disabled_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the password was last set.
    pub password_changed_at: Timestamp,
    /// Whether codes by mail are asked for.
    pub email_otp: bool,
    /// Whether codes from an app are asked for.
    pub totp: bool,
    /// Whether the password is not taken any more until it is reset.
    pub must_reset: bool,
    /// When the account is deleted, if its owner has closed it.
    pub delete_at: Option<Timestamp>,
    /// Whether the address was registered in more than one way before it was proved.
    pub contested: bool,
    /// The roles held, sorted by name.
    pub roles: Vec<RoleName>,
}

/// What a registration sets.
#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    /// Its identifier.
    pub id: AccountId,
    /// Its address.
    pub email: &'a Email,
    /// Full name.
    pub name: &'a str,
    /// PHC string.
    pub password_hash: &'a Secret,
    /// A role to be approved.
    pub requested_role: Option<&'a str>,
    /// The roles held from the start.
    pub roles: &'a [RoleName],
    /// When the address was proved, if it needs no proof.
    pub verified_at: Option<Timestamp>,
    /// Now.
    pub created_at: Timestamp,
}

impl AccountRow {
    /// Whether it may have sessions: proved, not switched off, not closed by its owner.
    #[must_use]
    pub fn may_sign_in(&self) -> bool {
        self.verified_at.is_some() && self.disabled_at.is_none() && self.delete_at.is_none()
    }
}

impl Store {
    /// The account with this address.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn account_by_email(&self, email: &Email) -> Result<Option<AccountRow>, StoreError> {
        let rows = self
            .read(
                "SELECT a.id, a.email, a.name, a.password_hash, a.requested_role, a.verified_at, a.disabled_at,
                        a.created_at, a.password_changed_at, a.email_otp, t.confirmed_at, a.must_reset, a.delete_at, a.contested,
                        r.role
                 FROM accounts a LEFT JOIN totp t ON t.account_id = a.id
                                 LEFT JOIN account_roles r ON r.account_id = a.id
                 WHERE a.email = $1 ORDER BY r.role",
                params![email],
            )
            .await?;
        fold(&rows)
    }

    /// The account with this identifier.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn account_by_id(&self, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
        let rows = self
            .read(
                "SELECT a.id, a.email, a.name, a.password_hash, a.requested_role, a.verified_at, a.disabled_at,
                        a.created_at, a.password_changed_at, a.email_otp, t.confirmed_at, a.must_reset, a.delete_at, a.contested,
                        r.role
                 FROM accounts a LEFT JOIN totp t ON t.account_id = a.id
                                 LEFT JOIN account_roles r ON r.account_id = a.id
                 WHERE a.id = $1 ORDER BY r.role",
                params![id],
            )
            .await?;
        fold(&rows)
    }

    /// At most `limit` closed accounts whose time has come. Index: `accounts_to_delete`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn accounts_to_delete(&self, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, StoreError> {
        let sql = "SELECT id FROM accounts WHERE delete_at IS NOT NULL AND delete_at <= $1 LIMIT $2";
        self.read(sql, params![now, limit]).await?.iter().map(|row| row.parse(0)).collect()
    }

    /// Removes at most `limit` accounts that were registered before `before` and never activated; how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn purge_unverified(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        // Through the partial index accounts_unverified; codes and roles go with the row.
        let rows = self
            .write(
                "DELETE FROM accounts WHERE id IN
                   (SELECT id FROM accounts WHERE verified_at IS NULL AND created_at < $1 LIMIT $2)
                 RETURNING id",
                params![before, limit],
            )
            .await?;
        Ok(rows.len() as u64)
    }
}

impl Tx {
    /// Adds an account; the transaction fails when the address is taken.
    pub fn insert_account(&mut self, new: &NewAccount<'_>) {
        self.must(
            "INSERT INTO accounts (id, email, name, password_hash, requested_role, created_at, verified_at,
                                   password_changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $6)
             ON CONFLICT (email) DO NOTHING RETURNING id",
            params![
                new.id,
                new.email,
                new.name,
                new.password_hash.expose(),
                new.requested_role,
                new.created_at,
                new.verified_at
            ],
        );
        self.add_roles(new.id, new.roles);
    }

    /// Lets a newer registration take the place of an unverified one, with all it set; the transaction
    /// fails when the account has been activated meanwhile.
    pub fn replace_unverified(&mut self, new: &NewAccount<'_>) {
        self.must(
            "UPDATE accounts SET name = $2, password_hash = $3, requested_role = $4, created_at = $5,
                                 password_changed_at = $5, disabled_at = NULL
             WHERE id = $1 AND verified_at IS NULL RETURNING id",
            params![new.id, new.name, new.password_hash.expose(), new.requested_role, new.created_at],
        );
        self.push("DELETE FROM account_roles WHERE account_id = $1", params![new.id]);
        self.add_roles(new.id, new.roles);
    }

    /// Gives the account these roles and no others, and ends its wish for one.
    pub fn reset_roles(&mut self, id: AccountId, roles: &[RoleName]) {
        self.push("UPDATE accounts SET requested_role = NULL WHERE id = $1", params![id]);
        self.push("DELETE FROM account_roles WHERE account_id = $1", params![id]);
        self.add_roles(id, roles);
    }

    /// Begins the time anew after which an account that nobody proved is given up.
    pub fn renew_unverified(&mut self, id: AccountId, now: Timestamp) {
        self.push(
            "UPDATE accounts SET created_at = $2 WHERE id = $1 AND verified_at IS NULL",
            params![id, now],
        );
    }

    /// Makes the transaction depend on the account having no second factor.
    pub fn need_no_factor(&mut self, id: AccountId) {
        self.must(
            "UPDATE accounts SET email_otp = FALSE
             WHERE id = $1 AND NOT email_otp
               AND NOT EXISTS (SELECT 1 FROM totp t WHERE t.account_id = $1 AND t.confirmed_at IS NOT NULL)
             RETURNING id",
            params![id],
        );
    }

    /// Notes that an address was registered in another way before: whose password it is cannot be known.
    pub fn contest(&mut self, id: AccountId) {
        self.push("UPDATE accounts SET contested = TRUE WHERE id = $1", params![id]);
    }

    /// Activates an account; the transaction fails when it is active already.
    pub fn activate_account(&mut self, id: AccountId, now: Timestamp) {
        self.must(
            "UPDATE accounts SET verified_at = $2 WHERE id = $1 AND verified_at IS NULL RETURNING id",
            params![id, now],
        );
    }

    /// Makes the rest of the transaction depend on the account still being active and still having the
    /// hash `seen`, and puts `hash` in its place (the same one, or one with newer parameters).
    pub fn admit_account(&mut self, id: AccountId, seen: &Secret, hash: &Secret) {
        // An UPDATE rather than a SELECT: it holds the row until the commit on every engine.
        self.must(
            "UPDATE accounts SET password_hash = $3
             WHERE id = $1 AND password_hash = $2 AND verified_at IS NOT NULL AND disabled_at IS NULL
               AND delete_at IS NULL AND NOT must_reset
             RETURNING id",
            params![id, seen.expose(), hash.expose()],
        );
    }

    /// Takes the account's password no more until it is set anew by mail.
    pub fn require_reset(&mut self, id: AccountId) {
        self.push("UPDATE accounts SET must_reset = TRUE WHERE id = $1", params![id]);
    }

    /// Sets a password for whoever has proved to own the address: an account that waited for that proof is active now.
    /// The transaction fails when the account was switched off or closed.
    pub fn reset_password(&mut self, id: AccountId, hash: &Secret, now: Timestamp) {
        self.must(
            "UPDATE accounts SET password_hash = $2, password_changed_at = $3, must_reset = FALSE, contested = FALSE,
                                 verified_at = COALESCE(verified_at, $3)
             WHERE id = $1 AND disabled_at IS NULL AND delete_at IS NULL RETURNING id",
            params![id, hash.expose(), now],
        );
    }

    /// Puts `hash` in the place of the hash `seen`; the transaction fails when the account has another one by now, or
    /// may not sign in.
    pub fn change_password(&mut self, id: AccountId, seen: &Secret, hash: &Secret, now: Timestamp) {
        self.must(
            "UPDATE accounts SET password_hash = $3, password_changed_at = $4
             WHERE id = $1 AND password_hash = $2 AND verified_at IS NOT NULL AND disabled_at IS NULL
               AND delete_at IS NULL
             RETURNING id",
            params![id, seen.expose(), hash.expose(), now],
        );
    }

    /// Gives the account another address, which somebody has just proved; whoever has only registered that address is
    /// removed. The transaction fails when somebody has proved it before, or when the account has another address than
    /// `from` by now or may not sign in.
    pub fn change_email(&mut self, id: AccountId, from: &Email, to: &Email, now: Timestamp) {
        self.push(
            "DELETE FROM accounts WHERE email = $1 AND verified_at IS NULL AND disabled_at IS NULL",
            params![to],
        );
        self.must(
            "UPDATE accounts SET email = $3, verified_at = $4
             WHERE id = $1 AND email = $2 AND verified_at IS NOT NULL AND disabled_at IS NULL AND delete_at IS NULL
               AND NOT EXISTS (SELECT 1 FROM accounts other WHERE other.email = $3)
             RETURNING id",
            params![id, from, to, now],
        );
    }

    /// Changes the full name; the transaction fails when the account is gone.
    pub fn rename(&mut self, id: AccountId, name: &str) {
        self.must("UPDATE accounts SET name = $2 WHERE id = $1 RETURNING id", params![id, name]);
    }

    /// Closes an account that is to be deleted `at` that time. The transaction fails when it may not sign in, or when it
    /// holds one of the roles `needed` and no other account that may sign in holds one of them.
    pub fn close_account(&mut self, id: AccountId, at: Timestamp, needed: &[RoleName]) {
        // Names of roles have no comma in them; a list of any length in one text is a list for both engines.
        let needed: String = needed.iter().map(|role| format!(",{},", role.as_str())).collect();
        self.must(
            "UPDATE accounts SET delete_at = $2
             WHERE id = $1 AND verified_at IS NOT NULL AND disabled_at IS NULL AND delete_at IS NULL
               AND (NOT EXISTS (SELECT 1 FROM account_roles r
                                WHERE r.account_id = $1 AND replace($3, ',' || r.role || ',', '') <> $3)
                    OR EXISTS (SELECT 1 FROM account_roles r JOIN accounts a ON a.id = r.account_id
                               WHERE a.id <> $1 AND replace($3, ',' || r.role || ',', '') <> $3
                                 AND a.verified_at IS NOT NULL AND a.disabled_at IS NULL AND a.delete_at IS NULL))
             RETURNING id",
            params![id, at, needed],
        );
    }

    /// Keeps an account that its owner has closed; the transaction fails when its time has come.
    pub fn reopen_account(&mut self, id: AccountId, now: Timestamp) {
        self.must(
            "UPDATE accounts SET delete_at = NULL WHERE id = $1 AND delete_at > $2 RETURNING id",
            params![id, now],
        );
    }

    /// Deletes a closed account whose time has come, with all that belongs to it; the transaction fails when it was
    /// reopened. Tries to sign in are removed with it: they tell where a person was.
    pub fn delete_closed(&mut self, id: AccountId, now: Timestamp) {
        self.must("DELETE FROM accounts WHERE id = $1 AND delete_at <= $2 RETURNING id", params![id, now]);
        self.push("DELETE FROM attempts WHERE account_id = $1", params![id]);
    }

    /// Ends every open session of the account but `except`, with the access tokens of each, which are remembered until
    /// `until`. It sees the sessions as they are when it runs: one that opened a moment ago does not slip through.
    /// Returns the index of the answer, which [`ended_sessions`] reads.
    pub fn end_sessions_of(&mut self, id: AccountId, except: Option<SessionId>, end: &SessionsEnd) -> usize {
        let except = except.map(|s| s.to_string()).unwrap_or_default();
        self.push(
            "INSERT INTO revocations (kind, subject, ends_before, expires_at)
             SELECT 'session', id, 0, CAST($3 AS BIGINT) FROM sessions WHERE account_id = $1 AND ended_at IS NULL AND id <> $2
             ON CONFLICT (kind, subject) DO NOTHING",
            params![id, &except, end.until],
        );
        self.push(
            "UPDATE sessions SET ended_at = $3, end_reason = $4
             WHERE account_id = $1 AND ended_at IS NULL AND id <> $2 RETURNING id",
            params![id, &except, end.now, end.reason],
        )
    }

    fn add_roles(&mut self, id: AccountId, roles: &[RoleName]) {
        for role in roles {
            self.push(
                "INSERT INTO account_roles (account_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                params![id, role],
            );
        }
    }
}

/// How sessions end.
#[derive(Clone, Copy, Debug)]
pub struct SessionsEnd {
    /// A stable word: `password_changed`, `reset`, …
    pub reason: &'static str,
    /// Now.
    pub now: Timestamp,
    /// When the last of their access tokens expires.
    pub until: Timestamp,
}

/// Reads the answer to [`Tx::end_sessions_of`].
///
/// # Errors
/// [`StoreError::Shape`] for an answer of another form.
pub fn ended_sessions(answer: &[Row]) -> Result<Vec<SessionId>, StoreError> {
    answer.iter().map(|row| row.parse(0)).collect()
}

/// Where the role stands in a row.
const ROLE: usize = 14;

/// One account from its rows, one for each role.
fn fold(rows: &[Row]) -> Result<Option<AccountRow>, StoreError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut roles = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(text) = row.opt(ROLE, Row::text)? {
            roles.push(RoleName::parse(text).map_err(|e| StoreError::Shape(e.to_string()))?);
        }
    }
    Ok(Some(AccountRow {
        id: first.parse(0)?,
        email: Email::parse(first.text(1)?).map_err(|e| StoreError::Shape(e.to_string()))?,
        name: first.string(2)?,
        password_hash: Secret::new(first.text(3)?),
        requested_role: first.opt(4, Row::string)?,
        verified_at: first.opt(5, Row::time)?,
        disabled_at: first.opt(6, Row::time)?,
        created_at: first.time(7)?,
        password_changed_at: first.time(8)?,
        email_otp: first.bool(9)?,
        totp: first.opt(10, Row::time)?.is_some(),
        must_reset: first.bool(11)?,
        delete_at: first.opt(12, Row::time)?,
        contested: first.bool(13)?,
        roles,
    }))
}
