//! Time-based secrets, one for each account, sealed before they come here.

use super::{Store, StoreError, Tx, params};
use crate::model::{AccountId, Timestamp};

/// A time-based secret as it is stored.
#[derive(Clone, Debug)]
pub struct TotpRow {
    /// Sealed for its account.
    pub sealed_seed: Vec<u8>,
    /// Since when it counts; `None`: it does not yet.
    pub confirmed_at: Option<Timestamp>,
    /// The newest step whose code was used.
    pub last_step: i64,
}

impl Store {
    /// The account's secret, confirmed or not.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn totp(&self, account: AccountId) -> Result<Option<TotpRow>, StoreError> {
        let rows = self
            .read(
                "SELECT sealed_seed, confirmed_at, last_step FROM totp WHERE account_id = $1",
                params![account],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(TotpRow {
            sealed_seed: row.blob(0)?.to_vec(),
            confirmed_at: row.opt(1, super::Row::time)?,
            last_step: row.int(2)?,
        }))
    }
}

impl Tx {
    /// Sets a secret that waits for its first code, in the place of one that still does. The transaction fails when
    /// the account has a confirmed one.
    pub fn enrol_totp(&mut self, account: AccountId, sealed_seed: &[u8], now: Timestamp) {
        self.must(
            "INSERT INTO totp (account_id, sealed_seed, created_at, confirmed_at, last_step)
             VALUES ($1, $2, $3, NULL, 0)
             ON CONFLICT (account_id) DO UPDATE SET sealed_seed = excluded.sealed_seed, created_at = excluded.created_at
             WHERE totp.confirmed_at IS NULL
             RETURNING account_id",
            params![account, sealed_seed, now],
        );
    }

    /// Makes the secret count from now on, with its first code used up. The transaction fails unless it is the one
    /// that was `seen`, and waited.
    pub fn confirm_totp(&mut self, account: AccountId, seen: &[u8], step: i64, now: Timestamp) {
        self.must(
            "UPDATE totp SET confirmed_at = $4, last_step = $3
             WHERE account_id = $1 AND sealed_seed = $2 AND confirmed_at IS NULL RETURNING account_id",
            params![account, seen, step, now],
        );
    }

    /// Uses the code of a step up, and with it those of all steps before. The transaction fails when that step or a
    /// later one was used, or when the secret is not the one that was `seen`.
    pub fn use_totp_step(&mut self, account: AccountId, seen: &[u8], step: i64) {
        self.must(
            "UPDATE totp SET last_step = $3
             WHERE account_id = $1 AND sealed_seed = $2 AND confirmed_at IS NOT NULL AND last_step < $3
             RETURNING account_id",
            params![account, seen, step],
        );
    }

    /// Removes the secret; the transaction fails when there is none.
    pub fn delete_totp(&mut self, account: AccountId) {
        self.must("DELETE FROM totp WHERE account_id = $1 RETURNING account_id", params![account]);
    }

    /// Switches codes by mail on or off; the transaction fails when they are already.
    pub fn set_email_otp(&mut self, account: AccountId, on: bool) {
        self.must(
            "UPDATE accounts SET email_otp = $2 WHERE id = $1 AND email_otp <> $2 RETURNING id",
            params![account, on],
        );
    }

    /// Removes every second factor of an account, whoever set it.
    pub fn drop_factors(&mut self, account: AccountId) {
        self.push("DELETE FROM totp WHERE account_id = $1", params![account]);
        self.push("DELETE FROM recovery_codes WHERE account_id = $1", params![account]);
        self.push("DELETE FROM challenges WHERE account_id = $1", params![account]);
        self.push("UPDATE accounts SET email_otp = FALSE WHERE id = $1", params![account]);
    }
}
