//! Turns over all nodes: the queue of this node first, then a lock in Redis, for which at most one try of each node
//! waits. Whoever releases it hands it to the node that has waited, so that a node with a long queue does not keep the
//! others out. While Redis is away each node has only its own queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use super::key::key;
use super::{Busy, LocalTurns, Turn, Turns};
use crate::model::Entropy;
use crate::shared::{Redis, Script, jitter};

/// A node that dies with the lock keeps it this long: more than a try takes with its wait for a hash.
const HOLD_MS: &str = "5000";
/// So long one waits for another node.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at the lock.
const PAUSE: Duration = Duration::from_millis(6);
/// Between two tries to release it, when Redis does not answer; as many as it takes until the lock ends by itself.
const RELEASE_PAUSE: Duration = Duration::from_millis(200);
const RELEASE_TRIES: usize = 25;

/// Turns that all nodes share.
pub struct RedisTurns {
    local: LocalTurns,
    entropy: Arc<dyn Entropy>,
    lock: Arc<Lock>,
}

struct Lock {
    redis: Redis,
    take: Script,
    release: Script,
}

impl RedisTurns {
    /// Turns over this Redis.
    #[must_use]
    pub fn new(redis: Redis, entropy: Arc<dyn Entropy>) -> Self {
        let take = Script::new(include_str!("turn_take.lua"));
        let release = Script::new(include_str!("turn_release.lua"));
        Self { local: LocalTurns::default(), entropy, lock: Arc::new(Lock { redis, take, release }) }
    }
}

#[async_trait]
impl Turns for RedisTurns {
    async fn turn(&self, subject: &str) -> Result<Turn, Busy> {
        let local = self.local.wait(subject).await;
        let token = u128::from_le_bytes(self.entropy.bytes());
        // Made before the lock is asked for: a caller that goes away, or whom no answer reaches, leaves nothing behind.
        let held = Held {
            lock: self.lock.clone(),
            key: key("turn", subject),
            token: format!("{token:032x}"),
            local: Some(local),
        };
        tokio::time::timeout(PATIENCE, held.acquire()).await.map_err(|_| Busy)?;
        Ok(Turn::new(held))
    }
}

/// The place at the head of the local queue, and the lock or the wish for it.
struct Held {
    lock: Arc<Lock>,
    key: String,
    token: String,
    local: Option<OwnedMutexGuard<()>>,
}

impl Held {
    /// Returns with the lock, or without it when Redis is away.
    async fn acquire(&self) {
        let Lock { redis, take, .. } = &*self.lock;
        while let Ok(answer) = redis.run("turn", take, &self.key, &[&self.token, HOLD_MS]).await {
            if answer.first() == Some(&1) {
                return;
            }
            tokio::time::sleep(jitter(PAUSE)).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (lock, local) = (self.lock.clone(), self.local.take());
        let (key, token) = (std::mem::take(&mut self.key), std::mem::take(&mut self.token));
        self.lock.redis.later(async move {
            let release = async || lock.redis.run("turn", &lock.release, &key, &[&token]).await.is_ok();
            let mut released = release().await;
            // Only now, or the next one here would find the lock still taken and have to wait for nothing.
            drop(local);
            // A call that got no answer may take the lock later all the same: then it has to go again.
            for _ in 0..RELEASE_TRIES {
                if released {
                    return;
                }
                tokio::time::sleep(jitter(RELEASE_PAUSE)).await;
                released = release().await;
            }
        });
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
