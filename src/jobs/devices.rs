//! Devices that nobody has signed in on for so long that the browser has lost its cookie.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::account::{Accounts, PURGE_BATCH};

/// The job.
pub(super) struct Devices(pub(super) Arc<Accounts>);

#[async_trait]
impl Job for Devices {
    fn name(&self) -> &'static str {
        "devices"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        in_batches(PURGE_BATCH, || self.0.purge_devices()).await
    }
}
