//! Links and codes that have expired: nobody can use them any more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::account::{Accounts, PURGE_BATCH};

/// The job.
pub(super) struct Codes(pub(super) Arc<Accounts>);

#[async_trait]
impl Job for Codes {
    fn name(&self) -> &'static str {
        "codes"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self) -> Result<u64, String> {
        in_batches(PURGE_BATCH, || self.0.purge_codes()).await
    }
}
