//! Rate limits, and the queue that lets tries on one address go single file.

use ahash::RandomState;
use tokio::sync::{Mutex, MutexGuard};

use super::{Accounts, Error, Limited};
use crate::limiter::{Quota, Taken};
use crate::model::Email;

const SHARDS: usize = 512;

/// One try at a time on one address in this process. Without it 200 parallel guesses would all pass the look at the
/// lock before the first failure is counted (L-06). Addresses share a fixed number of queues; the keys of the hash
/// are random, so that nobody can aim at the queue of another.
pub(crate) struct SingleFile {
    shards: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl SingleFile {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }

    /// Waits for one's turn, which lasts until the guard is dropped.
    pub(super) async fn turn(&self, address: &Email) -> MutexGuard<'_, ()> {
        let shard = usize::try_from(self.hasher.hash_one(address) % SHARDS as u64).unwrap_or(0);
        self.shards[shard].lock().await
    }
}

impl Accounts {
    /// Takes one try of `policy` for `subject`.
    pub(super) async fn throttle(
        &self,
        policy: &'static str,
        subject: &str,
        quota: Quota,
    ) -> Result<(), Error> {
        let taken = self.take(policy, subject, quota).await?;
        if taken.allowed {
            return Ok(());
        }
        self.events.limited(policy);
        Err(Error::Limited(Limited { policy, taken }))
    }

    /// The same for callers who go on another way when it is refused.
    pub(super) async fn take(
        &self,
        policy: &'static str,
        subject: &str,
        quota: Quota,
    ) -> Result<Taken, Error> {
        Ok(self.limiter.take(&format!("{policy}:{subject}"), quota).await?)
    }
}
