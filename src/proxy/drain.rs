//! Stopping without cutting anybody off. First only readiness says so ([`Drain::leave`]), then no connection is taken in
//! any more and each ends with the request it carries ([`Drain::begin`]). Connections count as well as requests: whoever
//! was let in is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pingora::proxy::Session;
use tokio::sync::{Notify, watch};

/// How long a connection on which nothing was asked is kept after the end has begun. A client that is about to ask gets
/// its answer, and is told that it is the last; closing at once would cross its request on the way.
pub(super) const LAST_CALL: Duration = Duration::from_secs(1);

/// Knows who is being served, and whether the gateway is about to stop.
pub struct Drain {
    leaving: AtomicBool,
    handed_over: watch::Sender<bool>,
    begun: watch::Sender<bool>,
    busy: AtomicUsize,
    left: Notify,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            leaving: AtomicBool::new(false),
            handed_over: watch::Sender::new(false),
            begun: watch::Sender::new(false),
            busy: AtomicUsize::new(0),
            left: Notify::new(),
        }
    }
}

impl Drain {
    /// From now on readiness says that nothing more should be sent here; everything is served as before.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    /// Whether whoever distributes requests should send them elsewhere.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// Another process has the listeners: what waits in their queues is no longer ours. [`Drain::begin`] comes next.
    pub fn hand_over(&self) {
        self.handed_over.send_replace(true);
    }

    /// Whether another process has the listeners.
    #[must_use]
    pub fn was_handed_over(&self) -> bool {
        *self.handed_over.borrow()
    }

    /// Waits until another process has them.
    pub async fn handed_over(&self) {
        let _ = self.handed_over.subscribe().wait_for(|done| *done).await;
    }

    /// From now on connections end with the request they carry, and no new ones are taken in.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits until nobody is being served.
    pub async fn finished(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.busy.load(Ordering::SeqCst) == 0 {
                return;
            }
            left.await;
        }
    }

    /// A receiver that turns true when draining begins.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.begun.subscribe()
    }

    /// Has the answer say that the connection ends with it, once draining has begun.
    pub(super) fn part_ways(&self, session: &mut Session) {
        if self.has_begun() {
            session.set_keepalive(None);
        }
    }

    /// Somebody is being served until the result is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Served {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Served(self.clone())
    }
}

/// A connection, a request, or a listener that still lets in: waited for.
pub(super) struct Served(Arc<Drain>);

impl Drop for Served {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.left.notify_waiters();
        }
    }
}

/// Ends when a connection on which nothing is asked has to go.
pub(super) async fn last_call(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|begun| *begun).await;
    tokio::time::sleep(LAST_CALL).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_finished_when_the_last_one_has_gone() {
        let drain = Arc::new(Drain::default());
        drain.finished().await;
        let (one, two) = (drain.enter(), drain.enter());
        drain.begin();
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.finished().await }
        });
        drop(one);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "one is left");
        drop(two);
        waiting.await.expect("it ends");
    }

    #[test]
    fn leaving_and_handing_over_are_not_yet_the_end() {
        let drain = Drain::default();
        drain.leave();
        drain.hand_over();
        assert!(drain.is_leaving() && drain.was_handed_over() && !drain.has_begun());
        drain.begin();
        assert!(drain.has_begun());
    }
}
