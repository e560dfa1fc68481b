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
        tokio::select! {
            _ = term.recv() => {
                if self.leave(&mut term, &mut int).await {
                    return ShutdownSignal::FastShutdown;
                }
            }
            _ = int.recv() => return ShutdownSignal::FastShutdown,
            () = self.drain.handed_over() => {}
        }
        self.finish(&mut term, &mut int).await;
        ShutdownSignal::FastShutdown
    }
}

impl Signals {
    /// Lets readiness tell, and goes on for a while; true if somebody is in a hurry.
    async fn leave(&self, term: &mut Signal, int: &mut Signal) -> bool {
        tracing::info!(delay_secs = self.delay.as_secs(), "stopping: readiness says so");
        self.drain.leave();
        tokio::select! {
            () = tokio::time::sleep(self.delay) => false,
            _ = term.recv() => true,
            _ = int.recv() => true,
        }
    }

    async fn finish(&self, term: &mut Signal, int: &mut Signal) {
        tracing::info!(grace_secs = self.grace.as_secs(), "stopping: finishing requests in flight");
        self.held.let_go();
        self.drain.begin();
        tokio::select! {
            () = self.drain.finished() => {}
            () = tokio::time::sleep(self.grace) => tracing::warn!("the grace period is over, requests are cut off"),
            _ = int.recv() => {}
            _ = term.recv() => {}
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
