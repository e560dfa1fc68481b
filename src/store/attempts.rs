//! Every try to sign in, successful or not.

use super::{Row, Store, StoreError, Tx, params};
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

/// One try to sign in, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptView {
    /// Its identifier.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: String,
    /// With what.
    pub user_agent: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// A stable word.
    pub reason: String,
}

/// Index: `attempts_by_account`.
const ATTEMPTS_OF: &str = "SELECT id, at, ip, user_agent, outcome, reason FROM attempts
     WHERE account_id = $1 AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4";

impl Store {
    /// At most `limit` tries on the account that came before the try `(at, id)`, the newest first; from the newest on
    /// when that is `None`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn attempts_of(
        &self,
        account: AccountId,
        before: Option<(i64, &str)>,
        limit: u32,
    ) -> Result<Vec<AttemptView>, StoreError> {
        let (at, id) = before.unwrap_or((i64::MAX, ""));
        let rows = self.read(ATTEMPTS_OF, params![account, at, id, limit]).await?;
        rows.iter().map(view).collect()
    }

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

fn view(row: &Row) -> Result<AttemptView, StoreError> {
    Ok(AttemptView {
        id: row.string(0)?,
        at: row.time(1)?,
        ip: row.string(2)?,
        user_agent: row.string(3)?,
        outcome: row.string(4)?,
        reason: row.string(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Settings;

    #[tokio::test]
    async fn a_page_of_the_history_is_one_walk_along_the_index() {
        let store = Store::open(&Settings::Sqlite { path: ":memory:".into() }).unwrap();
        let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {ATTEMPTS_OF}").into_boxed_str());
        let account = AccountId::from_bytes([1; 16]);
        let plan = store.read(explain, params![account, 7i64, "", 20i64]).await.unwrap();
        let steps: Vec<_> = plan.iter().map(|row| row.text(3).unwrap()).collect();
        assert_eq!(steps.len(), 1, "no sorting: {steps:?}");
        assert!(steps[0].contains("attempts_by_account (account_id=? AND (at,id)<(?,?))"), "{steps:?}");
    }
}
