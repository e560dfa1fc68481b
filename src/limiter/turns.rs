//! One at a time. Without it 200 parallel guesses at one password would all pass the look at the lock before the first
//! failure is counted (L-06).

use std::sync::Arc;

use ahash::RandomState;
use async_trait::async_trait;
use tokio::sync::{Mutex, OwnedMutexGuard};

const SHARDS: usize = 512;

/// One's turn; it ends when this is dropped.
pub struct Turn(#[expect(dead_code, reason = "held, and dropped at the end")] Box<dyn Send + Sync>);

impl Turn {
    pub(super) fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Box::new(held))
    }
}

/// Another node has held the turn for so long that waiting makes no sense; nothing was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("others are busy with the same account")]
pub struct Busy;

/// Lets those who want the same thing go single file.
#[async_trait]
pub trait Turns: Send + Sync + 'static {
    /// Waits for one's turn at `subject`. A caller that goes away gives up its place.
    ///
    /// # Errors
    /// [`Busy`].
    async fn turn(&self, subject: &str) -> Result<Turn, Busy>;
}

/// Turns in this process. Subjects share a fixed number of queues; the keys of the hash are random, so that nobody can
/// aim at the queue of another.
pub struct LocalTurns {
    queues: Vec<Arc<Mutex<()>>>,
    hasher: RandomState,
}

impl Default for LocalTurns {
    fn default() -> Self {
        Self { queues: (0..SHARDS).map(|_| Arc::default()).collect(), hasher: RandomState::new() }
    }
}

impl LocalTurns {
    pub(super) async fn wait(&self, subject: &str) -> OwnedMutexGuard<()> {
        let queue = usize::try_from(self.hasher.hash_one(subject) % SHARDS as u64).unwrap_or(0);
        Arc::clone(&self.queues[queue]).lock_owned().await
    }
}

#[async_trait]
impl Turns for LocalTurns {
    async fn turn(&self, subject: &str) -> Result<Turn, Busy> {
        Ok(Turn::new(self.wait(subject).await))
    }
}
