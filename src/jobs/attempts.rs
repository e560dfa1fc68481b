//! Sign-in attempts: kept for half a year, for the people and their auditors.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::account::{Accounts, PURGE_BATCH};

/// The job.
pub(super) struct Attempts(pub(super) Arc<Accounts>);

/// How long attempts are kept.
const KEPT: Duration = Duration::from_secs(180 * 24 * 3600);

#[async_trait]
impl Job for Attempts {
    fn name(&self) -> &'static str {
        "attempts"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        in_batches(PURGE_BATCH, || self.0.purge_attempts(KEPT)).await
    }
}
