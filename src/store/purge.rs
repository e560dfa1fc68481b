//! What the jobs take away or put in order, a batch at a time.

use super::{Store, StoreError, params};
use crate::model::Timestamp;

impl Store {
    /// Deletes at most `batch` challenges that expired before `before`. Index: `challenges_by_expiry`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn purge_challenges(&self, before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let sql = "DELETE FROM challenges WHERE id IN
                       (SELECT id FROM challenges WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) RETURNING id";
        Ok(self.write(sql, params![before, batch]).await?.len() as u64)
    }

    /// Marks at most `batch` sessions as ended that were not used for their idle time or are too old. The end is when
    /// their time was up. Index: `sessions_by_idle`, `sessions_by_expiry`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn end_idle_sessions(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let sql = "UPDATE sessions SET
                       ended_at = CASE WHEN idle_expires < expires_at THEN idle_expires ELSE expires_at END,
                       end_reason = CASE WHEN idle_expires < expires_at THEN 'idle' ELSE 'expired' END
                   WHERE ended_at IS NULL AND (idle_expires <= $1 OR expires_at <= $1) AND id IN
                       (SELECT id FROM sessions
                        WHERE ended_at IS NULL AND (idle_expires <= $1 OR expires_at <= $1) LIMIT $2)
                   RETURNING id";
        Ok(self.write(sql, params![now, batch]).await?.len() as u64)
    }

    /// Deletes at most `batch` recovery codes that were used before `before`. The used way to the first admin stays: its
    /// row is what keeps a second one from being made.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn purge_used(&self, before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let codes = "DELETE FROM recovery_codes WHERE id IN
                         (SELECT id FROM recovery_codes WHERE used_at < $1 LIMIT $2) RETURNING id";
        Ok(self.write(codes, params![before, batch]).await?.len() as u64)
    }
}
