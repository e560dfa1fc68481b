//! Registrations whose address nobody proved for a week: the address is free again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Job;
use crate::account::Accounts;

/// The job.
pub(super) struct Unverified(pub(super) Arc<Accounts>);

#[async_trait]
impl Job for Unverified {
    fn name(&self) -> &'static str {
        "unverified"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, String> {
        self.0.purge_unverified().await.map_err(|e| e.to_string())
    }
}
