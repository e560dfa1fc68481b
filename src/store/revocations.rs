//! Tokens that ended before their time. Rows leave when the last such token has expired by itself.

use super::{Row, Store, StoreError, Tx, Value, params};
use crate::model::{AccountId, SessionId, Timestamp};

/// What has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revocation {
    /// Every token of one session.
    Session {
        /// The session.
        session: SessionId,
        /// When the last of its tokens expires.
        until: Timestamp,
    },
    /// Every token of an account that was made before a time.
    Account {
        /// The account.
        account: AccountId,
        /// Tokens made before this have ended.
        before: Timestamp,
        /// When the last of them expires.
        until: Timestamp,
    },
}

impl Tx {
    /// Adds a revocation; one that is there already only ever grows.
    pub fn revoke(&mut self, what: Revocation) {
        let (kind, subject, before, until) = match what {
            Revocation::Session { session, until } => {
                ("session", Value::from(session), Timestamp::default(), until)
            }
            Revocation::Account { account, before, until } => ("account", account.into(), before, until),
        };
        self.push(
            "INSERT INTO revocations (kind, subject, ends_before, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (kind, subject) DO UPDATE SET
                 ends_before = CASE WHEN excluded.ends_before > revocations.ends_before
                                    THEN excluded.ends_before ELSE revocations.ends_before END,
                 expires_at = CASE WHEN excluded.expires_at > revocations.expires_at
                                   THEN excluded.expires_at ELSE revocations.expires_at END",
            params![kind, subject, before, until],
        );
    }
}

impl Store {
    /// Every revocation that still matters at `now`. Index: `revocations_by_expiry`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn live_revocations(&self, now: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let sql = "SELECT kind, subject, ends_before, expires_at FROM revocations WHERE expires_at > $1";
        self.read(sql, params![now]).await?.iter().map(read).collect()
    }

    /// Deletes what no longer matters at `now`. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn purge_revocations(&self, now: Timestamp, batch: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM revocations WHERE (kind, subject) IN (SELECT kind, subject FROM revocations
                       WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) RETURNING kind";
        Ok(self.write(sql, params![now, batch]).await?.len())
    }
}

fn read(row: &Row) -> Result<Revocation, StoreError> {
    let until = row.time(3)?;
    match row.text(0)? {
        "session" => Ok(Revocation::Session { session: row.parse(1)?, until }),
        "account" => Ok(Revocation::Account { account: row.parse(1)?, before: row.time(2)?, until }),
        other => Err(StoreError::Shape(format!("revocations of the kind {other} are not known"))),
    }
}
