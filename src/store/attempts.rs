//! Every try to sign in, successful or not.

use super::{Store, StoreError, Tx, params};
use crate::model::{AccountId, ClientIp, Entropy, RequestId, Timestamp};

/// One try to sign in.
#[derive(Clone, Debug)]
pub struct AttemptRow<'a> {
    /// When.
    pub at: Timestamp,
    /// Whose account, if there is one with that address.
    pub account: Option<AccountId>,
    /// The address tried, in canonical form.
    pub address: &'a str,
    /// From where.
    pub ip: ClientIp,
    /// With what.
    pub user_agent: &'a str,
    /// `success` or `failure`.
    pub outcome: &'static str,
    /// A stable word: `password`, `wrong_credentials`, `locked`, …
    pub reason: &'static str,
}

impl Store {
    /// Removes at most `limit` tries from before `before`; how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn purge_attempts(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let rows = self
            .write(
                "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE at < $1 LIMIT $2) RETURNING id",
                params![before, limit],
            )
            .await?;
        Ok(rows.len() as u64)
    }
}

impl Tx {
    /// Writes a try down.
    pub fn attempt(&mut self, row: &AttemptRow<'_>, entropy: &dyn Entropy) {
        self.push(
            "INSERT INTO attempts (id, at, account_id, address, ip, user_agent, outcome, reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            params![
                RequestId::random(entropy),
                row.at,
                row.account,
                row.address,
                row.ip,
                row.user_agent,
                row.outcome,
                row.reason
            ],
        );
    }
}
