//! What the jobs remove. Each call removes one batch and says how many rows that were; call again while it was a whole
//! [`PURGE_BATCH`].

use std::time::Duration;

use super::{Accounts, Error};

/// Most rows that one call removes; a batch is one short transaction.
pub const PURGE_BATCH: u32 = 500;

/// An account that nobody proved is given up after this long.
const UNVERIFIED: Duration = Duration::from_hours(7 * 24);
/// An ended session is kept this long for questions.
const ENDED_SESSIONS: Duration = Duration::from_hours(24);

#[expect(clippy::missing_errors_doc, reason = "all alike: Error::Unavailable when the store does not answer")]
impl Accounts {
    /// Mailed links and codes that have ended.
    pub async fn purge_codes(&self) -> Result<u64, Error> {
        Ok(self.store.purge_codes(self.clock.now(), PURGE_BATCH).await?)
    }

    /// Sessions that ended or ran out more than a day ago.
    pub async fn purge_sessions(&self) -> Result<u64, Error> {
        Ok(self.store.purge_sessions(self.clock.now().before(ENDED_SESSIONS), PURGE_BATCH).await?)
    }

    /// Accounts that were registered more than seven days ago and never activated.
    pub async fn purge_unverified(&self) -> Result<u64, Error> {
        Ok(self.store.purge_unverified(self.clock.now().before(UNVERIFIED), PURGE_BATCH).await?)
    }

    /// Failure counters left alone for as long as the longest lock, counted from the end of the last lock: the next
    /// one is a first one again.
    pub async fn purge_lockouts(&self) -> Result<u64, Error> {
        let rule = &self.settings.lockout;
        let quiet = rule.max_duration.max(rule.within);
        Ok(self.store.purge_lockouts(self.clock.now().before(quiet), PURGE_BATCH).await?)
    }

    /// Tries to sign in that are older than `keep`.
    pub async fn purge_attempts(&self, keep: Duration) -> Result<u64, Error> {
        Ok(self.store.purge_attempts(self.clock.now().before(keep), PURGE_BATCH).await?)
    }
}
