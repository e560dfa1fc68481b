//! Whether this node has heard of every end there is. An absent entry means "not ended" only while it has; after that it
//! means nothing (5.1, 5.4), and the rule of the request decides what follows.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::Timestamp;

/// Until when the revocations in memory are all there are. A moment instead of a yes or no: a feed that has died, or a
/// thread that nobody runs any more, lets it pass, and nobody has to be there to say so.
#[derive(Debug)]
pub(super) struct Freshness(AtomicI64);

impl Default for Freshness {
    /// For good: where one process holds the store alone, it decides every end itself.
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Freshness {
    pub(super) fn set(&self, until: Timestamp) {
        self.0.store(until.millis(), Ordering::Relaxed);
    }

    /// One relaxed load: entries are added before the moment is moved, and a request that runs beside both may be judged
    /// as if it had come first.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        now.millis() <= self.0.load(Ordering::Relaxed)
    }
}
