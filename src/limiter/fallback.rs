//! What limits while the shared counters are away: this node alone, with a tenth of the quota. Ten nodes together then
//! allow what all of them allowed before; nobody gets more tries because Redis is down.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Limiter, LimiterError, MemoryLimiter, Quota, Taken};
use crate::metrics::Metrics;

const SHARE: u32 = 10;

/// Shared counters where they answer, else local ones. Never fails and is never open.
pub struct Fallback<L> {
    /// Counts for all nodes.
    pub shared: L,
    /// Counts for this node.
    pub local: MemoryLimiter,
    /// Counts how often that was needed.
    pub metrics: Arc<Metrics>,
}

#[async_trait]
impl<L: Limiter> Limiter for Fallback<L> {
    async fn take(&self, key: &str, quota: Quota) -> Result<Taken, LimiterError> {
        match self.shared.take(key, quota).await {
            Ok(taken) => Ok(taken),
            Err(_) => {
                self.metrics.limiter_fell_back();
                let share = Quota { limit: (quota.limit / SHARE).max(1), ..quota };
                self.local.take(key, share).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::model::{ManualClock, Timestamp};

    struct Flaky(MemoryLimiter, AtomicBool);

    #[async_trait]
    impl Limiter for Flaky {
        async fn take(&self, key: &str, quota: Quota) -> Result<Taken, LimiterError> {
            if self.1.load(Ordering::Relaxed) {
                return Err(LimiterError("away".into()));
            }
            self.0.take(key, quota).await
        }
    }

    #[tokio::test]
    async fn l_10_a_tenth_is_left_on_each_node_and_at_least_one() {
        let clock = Arc::new(ManualClock::at(Timestamp::default()));
        let memory = || MemoryLimiter::new(clock.clone(), 100);
        let metrics = Arc::new(Metrics::new());
        let flaky = Flaky(memory(), AtomicBool::new(true));
        let limiter = Fallback { shared: flaky, local: memory(), metrics: metrics.clone() };
        let window = Duration::from_secs(60);
        for (key, limit, allowed) in [("a", 30, 3), ("b", 5, 1), ("c", 1, 1)] {
            let mut passed = 0;
            for _ in 0..50 {
                passed += u32::from(limiter.take(key, Quota { limit, window }).await.unwrap().allowed);
            }
            assert_eq!(passed, allowed, "{key}");
        }
        assert!(metrics.render().contains("stagedoor_limiter_fallback_total 150"), "{}", metrics.render());
        limiter.shared.1.store(false, Ordering::Relaxed);
        let taken = limiter.take("a", Quota { limit: 30, window }).await.unwrap();
        assert_eq!((taken.allowed, taken.remaining), (true, 29), "the shared counter was never touched");
    }
}
