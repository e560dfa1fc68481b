//! Which node does what is needed once: whoever moves a job's next time on has taken the run.

use std::time::Duration;

use super::{Store, StoreError, Tx, params};
use crate::model::Timestamp;

/// What came of the wish to run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This run is ours; nobody else has it.
    Ours,
    /// Somebody has had this run. The next one is due then.
    NotBefore(Timestamp),
}

/// A next time further away than two periods was written by a clock that is far ahead: it does not count.
const FAR: u32 = 2;

/// $1 name, $2 now, $3 the next time, $4 beyond which a time does not count.
const TAKE: &str = "INSERT INTO job_runs (name, due_at, ran_at) VALUES ($1, $3, $2)
     ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, ran_at = excluded.ran_at
     WHERE job_runs.due_at <= $2 OR job_runs.due_at > $4 RETURNING due_at";

impl Store {
    /// Takes the run of a job that is due once in each `period`, for one node. A node that dies after this has had
    /// the run; the next comes a period later, whoever lives then.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; nobody may have the run then.
    pub async fn claim_job(&self, name: &str, period: Duration, now: Timestamp) -> Result<Claim, StoreError> {
        let mut tx = Tx::new();
        let taken = tx.push(TAKE, params![name, now, now.after(period), now.after(period * FAR)]);
        let due = tx.push("SELECT due_at FROM job_runs WHERE name = $1", params![name]);
        let answers = self.commit(tx).await?.unwrap_or_default();
        let rows = |n: usize| answers.get(n).map_or(&[][..], Vec::as_slice);
        if !rows(taken).is_empty() {
            return Ok(Claim::Ours);
        }
        let row = rows(due).first().ok_or_else(|| StoreError::Shape("a job that has no row".to_owned()))?;
        row.time(0).map(Claim::NotBefore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + secs)
    }

    async fn claim(store: &Store, secs: i64) -> Claim {
        store.claim_job("x", MINUTE, at(secs)).await.unwrap()
    }

    #[tokio::test]
    async fn one_run_in_a_period_and_the_next_when_it_is_over() {
        let store = Store::scratch();
        assert_eq!(claim(&store, 0).await, Claim::Ours);
        assert_eq!(claim(&store, 0).await, Claim::NotBefore(at(60)));
        assert_eq!(claim(&store, 59).await, Claim::NotBefore(at(60)));
        assert_eq!(store.claim_job("y", MINUTE, at(59)).await.unwrap(), Claim::Ours, "another job");
        assert_eq!(claim(&store, 60).await, Claim::Ours);
        assert_eq!(claim(&store, 500).await, Claim::Ours, "nobody was there meanwhile");
        assert_eq!(claim(&store, 501).await, Claim::NotBefore(at(560)));
    }

    #[tokio::test]
    async fn a_clock_that_was_far_ahead_stops_nothing() {
        let store = Store::scratch();
        assert_eq!(claim(&store, 365 * 24 * 3600).await, Claim::Ours);
        assert_eq!(claim(&store, 0).await, Claim::Ours);
        assert_eq!(claim(&store, 1).await, Claim::NotBefore(at(60)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_nodes_that_ask_at_once_one_runs_it() {
        let store = Store::scratch();
        for round in 0..5 {
            let nodes: Vec<_> = (0..16)
                .map(|_| {
                    let store = store.clone();
                    tokio::spawn(async move { claim(&store, round * 60).await })
                })
                .collect();
            let mut ours = 0;
            for node in nodes {
                ours += u32::from(node.await.unwrap() == Claim::Ours);
            }
            assert_eq!(ours, 1, "round {round}");
        }
    }
}
