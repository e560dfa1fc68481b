//! What counts tries and lets them go one by one: in this process, or in the Redis that the nodes share.

use std::sync::Arc;

use tokio::runtime::Runtime;

use super::{StartError, Surroundings};
use crate::config::Settings;
use crate::limiter::{
    Fallback, Limiter, LocalTurns, Measured, MemoryLimiter, RedisLimiter, RedisTurns, Turns,
};
use crate::metrics::Metrics;
use crate::shared::Redis;

/// How many keys the in-process limiter holds at most.
const LIMITER_KEYS: usize = 200_000;

/// The shared Redis, if there is one, and what stands on it.
pub(super) struct Counters {
    pub(super) limiter: Arc<dyn Limiter>,
    pub(super) turns: Arc<dyn Turns>,
    pub(super) metrics: Arc<Metrics>,
}

/// The Redis that the configuration names. One that is away is no reason not to start: it is found later.
pub(super) fn redis(
    settings: &Settings,
    around: &Surroundings,
    metrics: &Arc<Metrics>,
    runtime: &Runtime,
) -> Result<Option<Redis>, StartError> {
    let Some(settings) = &settings.redis else { return Ok(None) };
    let _on = runtime.enter();
    let redis = Redis::open(settings, around.clock.clone(), metrics.clone())?;
    match runtime.block_on(redis.eviction()) {
        Ok(kept) => kept?,
        Err(e) => tracing::warn!(
            error = %e,
            "cannot ask Redis for its eviction policy; until it answers, limits are counted on this node"
        ),
    }
    Ok(Some(redis))
}

impl Counters {
    pub(super) fn new(redis: Option<&Redis>, around: &Surroundings, metrics: &Arc<Metrics>) -> Self {
        let local = MemoryLimiter::new(around.clock.clone(), LIMITER_KEYS);
        let (limiter, turns): (Arc<dyn Limiter>, Arc<dyn Turns>) = match redis {
            Some(redis) => {
                let shared = Measured { limiter: RedisLimiter::new(redis.clone()), metrics: metrics.clone() };
                let turns = RedisTurns::new(redis.clone(), around.entropy.clone());
                (Arc::new(Fallback { shared, local, metrics: metrics.clone() }), Arc::new(turns))
            }
            None => (
                Arc::new(Measured { limiter: local, metrics: metrics.clone() }),
                Arc::new(LocalTurns::default()),
            ),
        };
        Self { limiter, turns, metrics: metrics.clone() }
    }
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
