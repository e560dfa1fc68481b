//! Recovery codes that were used; each works once, and the trail says when that was.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::model::Clock;
use crate::store::Store;

/// How long used ones are kept, for whoever asks what happened.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Rows changed in one statement.
const BATCH: u32 = 1000;

/// The job.
pub(super) struct UsedCodes {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Job for UsedCodes {
    fn name(&self) -> &'static str {
        "used_codes"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        let before = self.clock.now().before(KEPT);
        in_batches(BATCH, || self.store.purge_used(before, BATCH)).await
    }
}
