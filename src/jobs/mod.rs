//! What has to be done from time to time. One file for each job, with its period and why things are kept as long as they
//! are; this page lists them all.
//!
//! Nodes that share a store share the work: a job with [`Scope::Cluster`] is run by whichever node takes it first, once in
//! each period (`schedule`). What belongs to a process, each node does for itself; those are marked below.
//!
//! | job | every | keeps |
//! |---|---|---|
//! | `codes` | 10 min | links and codes until they have expired |
//! | `sessions` | 10 min | sessions for a day after they ended or ran out |
//! | `unverified` | 1 h | registrations nobody verified for 7 days |
//! | `closed_accounts` | 10 min | accounts closed by their owners for 7 days |
//! | `challenges` | 10 min | second factors that were asked for, an hour beyond their time |
//! | `devices` | 1 h | browsers until nobody came back with them for 400 days |
//! | `idle_sessions` | 1 min | nothing: marks sign-ins whose idle time is over as ended |
//! | `used_codes` | 1 h | recovery codes for 30 days after their use |
//! | `lockouts` | 1 h | failure counts while they matter |
//! | `attempts` | 1 h | sign-in attempts for 180 days |
//! | `audit` | 1 h | audit entries for a year |
//! | `revocations` | 1 min | until a day after the last revoked token has expired |
//! | `held_revocations` (each node) | 1 min | in memory, until the last revoked token has expired |
//! | `key_rotation` | 10 min | signing keys until their last token has expired |
//! | `key_watch` (each node) | 2 s | nothing: takes over what other nodes and the command line changed |
//! | `outbox` | 1 h | the envelopes of sent and given-up mails for 30 days, the contents of given-up ones for 7 |
//! | `gauges` (each node, in `app`) | 15 s | nothing: measures levels |

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
mod schedule;
mod sessions;
mod unheard;
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

    /// Who does it: one node for all, unless it says otherwise.
    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    /// Does it once; returns how many rows went.
    ///
    /// # Errors
    /// What went wrong, for the log; the job comes again after its period.
    async fn run(&self) -> Result<u64, String>;
}

/// Who does a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One of the nodes that share a store. It must be safe to run twice: a node may be slow, or its clock wrong.
    Cluster,
    /// Every node for itself.
    Node,
}

/// All jobs of a gateway.
pub struct Jobs {
    list: Vec<Arc<dyn Job>>,
    store: Store,
}

/// The list.
#[must_use]
pub fn all(
    accounts: &Arc<Accounts>,
    store: &Store,
    revocations: &Arc<Revocations>,
    clock: &Arc<dyn Clock>,
) -> Jobs {
    let (s, c) = (|| store.clone(), || clock.clone());
    let list: Vec<Arc<dyn Job>> = vec![
        Arc::new(codes::Codes(accounts.clone())),
        Arc::new(sessions::Sessions(accounts.clone())),
        Arc::new(unheard::Unheard(accounts.clone())),
        Arc::new(unverified::Unverified(accounts.clone())),
        Arc::new(closed_accounts::ClosedAccounts(accounts.clone())),
        Arc::new(lockouts::Lockouts(accounts.clone())),
        Arc::new(attempts::Attempts(accounts.clone())),
        Arc::new(audit::Audit { store: s(), clock: c() }),
        Arc::new(revocations::Ended { store: s(), clock: c() }),
        Arc::new(revocations::Held { live: revocations.clone(), clock: c() }),
        Arc::new(challenges::Challenges { store: s(), clock: c() }),
        Arc::new(devices::Devices { store: s(), clock: c() }),
        Arc::new(idle_sessions::IdleSessions { store: s(), clock: c() }),
        Arc::new(used_codes::UsedCodes { store: s(), clock: c() }),
        Arc::new(outbox::Outbox { store: s(), clock: c() }),
    ];
    Jobs { list, store: s() }
}

impl Jobs {
    /// One more, which only the composition root can make.
    #[must_use]
    pub fn and(mut self, job: impl Job) -> Self {
        self.list.push(Arc::new(job));
        self
    }

    /// Runs each job on its period until `stop` turns true. Each has a task of its own: one that fails, or panics, is
    /// counted and comes again, and the others do not notice.
    pub async fn run(self, stop: watch::Receiver<bool>, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) {
        let mut tasks = JoinSet::new();
        for job in self.list {
            let node =
                schedule::Node { store: self.store.clone(), metrics: metrics.clone(), clock: clock.clone() };
            let stop = stop.clone();
            tasks.spawn(async move { node.repeat(job, stop).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Runs each job once, whoever's turn it is; for tests. Returns name and count of each.
    pub async fn once(&self) -> Vec<(&'static str, Result<u64, String>)> {
        let mut done = Vec::new();
        for job in &self.list {
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

#[cfg(test)]
mod tests;
