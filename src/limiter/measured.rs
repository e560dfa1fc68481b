//! A limiter whose failures are counted.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Limiter, LimiterError, Quota, Taken};
use crate::metrics::Metrics;

/// Any limiter, and who counts.
pub struct Measured<L> {
    /// Does the work.
    pub limiter: L,
    /// Counts what fails.
    pub metrics: Arc<Metrics>,
}

#[async_trait]
impl<L: Limiter> Limiter for Measured<L> {
    async fn take(&self, key: &str, quota: Quota) -> Result<Taken, LimiterError> {
        let taken = self.limiter.take(key, quota).await;
        if taken.is_err() {
            self.metrics.limiter_error();
        }
        taken
    }
}
