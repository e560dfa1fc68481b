//! What has to be done from time to time. One file for each job, with its period and why things are kept as long as they
//! are; this page lists them all.
//!
//! | job | every | keeps |
//! |---|---|---|
//! | `codes` | 10 min | links and codes until they have expired |
//! | `sessions` | 10 min | sessions until they have ended or expired |
//! | `unverified` | 1 h | registrations nobody verified for 7 days |
//! | `closed_accounts` | 10 min | accounts closed by their owners for 7 days |
//! | `challenges` | 10 min | second factors that were asked for, an hour beyond their time |
//! | `devices` | 1 h | browsers until nobody came back with them for 400 days |
//! | `idle_sessions` | 1 min | nothing: marks sign-ins whose idle time is over as ended |
//! | `used_codes` | 1 h | recovery codes for 30 days after their use |
//! | `lockouts` | 1 h | failure counts while they matter |
//! | `attempts` | 1 h | sign-in attempts for 180 days |
//! | `audit` | 1 h | audit entries for a year |
//! | `revocations` | 1 min | until the last revoked token has expired |
//! | `key_rotation` | 10 min | signing keys until their last token has expired |
//! | `key_watch` | 2 s | nothing: takes over what other nodes and the command line changed |
//! | `outbox` | 1 h | the envelopes of sent and given-up mails for 30 days, the contents of given-up ones for 7 |

mod attempts;
mod audit;
mod challenges;
mod closed_accounts;
mod codes;
mod devices;
mod idle_sessions;
mod keys;
mod lockouts;
mod outbox;
mod revocations;
mod sessions;
mod unverified;
mod used_codes;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use keys::{KeyCare, KeyRotation, KeyWatch};

use crate::account::Accounts;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::store::Store;
use crate::token::Revocations;

/// Something that is done again and again.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    /// Its name in the log.
    fn name(&self) -> &'static str;

    /// How often.
    fn period(&self) -> Duration;

    /// Does it once; returns how many rows went.
    ///
    /// # Errors
    /// What went wrong, for the log; the job comes again after its period.
    async fn run(&self) -> Result<u64, String>;
}

/// All jobs of a gateway.
pub struct Jobs(Vec<Arc<dyn Job>>);

/// The list.
#[must_use]
pub fn all(
    accounts: &Arc<Accounts>,
    store: &Store,
    revocations: &Arc<Revocations>,
    clock: &Arc<dyn Clock>,
) -> Jobs {
    Jobs(vec![
        Arc::new(codes::Codes(accounts.clone())),
        Arc::new(sessions::Sessions(accounts.clone())),
        Arc::new(unverified::Unverified(accounts.clone())),
        Arc::new(closed_accounts::ClosedAccounts(accounts.clone())),
        Arc::new(lockouts::Lockouts(accounts.clone())),
        Arc::new(attempts::Attempts(accounts.clone())),
        Arc::new(audit::Audit { store: store.clone(), clock: clock.clone() }),
        Arc::new(revocations::Ended {
            store: store.clone(),
            live: revocations.clone(),
            clock: clock.clone(),
        }),
        Arc::new(challenges::Challenges { store: store.clone(), clock: clock.clone() }),
        Arc::new(devices::Devices { store: store.clone(), clock: clock.clone() }),
        Arc::new(idle_sessions::IdleSessions { store: store.clone(), clock: clock.clone() }),
        Arc::new(used_codes::UsedCodes { store: store.clone(), clock: clock.clone() }),
        Arc::new(outbox::Outbox { store: store.clone(), clock: clock.clone() }),
    ])
}

impl Jobs {
    /// One more, which only the composition root can make.
    #[must_use]
    pub fn and(mut self, job: impl Job) -> Self {
        self.0.push(Arc::new(job));
        self
    }

    /// Runs each job on its period until `stop` turns true. Each has a task of its own: one that fails, or panics, is
    /// counted and comes again, and the others do not notice.
    ///
    /// Every node runs all of them; all are safe to run twice. Once nodes share a store, the lease that picks the one
    /// that runs them belongs here, around [`attempt`].
    pub async fn run(self, stop: watch::Receiver<bool>, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) {
        let mut tasks = JoinSet::new();
        for job in self.0 {
            let (stop, metrics, clock) = (stop.clone(), metrics.clone(), clock.clone());
            tasks.spawn(async move { repeat(job, stop, &metrics, &*clock).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Runs each job once; for tests and the command line. Returns name and count of each.
    pub async fn once(&self) -> Vec<(&'static str, Result<u64, String>)> {
        let mut done = Vec::new();
        for job in &self.0 {
            done.push((job.name(), job.run().await));
        }
        done
    }
}

/// Calls `batch` until it removed fewer rows than it could; returns how many in all.
async fn in_batches<F, E>(full: u32, mut batch: impl FnMut() -> F) -> Result<u64, String>
where
    F: Future<Output = Result<u64, E>>,
    E: std::fmt::Display,
{
    let mut total = 0;
    loop {
        let gone = batch().await.map_err(|e| e.to_string())?;
        total += gone;
        if gone < u64::from(full) {
            return Ok(total);
        }
    }
}

async fn repeat(job: Arc<dyn Job>, mut stop: watch::Receiver<bool>, metrics: &Metrics, clock: &dyn Clock) {
    loop {
        attempt(&job, metrics, clock).await;
        tokio::select! {
            () = tokio::time::sleep(job.period()) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// One run, in a task of its own so that a panic stays in it.
async fn attempt(job: &Arc<dyn Job>, metrics: &Metrics, clock: &dyn Clock) {
    let begun = clock.monotonic();
    let work = job.clone();
    let outcome = match tokio::spawn(async move { work.run().await }).await {
        Ok(Ok(count)) => {
            if count > 0 {
                tracing::info!(job = job.name(), count, "job done");
            }
            "done"
        }
        Ok(Err(e)) => {
            tracing::warn!(job = job.name(), error = e, "job failed, it comes again");
            "failed"
        }
        // A runtime that ends takes its tasks with it; that is no fault.
        Err(e) if e.is_cancelled() => return,
        Err(e) => {
            tracing::error!(job = job.name(), error = %e, "job panicked, it comes again");
            "panicked"
        }
    };
    metrics.job(job.name(), outcome, clock.monotonic().saturating_sub(begun));
}

#[cfg(test)]
mod tests;
