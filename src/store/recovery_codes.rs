//! Recovery codes: a set of single-use codes for each account, as keyed MACs.

use super::{Store, StoreError, Tx, params};
use crate::model::{AccountId, Entropy, RequestId, Timestamp};

impl Store {
    /// The MACs of the codes that were not used yet.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn unused_recovery_codes(&self, account: AccountId) -> Result<Vec<[u8; 32]>, StoreError> {
        let rows = self
            .read(
                "SELECT code_mac FROM recovery_codes WHERE account_id = $1 AND used_at IS NULL",
                params![account],
            )
            .await?;
        rows.iter().map(|row| row.array(0)).collect()
    }
}

impl Tx {
    /// Puts a new set in the place of the old one, used and unused.
    pub fn replace_recovery_codes(
        &mut self,
        account: AccountId,
        macs: &[[u8; 32]],
        now: Timestamp,
        entropy: &dyn Entropy,
    ) {
        self.push("DELETE FROM recovery_codes WHERE account_id = $1", params![account]);
        for mac in macs {
            self.push(
                "INSERT INTO recovery_codes (id, account_id, code_mac, created_at) VALUES ($1, $2, $3, $4)",
                params![RequestId::random(entropy), account, mac, now],
            );
        }
    }

    /// Uses a code up; the transaction fails when it was used or replaced.
    pub fn use_recovery_code(&mut self, account: AccountId, mac: &[u8; 32], now: Timestamp) {
        self.must(
            "UPDATE recovery_codes SET used_at = $3 WHERE account_id = $1 AND code_mac = $2 AND used_at IS NULL
             RETURNING id",
            params![account, mac, now],
        );
    }

    /// Removes the set of an account that has no factor left for which it could stand in.
    pub fn drop_orphaned_recovery_codes(&mut self, account: AccountId) {
        self.push(
            "DELETE FROM recovery_codes WHERE account_id = $1
               AND NOT EXISTS (SELECT 1 FROM totp t WHERE t.account_id = $1 AND t.confirmed_at IS NOT NULL)
               AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = $1 AND a.email_otp)",
            params![account],
        );
    }
}
