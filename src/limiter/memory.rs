//! Counters in this process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::window::Window;
use super::{Limiter, LimiterError, Quota, Taken};
use crate::model::Clock;

const MAX_SHARDS: usize = 16;
/// Below this a shard would fill up by chance while others are empty.
const MIN_KEYS_PER_SHARD: usize = 64;

/// Counts in memory. Holds at most `max_keys` keys: when it is full, keys whose tries have all expired go first,
/// then those that were tried longest ago. A key that is being hammered stays.
pub struct MemoryLimiter {
    clock: Arc<dyn Clock>,
    hasher: ahash::RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl MemoryLimiter {
    /// A limiter for at most `max_keys` keys (at least 1).
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, max_keys: usize) -> Self {
        let count = (max_keys / MIN_KEYS_PER_SHARD).clamp(1, MAX_SHARDS);
        let room = (max_keys / count).max(1);
        let shards = (0..count).map(|_| Mutex::new(Shard::new(room))).collect();
        Self { clock, hasher: ahash::RandomState::new(), shards }
    }

    /// How many keys are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).keys.len()).sum()
    }

    /// Whether no key is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &str) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % self.shards.len() as u64).unwrap_or(0)]
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn take(&self, key: &str, quota: Quota) -> Result<Taken, LimiterError> {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: the times of one key never go back.
        let now_ms = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        Ok(shard.take(key, quota, now_ms))
    }
}

/// One part of the keys, with two orders over them for eviction.
struct Shard {
    room: usize,
    keys: HashMap<Arc<str>, Counter, ahash::RandomState>,
    by_expiry: BTreeMap<(u64, u64), Arc<str>>,
    by_use: BTreeMap<u64, Arc<str>>,
    uses: u64,
}

struct Counter {
    window: Window,
    expires_ms: u64,
    used: u64,
}

impl Shard {
    fn new(room: usize) -> Self {
        Self { room, keys: HashMap::default(), by_expiry: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    fn take(&mut self, key: &str, quota: Quota, now_ms: u64) -> Taken {
        let (name, mut window) = self.remove(key).unwrap_or_else(|| (key.into(), Window::default()));
        if self.keys.len() >= self.room {
            self.evict(now_ms);
        }
        let taken = window.take(now_ms, quota);
        self.insert(name, window, quota);
        taken
    }

    fn remove(&mut self, key: &str) -> Option<(Arc<str>, Window)> {
        let (name, counter) = self.keys.remove_entry(key)?;
        self.by_expiry.remove(&(counter.expires_ms, counter.used));
        self.by_use.remove(&counter.used);
        Some((name, counter.window))
    }

    fn insert(&mut self, name: Arc<str>, window: Window, quota: Quota) {
        self.uses += 1;
        let (expires_ms, used) = (window.expires_ms(quota), self.uses);
        self.by_expiry.insert((expires_ms, used), Arc::clone(&name));
        self.by_use.insert(used, Arc::clone(&name));
        self.keys.insert(name, Counter { window, expires_ms, used });
    }

    /// Makes room for one key.
    fn evict(&mut self, now_ms: u64) {
        let expired = self.by_expiry.first_key_value().filter(|((at, _), _)| *at <= now_ms);
        let oldest =
            expired.map(|(_, key)| key).or_else(|| self.by_use.first_key_value().map(|(_, key)| key));
        if let Some(key) = oldest.cloned() {
            self.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limiter::contract::{self, Subject};
    use crate::model::{ManualClock, Timestamp};

    const QUOTA: Quota = Quota { limit: 2, window: Duration::from_secs(60) };

    fn limiter(max_keys: usize) -> (Arc<ManualClock>, MemoryLimiter) {
        let clock = Arc::new(ManualClock::at(Timestamp::default()));
        (Arc::clone(&clock), MemoryLimiter::new(clock, max_keys))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn keeps_the_contract() {
        let (clock, limiter) = limiter(10_000);
        let pass = Box::new(move |d| clock.advance(d));
        contract::run(&Subject { limiter: Arc::new(limiter), pass }).await;
    }

    #[tokio::test]
    async fn keys_are_bounded_and_spread_over_shards() {
        let (_, limiter) = limiter(1_000);
        for n in 0..20_000 {
            limiter.take(&format!("k{n}"), QUOTA).await.unwrap();
        }
        assert!(limiter.len() <= 1_000, "{}", limiter.len());
        assert!(limiter.len() > 900, "{}", limiter.len());
    }

    #[tokio::test]
    async fn a_hammered_key_survives_a_flood_of_keys() {
        let (_, limiter) = limiter(4);
        for _ in 0..2 {
            assert!(limiter.take("victim", QUOTA).await.unwrap().allowed);
        }
        for n in 0..100 {
            limiter.take(&format!("flood{n}"), QUOTA).await.unwrap();
            assert!(!limiter.take("victim", QUOTA).await.unwrap().allowed, "after {n}");
        }
        assert_eq!(limiter.len(), 4);
    }

    #[tokio::test]
    async fn expired_keys_go_before_old_ones() {
        let (clock, limiter) = limiter(2);
        limiter.take("old", Quota { limit: 1, window: Duration::from_secs(600) }).await.unwrap();
        limiter.take("short", QUOTA).await.unwrap();
        clock.advance(Duration::from_secs(61));
        limiter.take("new", QUOTA).await.unwrap();
        let old = limiter.take("old", Quota { limit: 1, window: Duration::from_secs(600) }).await.unwrap();
        assert!(!old.allowed, "the expired key should have gone first");
    }
}
