//! The way to a connection: a pool, and a line before it that does not grow without end.

use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};

use deadpool_postgres::{Object, Pool, PoolError, TimeoutType};

use super::super::Connections;
use super::run;
use crate::store::StoreError;

/// How many may wait for a connection. Whoever comes then is told at once that the store is busy: by the time it were
/// served, nobody would wait for the answer any more.
const LINE: usize = 512;

/// Held by whoever waits for an answer: work that has not begun when it is gone does not begin.
pub(super) type Asker = Weak<()>;

/// A pool and how many stand before it.
pub(super) struct Door {
    pool: Pool,
    waiting: AtomicUsize,
}

impl Door {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, waiting: AtomicUsize::new(0) }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A connection, as soon as one is free.
    pub(super) async fn enter(&self, asker: &Asker) -> Result<Object, StoreError> {
        let place = Place::take(&self.waiting)?;
        let client = self.pool.get().await.map_err(|e| match e {
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy,
            PoolError::Backend(e) => run::unreachable(&e),
            other => StoreError::Unavailable(other.to_string()),
        })?;
        drop(place);
        if asker.strong_count() == 0 { Err(StoreError::Busy) } else { Ok(client) }
    }

    pub(super) fn connections(&self) -> Connections {
        let status = self.pool.status();
        Connections {
            busy: status.size.saturating_sub(status.available),
            idle: status.available,
            waiting: self.waiting.load(Ordering::Relaxed),
            most: status.max_size,
        }
    }
}

/// A place in the line, given back when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, StoreError> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) < LINE { Ok(place) } else { Err(StoreError::Busy) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
