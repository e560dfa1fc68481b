//! What ends the process: signals, or another process that has taken over.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::hand_over::Held;
use crate::proxy::Drain;

/// The signals of the process.
pub(super) struct Signals {
    pub(super) drain: Arc<Drain>,
    /// What could be handed over until the end begins.
    pub(super) held: Held,
    /// How long to go on while readiness already says that this process stops.
    pub(super) delay: Duration,
    /// How long requests in flight may take.
    pub(super) grace: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    /// Returns when Pingora may stop at once: everything that had to be waited for has been.
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::error!("signals cannot be received; only SIGKILL will stop this process");
            return std::future::pending().await;
        };
        let told = tokio::select! {
            _ = term.recv() => true,
            _ = int.recv() => return ShutdownSignal::FastShutdown,
            () = self.drain.handed_over() => false,
        };
        // Who has handed over may still be told once, politely, what it does already.
        let mut hurry = Hurry { term, int, told };
        if told && self.leave(&mut hurry).await {
            return ShutdownSignal::FastShutdown;
        }
        self.finish(&mut hurry).await;
        ShutdownSignal::FastShutdown
    }
}

impl Signals {
    /// Lets readiness tell, and goes on for a while; true if somebody is in a hurry.
    async fn leave(&self, hurry: &mut Hurry) -> bool {
        tracing::info!(delay_secs = self.delay.as_secs(), "stopping: readiness says so");
        self.drain.leave();
        tokio::select! {
            () = tokio::time::sleep(self.delay) => false,
            () = hurry.begins() => true,
        }
    }

    async fn finish(&self, hurry: &mut Hurry) {
        tracing::info!(grace_secs = self.grace.as_secs(), "stopping: finishing requests in flight");
        self.held.let_go();
        self.drain.begin();
        tokio::select! {
            () = self.drain.finished() => {}
            () = tokio::time::sleep(self.grace) => tracing::warn!("the grace period is over, requests are cut off"),
            () = hurry.begins() => {}
        }
    }
}

/// Waits for a signal that ends everything at once: SIGINT, or one SIGTERM more than the first.
struct Hurry {
    term: Signal,
    int: Signal,
    told: bool,
}

impl Hurry {
    async fn begins(&mut self) {
        loop {
            tokio::select! {
                _ = self.int.recv() => return,
                _ = self.term.recv() => {
                    if self.told {
                        return;
                    }
                    self.told = true;
                }
            }
        }
    }
}

/// A stop that comes from inside the process.
pub(super) struct Stop(pub(super) watch::Receiver<bool>);

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let _ = self.0.clone().wait_for(|stop| *stop).await;
        ShutdownSignal::FastShutdown
    }
}
