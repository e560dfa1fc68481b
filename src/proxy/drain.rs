//! Stopping without cutting anybody off: no new connections, idle ones closed, requests in flight finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

/// Knows how many requests are in flight, and whether the gateway is about to stop.
pub struct Drain {
    begun: watch::Sender<bool>,
    in_flight: AtomicUsize,
    left: Notify,
}

impl Default for Drain {
    fn default() -> Self {
        Self { begun: watch::Sender::new(false), in_flight: AtomicUsize::new(0), left: Notify::new() }
    }
}

impl Drain {
    /// From now on connections end with the request they carry.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits until no request is in flight.
    pub async fn finished(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.in_flight.load(Ordering::SeqCst) == 0 {
                return;
            }
            left.await;
        }
    }

    /// A receiver that turns true when draining begins.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.begun.subscribe()
    }

    pub(super) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(self.clone())
    }
}

/// One request in flight.
pub(super) struct InFlight(Arc<Drain>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.left.notify_waiters();
        }
    }
}
