//! When a node runs a job, and whether it is its turn.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Job, Scope};
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::store::{Claim, Store};

/// The shortest pause before asking again; two nodes whose clocks differ by less do not race for nothing.
const LEAST: Duration = Duration::from_millis(1);
/// How soon to ask again when the store did not say whose turn it is.
const UNANSWERED: Duration = Duration::from_secs(30);

/// A node whose clock is further from the database's does no work for the others: most of it is to delete what has expired.
const TRUSTED: Duration = Duration::from_secs(30);

/// What runs the jobs of one node.
pub(super) struct Node {
    pub(super) store: Store,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Node {
    /// Runs the job whenever it is due, until `stop` turns true.
    pub(super) async fn repeat(&self, job: Arc<dyn Job>, mut stop: watch::Receiver<bool>) {
        loop {
            let pause = self.turn(&job).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Runs the job if it is due and ours; how long until the next look.
    pub(super) async fn turn(&self, job: &Arc<dyn Job>) -> Duration {
        let period = job.period();
        if job.scope() == Scope::Node {
            self.attempt(job).await;
            return period;
        }
        if self.store.skew(&*self.clock).await.is_ok_and(|skew| skew > TRUSTED) {
            tracing::debug!(job = job.name(), "left to nodes whose clock is right");
            return period.min(UNANSWERED);
        }
        match self.store.claim_job(job.name(), period, self.clock.now()).await {
            Ok(Claim::Ours) => {
                self.attempt(job).await;
                period
            }
            Ok(Claim::NotBefore(due)) => due.since(self.clock.now()).clamp(LEAST, period),
            Err(e) => {
                tracing::warn!(job = job.name(), error = %e, "nobody knows whose turn this job is");
                self.metrics.job(job.name(), "failed", Duration::ZERO);
                period.min(UNANSWERED)
            }
        }
    }

    /// One run, in a task of its own so that a panic stays in it.
    async fn attempt(&self, job: &Arc<dyn Job>) {
        let begun = self.clock.monotonic();
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
        self.metrics.job(job.name(), outcome, self.clock.monotonic().saturating_sub(begun));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::model::{ManualClock, Timestamp};

    const PERIOD: Duration = Duration::from_secs(600);
    const APART: Duration = Duration::from_secs(10);

    struct Counts(Scope, Arc<AtomicUsize>);

    #[async_trait]
    impl Job for Counts {
        fn name(&self) -> &'static str {
            "counts"
        }

        fn period(&self) -> Duration {
            PERIOD
        }

        fn scope(&self) -> Scope {
            self.0
        }

        async fn run(&self) -> Result<u64, String> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Ok(0)
        }
    }

    /// Never comes back, as in a process that was killed at work.
    struct Hangs(Mutex<Option<tokio::sync::oneshot::Sender<()>>>);

    #[async_trait]
    impl Job for Hangs {
        fn name(&self) -> &'static str {
            "counts"
        }

        fn period(&self) -> Duration {
            PERIOD
        }

        async fn run(&self) -> Result<u64, String> {
            if let Some(begun) = self.0.lock().unwrap().take() {
                begun.send(()).unwrap();
            }
            std::future::pending().await
        }
    }

    fn node(store: &Store, at: Timestamp) -> (Node, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(at));
        (Node { store: store.clone(), metrics: Arc::new(Metrics::new()), clock: clock.clone() }, clock)
    }

    fn noon() -> Timestamp {
        Timestamp::from_secs(1_800_000_000)
    }

    /// Both nodes look at every second of twenty periods; one clock is ten seconds ahead.
    #[tokio::test]
    async fn two_nodes_run_a_job_once_in_each_period_and_their_own_each() {
        let store = Store::scratch();
        let (ran, own) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let shared: Arc<dyn Job> = Arc::new(Counts(Scope::Cluster, ran.clone()));
        let ((a, clock_a), (b, clock_b)) = (node(&store, noon()), node(&store, noon().after(APART)));
        for period in 1..=20 {
            for _ in 0..PERIOD.as_secs() / 60 {
                assert!(a.turn(&shared).await <= PERIOD && b.turn(&shared).await <= PERIOD);
                clock_a.advance(Duration::from_secs(60));
                clock_b.advance(Duration::from_secs(60));
            }
            assert_eq!(ran.load(Ordering::SeqCst), period);
        }
        let mine: Arc<dyn Job> = Arc::new(Counts(Scope::Node, own.clone()));
        assert_eq!((a.turn(&mine).await, b.turn(&mine).await), (PERIOD, PERIOD));
        assert_eq!(own.load(Ordering::SeqCst), 2);
    }

    /// The same with nodes that run freely, at once.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_nodes_that_race_run_a_job_once_in_each_period() {
        let store = Store::scratch();
        let ran = Arc::new(AtomicUsize::new(0));
        let shared: Arc<dyn Job> = Arc::new(Counts(Scope::Cluster, ran.clone()));
        let ((a, clock_a), (b, clock_b)) = (node(&store, noon()), node(&store, noon()));
        for period in 1..=20 {
            tokio::join!(a.turn(&shared), b.turn(&shared), b.turn(&shared), a.turn(&shared));
            assert_eq!(ran.load(Ordering::SeqCst), period);
            clock_a.advance(PERIOD);
            clock_b.advance(PERIOD);
        }
    }

    #[tokio::test]
    async fn a_node_that_dies_at_work_does_not_stop_the_job() {
        let store = Store::scratch();
        let (send, begun) = tokio::sync::oneshot::channel();
        let hangs: Arc<dyn Job> = Arc::new(Hangs(Mutex::new(Some(send))));
        let (dies, _) = node(&store, noon().after(APART));
        let victim = tokio::spawn(async move { dies.turn(&hangs).await });
        begun.await.unwrap();
        victim.abort();

        let ran = Arc::new(AtomicUsize::new(0));
        let shared: Arc<dyn Job> = Arc::new(Counts(Scope::Cluster, ran.clone()));
        let (lives, clock) = node(&store, noon());
        let pause = lives.turn(&shared).await;
        assert_eq!((ran.load(Ordering::SeqCst), pause), (0, PERIOD), "the run was taken");
        clock.advance(pause + APART);
        assert_eq!(lives.turn(&shared).await, PERIOD);
        assert_eq!(ran.load(Ordering::SeqCst), 1, "the next is ours");
    }
}
