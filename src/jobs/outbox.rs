//! Mails that were sent or given up. The contents of a sent mail are wiped at once; those of one that was given up when
//! its links and codes have expired, at the latest after a week, so that an operator can have it sent again until then.
//! The envelope stays a month, so that "I never got it" can be answered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, in_batches};
use crate::model::Clock;
use crate::store::Store;

/// How long envelopes are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a mail that was given up can be sent again, at most.
const RETRIED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Rows changed or deleted in one statement.
const BATCH: u32 = 1000;

/// The job.
pub(super) struct Outbox {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Job for Outbox {
    fn name(&self) -> &'static str {
        "outbox"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        let now = self.clock.now();
        let wipe = || async {
            self.store.wipe_mails(now, now.before(RETRIED), BATCH).await.map(|wiped| wiped as u64)
        };
        in_batches(BATCH, wipe).await?;
        let before = now.before(KEPT);
        let batch = || async { self.store.purge_mails(before, BATCH).await.map(|gone| gone as u64) };
        in_batches(BATCH, batch).await
    }
}
