//! Refreshes whose answer was lost on its way from the store. See `account/unheard`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Job, Scope};
use crate::account::Accounts;

/// The job. It touches the store only when there is something to write down.
pub(super) struct Unheard(pub(super) Arc<Accounts>);

#[async_trait]
impl Job for Unheard {
    fn name(&self) -> &'static str {
        "unheard"
    }

    /// Sooner than a client asks again.
    fn period(&self) -> Duration {
        Duration::from_millis(500)
    }

    /// Only the node that asked knows.
    fn scope(&self) -> Scope {
        Scope::Node
    }

    async fn run(&self) -> Result<u64, String> {
        // Others say that the store is away; twice a second would be too often.
        let settled = self.0.settle_unheard().await;
        Ok(settled.inspect_err(|e| tracing::debug!(error = %e, "kept for later")).unwrap_or(0))
    }
}
