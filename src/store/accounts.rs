//! People's accounts and the roles they hold.

use super::{Row, Store, StoreError, Tx, params};
use crate::model::{AccountId, Email, RoleName, Secret, Timestamp};

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
                        a.created_at, a.password_changed_at, a.email_otp, t.confirmed_at, a.must_reset, a.delete_at,
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
                        a.created_at, a.password_changed_at, a.email_otp, t.confirmed_at, a.must_reset, a.delete_at,
                        r.role
                 FROM accounts a LEFT JOIN totp t ON t.account_id = a.id
                                 LEFT JOIN account_roles r ON r.account_id = a.id
                 WHERE a.id = $1 ORDER BY r.role",
                params![id],
            )
            .await?;
        fold(&rows)
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
                                 password_changed_at = $5
             WHERE id = $1 AND verified_at IS NULL RETURNING id",
            params![new.id, new.name, new.password_hash.expose(), new.requested_role, new.created_at],
        );
        self.push("DELETE FROM account_roles WHERE account_id = $1", params![new.id]);
        self.add_roles(new.id, new.roles);
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

    fn add_roles(&mut self, id: AccountId, roles: &[RoleName]) {
        for role in roles {
            self.push(
                "INSERT INTO account_roles (account_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                params![id, role],
            );
        }
    }
}

/// Where the role stands in a row.
const ROLE: usize = 13;

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
        roles,
    }))
}
