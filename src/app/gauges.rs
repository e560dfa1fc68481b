//! Levels that somebody has to look at: a task does, so that a scrape waits for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::account::Accounts;
use crate::jobs::{Job, Scope};
use crate::metrics::{Level, Metrics};
use crate::model::Clock;
use crate::proxy::{Tls, Upstreams};
use crate::store::Store;
use crate::token::Revocations;

/// Looks at everything that has a level.
pub(super) struct Gauges {
    pub(super) store: Store,
    pub(super) accounts: Arc<Accounts>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) off: Off,
}

/// What is wrong with the clock, as far as it was said already.
#[derive(Default)]
pub(super) struct Off {
    ahead: AtomicBool,
    skew: AtomicBool,
}

/// A clock that is further off is worth a line.
const OFF: Duration = Duration::from_secs(5);

impl Gauges {
    /// Each fault is one line when it begins.
    async fn look_at_the_clock(&self) -> Result<(), String> {
        let ahead = self.clock.ahead();
        self.metrics.level(Level::ClockAhead, ahead.as_secs());
        // A little less than what counts: the time comes nearer by itself.
        let far = ahead >= OFF.mul_f32(0.9);
        if far && !self.off.ahead.swap(far, Ordering::Relaxed) {
            let secs = ahead.as_secs();
            tracing::warn!(
                secs,
                "the clock was set back; the gateway goes on from the time it had, a restart follows the clock"
            );
        }
        self.off.ahead.store(far, Ordering::Relaxed);
        let skew = self.store.skew(&*self.clock).await.map_err(|e| e.to_string())?;
        self.metrics.level(Level::ClockSkew, skew.as_secs());
        let far = skew >= OFF;
        if far && !self.off.skew.swap(far, Ordering::Relaxed) {
            let secs = skew.as_secs();
            tracing::warn!(
                secs,
                "the clock of this machine is not that of the database: its tokens may be refused elsewhere"
            );
        }
        self.off.skew.store(far, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Job for Gauges {
    fn name(&self) -> &'static str {
        "gauges"
    }

    /// The usual time between two scrapes.
    fn period(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn scope(&self) -> Scope {
        Scope::Node
    }

    async fn run(&self) -> Result<u64, String> {
        let set = |level, value| self.metrics.level(level, value);
        let hasher = self.accounts.hasher();
        set(Level::HashesWaiting, hasher.waiting() as u64);
        set(Level::HashesRunning, hasher.running() as u64);
        set(Level::Revocations, self.revocations.len() as u64);
        for (name, well) in self.upstreams.well() {
            self.metrics.upstream(name, well);
        }
        if let Some(tls) = &self.tls {
            set(Level::CertificateExpires, u64::try_from(tls.expires().secs()).unwrap_or(0));
        }
        self.metrics.measure_process();
        self.look_at_the_clock().await?;
        let now = self.clock.now();
        let sessions = self.store.count_sessions(now).await.map_err(|e| e.to_string())?;
        set(Level::Sessions, sessions);
        let mail = self.store.mail_levels().await.map_err(|e| e.to_string())?;
        set(Level::MailsWaiting, mail.waiting);
        set(Level::MailsAge, mail.oldest.map_or(0, |oldest| now.since(oldest).as_secs()));
        set(Level::MailsDead, mail.dead);
        Ok(0)
    }
}
