//! Counts for the metrics. Each goes through an index that holds no more rows than it counts.

use super::{Store, StoreError, params};
use crate::model::Timestamp;

/// The outbox at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MailLevels {
    /// Mails that wait.
    pub waiting: u64,
    /// When the oldest of them came to be.
    pub oldest: Option<Timestamp>,
    /// Mails that were given up.
    pub dead: u64,
}

impl Store {
    /// Sign-ins that are alive at `now`. Index: `sessions_by_idle`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sql =
            "SELECT count(*) FROM sessions WHERE idle_expires > $1 AND expires_at > $1 AND ended_at IS NULL";
        self.read(sql, params![now]).await?.first().map_or(Ok(0), |row| row.count(0))
    }

    /// The outbox. Index: `outbox_due`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn mail_levels(&self) -> Result<MailLevels, StoreError> {
        let waiting = "SELECT count(*), min(created_at) FROM outbox WHERE state = 'waiting'";
        let dead = "SELECT count(*) FROM outbox WHERE state = 'dead'";
        let (waiting, dead) = (self.read(waiting, params![]).await?, self.read(dead, params![]).await?);
        let count = |rows: &[super::Row]| rows.first().map_or(Ok(0), |row| row.count(0));
        let oldest = waiting.first().map_or(Ok(None), |row| row.opt(1, super::Row::time))?;
        Ok(MailLevels { waiting: count(&waiting)?, oldest, dead: count(&dead)? })
    }
}
