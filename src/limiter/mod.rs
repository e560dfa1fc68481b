//! How often something may happen, and one at a time. One trait for each; every engine counts the same way
//! (`window.rs`), which `contract.rs` holds them to.
//!
//! - `memory`     counters in this process · `redis`  shared ones · `fallback`  from these to those and back
//! - `turns`      queues in this process · `turns_redis`  the same over all nodes

#[cfg(test)]
mod contract;
mod fallback;
mod key;
mod measured;
mod memory;
mod redis;
mod turns;
mod turns_redis;
mod window;

use std::time::Duration;

use async_trait::async_trait;

pub use self::redis::RedisLimiter;
pub use fallback::Fallback;
pub use measured::Measured;
pub use memory::MemoryLimiter;
pub use turns::{Busy, LocalTurns, Turn, Turns};
pub use turns_redis::RedisTurns;

/// At most `limit` tries within `window`: the config's `5/1m`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// How many tries; at least 1.
    pub limit: u32,
    /// Within which time.
    pub window: Duration,
}

/// What a try came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Whether the try may go on.
    pub allowed: bool,
    /// How many more tries are left now.
    pub remaining: u32,
    /// Until when to wait: for a refused try, the time until the next one may be allowed; else the time until
    /// the quota is whole again.
    pub reset_after: Duration,
    /// The quota that was counted against.
    pub quota: Quota,
}

/// The counters cannot be reached; the caller decides what that means.
#[derive(Debug, thiserror::Error)]
#[error("the rate limiter is not available: {0}")]
pub struct LimiterError(pub String);

/// Counts tries by key. Keys are bounded in number and expire by themselves.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Takes one token for `key`. Atomic: of many parallel calls exactly `quota.limit` are allowed
    /// within one window.
    ///
    /// # Errors
    /// [`LimiterError`] when the counters cannot be reached.
    async fn take(&self, key: &str, quota: Quota) -> Result<Taken, LimiterError>;
}
