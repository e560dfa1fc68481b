//! Sign-ins whose idle time is over. They could not be used any more; now lists say so, too.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::model::Clock;
use crate::store::Store;

/// None: what is over is over.
const KEPT: Duration = Duration::from_secs(0);
/// Rows changed in one statement.
const BATCH: u32 = 1000;

/// The job.
pub(super) struct IdleSessions {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Job for IdleSessions {
    fn name(&self) -> &'static str {
        "idle_sessions"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self) -> Result<u64, String> {
        let before = self.clock.now().before(KEPT);
        in_batches(BATCH, || self.store.end_idle_sessions(before, BATCH)).await
    }
}
