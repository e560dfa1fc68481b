//! What has to be done from time to time. One file for each job, with its period and why things are kept as long as they
//! are; this page lists them all.
//!
//! | job | every | keeps |
//! |---|---|---|
//! | `codes` | 10 min | links and codes until they have expired |
//! | `devices` | 1 h | devices somebody has signed in on within 400 days |
//! | `sessions` | 10 min | sessions until they have ended or expired |
//! | `unverified` | 1 h | registrations nobody verified for 7 days |
//! | `closed_accounts` | 10 min | accounts closed by their owners for 7 days |
//! | `lockouts` | 1 h | failure counts while they matter |
//! | `attempts` | 1 h | sign-in attempts for 180 days |
//! | `audit` | 1 h | audit entries for a year |
//! | `revocations` | 1 min | until the last revoked token has expired |
//! | `outbox` | 1 h | the envelopes of sent and given-up mails for 30 days, the contents of given-up ones for 7 |

mod attempts;
mod audit;
mod closed_accounts;
mod codes;
mod devices;
mod lockouts;
mod outbox;
mod revocations;
mod sessions;
mod unverified;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::account::Accounts;
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
        Arc::new(devices::Devices(accounts.clone())),
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
        Arc::new(outbox::Outbox { store: store.clone(), clock: clock.clone() }),
    ])
}

impl Jobs {
    /// Runs each job on its period until `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for job in self.0 {
            tasks.spawn(repeat(job, stop.clone()));
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

async fn repeat(job: Arc<dyn Job>, mut stop: watch::Receiver<bool>) {
    loop {
        match job.run().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(job = job.name(), count, "job done"),
            Err(e) => tracing::warn!(job = job.name(), error = e, "job failed, it comes again"),
        }
        tokio::select! {
            () = tokio::time::sleep(job.period()) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
