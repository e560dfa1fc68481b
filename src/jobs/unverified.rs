//! Registrations whose address nobody proved for a week: the address is free again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::account::{Accounts, PURGE_BATCH};

/// The job.
pub(super) struct Unverified(pub(super) Arc<Accounts>);

#[async_trait]
impl Job for Unverified {
    fn name(&self) -> &'static str {
        "unverified"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        in_batches(PURGE_BATCH, || self.0.purge_unverified()).await
    }
}
