//! Failure counts that no longer lock anything or double a lock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::account::{Accounts, PURGE_BATCH};

/// The job.
pub(super) struct Lockouts(pub(super) Arc<Accounts>);

#[async_trait]
impl Job for Lockouts {
    fn name(&self) -> &'static str {
        "lockouts"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        in_batches(PURGE_BATCH, || self.0.purge_lockouts()).await
    }
}
