//! Browsers nobody came back with for 400 days; by then their cookie is gone as well.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::model::Clock;
use crate::store::Store;

/// How long a device is remembered after it was last seen.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);
/// Rows changed in one statement.
const BATCH: u32 = 1000;

/// The job.
pub(super) struct Devices {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Job for Devices {
    fn name(&self) -> &'static str {
        "devices"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        let before = self.clock.now().before(KEPT);
        in_batches(BATCH, || self.store.purge_devices(before, BATCH)).await
    }
}
