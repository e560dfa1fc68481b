//! Counters that all nodes share. One script counts as `window.rs` does, by the clock of Redis, in one step.
//!
//! A key is the hash of what is counted: keys are short whatever somebody types, nobody's address can be read off them,
//! and nobody can choose in which part of a cluster a counter lies. Each expires when its last try stops counting.

use async_trait::async_trait;

use super::key::key;
use super::window::millis;
use super::{Limiter, LimiterError, Quota, Taken};
use crate::shared::{Redis, Script};

const NOW: &str = include_str!("now.lua");
const WINDOW: &str = include_str!("window.lua");

/// Counts in Redis.
pub struct RedisLimiter {
    redis: Redis,
    script: Script,
}

impl RedisLimiter {
    /// A limiter over this Redis.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis, script: Script::new(format!("{NOW}{WINDOW}")) }
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn take(&self, subject: &str, quota: Quota) -> Result<Taken, LimiterError> {
        let (limit, window) = (quota.limit.max(1).to_string(), millis(quota.window).to_string());
        let answer = self.redis.run("limit", &self.script, &key("limit", subject), &[&limit, &window]).await;
        let answer = answer.map_err(|e| LimiterError(e.to_string()))?;
        let &[allowed, remaining, reset_ms] = answer.as_slice() else {
            return Err(LimiterError("the script answered in another shape".into()));
        };
        Ok(Taken {
            allowed: allowed == 1,
            remaining: u32::try_from(remaining).unwrap_or(0),
            reset_after: std::time::Duration::from_millis(u64::try_from(reset_ms).unwrap_or(0)),
            quota,
        })
    }
}

#[cfg(test)]
#[path = "redis_tests.rs"]
mod tests;
