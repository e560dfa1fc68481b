//! Second factors that were asked for and whose time is over: nothing can be done with them any more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::model::Clock;
use crate::store::Store;

/// An hour longer, so that a late code is told that it is late.
const KEPT: Duration = Duration::from_secs(3600);
/// Rows changed in one statement.
const BATCH: u32 = 1000;

/// The job.
pub(super) struct Challenges {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Job for Challenges {
    fn name(&self) -> &'static str {
        "challenges"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self) -> Result<u64, String> {
        let before = self.clock.now().before(KEPT);
        in_batches(BATCH, || self.store.purge_challenges(before, BATCH)).await
    }
}
