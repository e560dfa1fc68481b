//! What an admin changes about other people. Whatever could leave a deployment without an admin is told in the same
//! transaction by [`Tx::keep_an_admin`].

use super::{Store, StoreError, Tx, Value, params};
use crate::model::{AccountId, Email, RoleName, Timestamp};

/// So many roles that hold `*` are looked at; a config with more of them is refused nothing it should be allowed.
const ROLES: usize = 8;

impl Store {
    /// Whether an account other than `except` may sign in and holds one of `roles` (at most eight count).
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn has_admin(&self, roles: &[RoleName], except: Option<AccountId>) -> Result<bool, StoreError> {
        let mut params = padded(roles);
        params.push(except.map_or_else(|| String::new().into(), Value::from));
        // Index: account_roles_by_role.
        let sql = "SELECT a.id FROM account_roles r JOIN accounts a ON a.id = r.account_id
                   WHERE r.role IN ($1, $2, $3, $4, $5, $6, $7, $8) AND a.id <> $9
                     AND a.verified_at IS NOT NULL AND a.disabled_at IS NULL AND a.delete_at IS NULL LIMIT 1";
        Ok(!self.read(sql, params).await?.is_empty())
    }
}

impl Tx {
    /// Lets transactions that take admins away go one after the other, on every engine: each holds this row until
    /// its commit. Comes before the change; [`Self::keep_an_admin`] comes after it.
    pub fn queue_for_admins(&mut self, now: Timestamp) {
        self.push(
            "INSERT INTO bootstrap (name, nonce, created_at) VALUES ('admins', $1, $2)
             ON CONFLICT (name) DO UPDATE SET created_at = excluded.created_at",
            params![Vec::<u8>::new(), now],
        );
    }

    /// The transaction fails unless, after all before it, an account that may sign in holds one of `roles`.
    pub fn keep_an_admin(&mut self, roles: &[RoleName]) {
        self.must(
            "SELECT a.id FROM account_roles r JOIN accounts a ON a.id = r.account_id
             WHERE r.role IN ($1, $2, $3, $4, $5, $6, $7, $8)
               AND a.verified_at IS NOT NULL AND a.disabled_at IS NULL AND a.delete_at IS NULL LIMIT 1",
            padded(roles),
        );
    }

    /// The transaction fails when an account that may sign in holds one of `roles`.
    pub fn no_admin_yet(&mut self, roles: &[RoleName]) {
        self.must(
            "SELECT 1 WHERE NOT EXISTS
               (SELECT 1 FROM account_roles r JOIN accounts a ON a.id = r.account_id
                WHERE r.role IN ($1, $2, $3, $4, $5, $6, $7, $8)
                  AND a.verified_at IS NOT NULL AND a.disabled_at IS NULL AND a.delete_at IS NULL)",
            padded(roles),
        );
    }

    /// Lets the account sign in: its address counts as proved and it is not switched off. The transaction fails when
    /// that is so already, and for an account that its owner has closed.
    pub fn enable_account(&mut self, id: AccountId, now: Timestamp) {
        self.must(
            "UPDATE accounts SET verified_at = COALESCE(verified_at, $2), disabled_at = NULL
             WHERE id = $1 AND (verified_at IS NULL OR disabled_at IS NOT NULL) AND delete_at IS NULL RETURNING id",
            params![id, now],
        );
    }

    /// Switches the account off; the transaction fails when it is so already.
    pub fn disable_account(&mut self, id: AccountId, now: Timestamp) {
        self.must(
            "UPDATE accounts SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL RETURNING id",
            params![id, now],
        );
    }

    /// Deletes the account and all that belongs to it; the transaction fails when it is gone already. Tries and audit
    /// lines about it stay until their time is over.
    pub fn delete_account(&mut self, id: AccountId) {
        self.must("DELETE FROM accounts WHERE id = $1 RETURNING id", params![id]);
    }

    /// Ends every mailed link and code of the account, whatever for.
    pub fn drop_all_codes(&mut self, id: AccountId) {
        self.push("DELETE FROM codes WHERE account_id = $1", params![id]);
    }

    /// Gives the account a role; the transaction fails when it holds it already.
    pub fn grant_role(&mut self, id: AccountId, role: &RoleName) {
        self.must(
            "INSERT INTO account_roles (account_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING role",
            params![id, role],
        );
    }

    /// Takes a role away; the transaction fails when the account does not hold it (any more).
    pub fn take_role(&mut self, id: AccountId, role: &RoleName) {
        self.must(
            "DELETE FROM account_roles WHERE account_id = $1 AND role = $2 RETURNING role",
            params![id, role],
        );
    }

    /// Ends the wait for an approval of `role`; the transaction fails when the account does not wait for it.
    pub fn end_role_request(&mut self, id: AccountId, role: &str) {
        self.must(
            "UPDATE accounts SET requested_role = NULL WHERE id = $1 AND requested_role = $2 RETURNING id",
            params![id, role],
        );
    }

    /// Forgets every failure counted for the address and for devices and sessions of it that count apart; the
    /// transaction fails when there is none.
    pub fn forget_failures(&mut self, email: &Email) {
        self.must(
            "DELETE FROM lockouts WHERE address = $1 OR (address >= $1 || '#' AND address < $1 || '$')
             RETURNING address",
            params![email],
        );
    }
}

/// The names of the roles, as many as the statements have places for.
fn padded(roles: &[RoleName]) -> Vec<Value> {
    // No role is called so.
    let name = |n| roles.get(n).map_or("", |role: &RoleName| role.as_str());
    (0..ROLES).map(|n| name(n).into()).collect()
}
