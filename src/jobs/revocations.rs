//! Revocations whose last token has expired: such a token is refused for its age anyway. The rows stay for a day more: a
//! node whose clock is ahead must not take them from the others, who still need them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, Scope, in_batches};
use crate::model::Clock;
use crate::store::Store;
use crate::token::Revocations;

/// Rows deleted in one statement.
const BATCH: u32 = 1000;

/// How far ahead a clock may be before what others need is deleted.
const KEPT: Duration = Duration::from_secs(25 * 3600);

/// The rows, for all nodes.
pub(super) struct Ended {
    pub(super) store: Store,
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
        let before = self.clock.now().before(KEPT);
        let batch = || async { self.store.purge_revocations(before, BATCH).await.map(|gone| gone as u64) };
        in_batches(BATCH, batch).await
    }
}

/// What this node holds in memory.
pub(super) struct Held {
    pub(super) live: Arc<Revocations>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Job for Held {
    fn name(&self) -> &'static str {
        "held_revocations"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn scope(&self) -> Scope {
        Scope::Node
    }

    async fn run(&self) -> Result<u64, String> {
        self.live.purge(self.clock.now());
        Ok(0)
    }
}
