//! Requests for which each gateway asks Redis once, at a steady pace: nobody waits for the answer of before, so what piles
//! up can be seen.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, SystemClock};
use tokio::runtime::Runtime;

use super::Stage;
use super::stage::email;
use crate::support::exchange::{bytes, exchange};

/// From one request to the next.
pub const EVERY: Duration = Duration::from_millis(25);
/// For an answer.
const WAIT: Duration = Duration::from_secs(30);

struct World {
    nodes: [SocketAddr; 2],
    request: Vec<u8>,
    clock: SystemClock,
    under_way: AtomicUsize,
    most: AtomicUsize,
    times: Mutex<Vec<Duration>>,
}

/// Goes on until it is dropped.
pub struct Asking {
    world: Arc<World>,
    runtime: Option<Runtime>,
}

/// What was seen since somebody looked last.
pub struct Seen {
    /// How many requests were under way at once.
    pub most: usize,
    /// The time within which 99 of 100 answers came.
    pub p99: Duration,
}

impl Asking {
    /// Asks to renew a sign-in that has ended: that is counted, looked up, and refused.
    pub fn start(stage: &Stage) -> Self {
        let gone = stage.sign_in(&email(0), 0).expect("signed in");
        assert_eq!(stage.sign_out(&gone, 0), Ok(204));
        let world = Arc::new(World {
            nodes: [0, 1].map(|n: usize| stage.nodes[n].public()),
            request: bytes("POST", "/auth/token/refresh/", "", Some(&json!({ "refresh": gone.refresh }))),
            clock: SystemClock::new(),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            times: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("asking")
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.spawn(repeat(world.clone()));
        Self { world, runtime: Some(runtime) }
    }

    /// What was seen since the last look.
    pub fn look(&self) -> Seen {
        let mut times = std::mem::take(&mut *self.world.times.lock().unwrap_or_else(PoisonError::into_inner));
        times.sort_unstable();
        let at = (times.len() * 99).div_ceil(100).max(1) - 1;
        let under_way = self.world.under_way.load(Ordering::SeqCst);
        let most = self.world.most.swap(under_way, Ordering::SeqCst);
        Seen { most, p99: times.get(at).copied().unwrap_or(WAIT) }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn repeat(world: Arc<World>) {
    let mut ticks = tokio::time::interval(EVERY);
    // What this process could not ask in time, nobody has asked: it must not look like a pile.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for n in 0usize.. {
        ticks.tick().await;
        let world = world.clone();
        tokio::spawn(async move {
            let now = world.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            world.most.fetch_max(now, Ordering::SeqCst);
            let began = world.clock.monotonic();
            let answer = exchange(world.nodes[n % 2], &world.request, WAIT).await;
            let took = world.clock.monotonic().saturating_sub(began);
            // Any other answer counts as none.
            let took = if answer.is_ok_and(|r| r.status == 401) { took } else { WAIT };
            world.times.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            world.under_way.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
