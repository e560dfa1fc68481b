//! Accounts that their owners closed and did not want back within the time for that (7 days unless configured
//! otherwise): deleted with all that belongs to them. Only then is the address free again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::account::{Accounts, PURGE_BATCH};

/// The job.
pub(super) struct ClosedAccounts(pub(super) Arc<Accounts>);

#[async_trait]
impl Job for ClosedAccounts {
    fn name(&self) -> &'static str {
        "closed_accounts"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self) -> Result<u64, String> {
        in_batches(PURGE_BATCH, || self.0.delete_closed()).await
    }
}
