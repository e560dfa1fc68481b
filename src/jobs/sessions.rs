//! Sessions that have ended or expired, once no reuse of their tokens needs to be recognised.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Job;
use crate::account::Accounts;

/// The job.
pub(super) struct Sessions(pub(super) Arc<Accounts>);

#[async_trait]
impl Job for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self) -> Result<u64, String> {
        self.0.purge_sessions().await.map_err(|e| e.to_string())
    }
}
