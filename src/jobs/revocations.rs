//! Revocations whose last token has expired: such a token is refused for its age anyway.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Job;
use crate::model::Clock;
use crate::store::Store;
use crate::token::Revocations;

/// Rows deleted in one statement.
const BATCH: u32 = 1000;

/// The job.
pub(super) struct Ended {
    pub(super) store: Store,
    pub(super) live: Arc<Revocations>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Job for Ended {
    fn name(&self) -> &'static str {
        "revocations"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self) -> Result<u64, String> {
        let now = self.clock.now();
        self.live.purge(now);
        let mut total = 0;
        loop {
            let gone = self.store.purge_revocations(now, BATCH).await.map_err(|e| e.to_string())?;
            total += gone as u64;
            if gone < BATCH as usize {
                return Ok(total);
            }
        }
    }
}
