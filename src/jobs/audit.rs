//! Audit entries: kept for a year, which covers the usual review.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::model::Clock;
use crate::store::Store;

/// How long entries are kept.
const KEPT: Duration = Duration::from_secs(365 * 24 * 3600);
/// Rows deleted in one statement.
const BATCH: u32 = 1000;

/// The job.
pub(super) struct Audit {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Job for Audit {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        let before = self.clock.now().before(KEPT);
        let batch = || async { self.store.purge_audit(before, BATCH).await.map(|gone| gone as u64) };
        in_batches(BATCH, batch).await
    }
}
