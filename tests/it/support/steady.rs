//! Requests at a steady rate to one address: half of them on connections of their own, half on connections that are kept.
//! A new connection must be taken in and answered. A kept one may end while nothing is asked on it, and a request may
//! cross that end: RFC 9112 section 9.3.1 lets a client send an idempotent request again if no byte of an answer came.
//! Those are counted; nothing else is forgiven.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stagedoor::model::{Clock as _, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::exchange::exchange;
use super::load::WAIT;
use crate::flows_process::eventually;

/// How many connections are kept.
const KEPT: usize = 20;

/// What is asked: a path, and whole lines of fields; and the status that is right.
#[derive(Clone)]
pub struct Ask {
    pub path: String,
    pub fields: String,
    pub status: u16,
}

struct World {
    to: SocketAddr,
    asks: Vec<Ask>,
    clock: SystemClock,
    over: AtomicBool,
    at_work: AtomicUsize,
    turn: AtomicUsize,
    again: AtomicUsize,
    times: Mutex<Vec<Duration>>,
    failed: Mutex<Vec<String>>,
}

/// Load that goes on until it is asked how it went.
pub struct Steady {
    world: Arc<World>,
    runtime: Option<Runtime>,
}

/// How it went.
#[derive(Debug)]
pub struct Fared {
    /// How many requests were answered rightly.
    pub good: usize,
    /// What went wrong, in words.
    pub failed: Vec<String>,
    /// Requests sent a second time, because their kept connection had ended.
    pub again: usize,
    /// The time within which 99 of 100 answers came.
    pub p99: Duration,
    /// The slowest answer.
    pub slowest: Duration,
}

impl Steady {
    /// Begins: `rate` requests a second, `asks` by turns.
    pub fn start(to: SocketAddr, rate: u32, asks: Vec<Ask>) -> Self {
        let world = Arc::new(World {
            to,
            asks,
            clock: SystemClock::new(),
            over: AtomicBool::new(false),
            at_work: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            again: AtomicUsize::new(0),
            times: Mutex::default(),
            failed: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("steady")
            .enable_all()
            .build()
            .expect("a runtime");
        let half = Duration::from_secs(2) / rate;
        runtime.spawn(on_new_connections(world.clone(), half));
        for _ in 0..KEPT {
            world.at_work.fetch_add(1, Ordering::SeqCst);
            runtime.spawn(on_one_connection(world.clone(), half * u32::try_from(KEPT).expect("few")));
        }
        Self { world, runtime: Some(runtime) }
    }

    /// How many requests have been answered.
    pub fn answered(&self) -> usize {
        self.world.times.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until so many more have been answered.
    pub fn await_more(&self, n: usize) {
        let wanted = self.answered() + n;
        eventually("more answers", || (self.answered() >= wanted).then_some(()));
    }

    /// Ends when the answers under way have come.
    pub fn finish(mut self) -> Fared {
        self.world.over.store(true, Ordering::SeqCst);
        eventually("the last answers", || (self.world.at_work.load(Ordering::SeqCst) == 0).then_some(()));
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let mut times = self.world.times.lock().unwrap_or_else(PoisonError::into_inner).clone();
        times.sort_unstable();
        let at = (times.len() * 99).div_ceil(100).max(1) - 1;
        Fared {
            good: times.len(),
            failed: self.world.failed.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            again: self.world.again.load(Ordering::SeqCst),
            p99: times.get(at).copied().unwrap_or_default(),
            slowest: times.last().copied().unwrap_or_default(),
        }
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn on_new_connections(world: Arc<World>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        world.at_work.fetch_add(1, Ordering::SeqCst);
        if world.over.load(Ordering::SeqCst) {
            world.at_work.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let world = world.clone();
        tokio::spawn(async move {
            let (ask, began) = (world.next(), world.clock.monotonic());
            let request = request(&ask, "Connection: close\r\n");
            let answer = exchange(world.to, request.as_bytes(), WAIT).await;
            let said = answer.map(|a| a.status).map_err(|e| format!("on a new connection: {e:?}"));
            world.note(&ask, began, said);
            world.at_work.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn on_one_connection(world: Arc<World>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    let mut kept = None;
    while !world.over.load(Ordering::SeqCst) {
        ticks.tick().await;
        let (ask, began) = (world.next(), world.clock.monotonic());
        let said = match timeout(WAIT, world.ask_on(&mut kept, &ask)).await {
            Ok(said) => said,
            Err(_) => Err("no answer in time".to_owned()),
        };
        if said.is_err() {
            kept = None;
        }
        world.note(&ask, began, said);
    }
    world.at_work.fetch_sub(1, Ordering::SeqCst);
}

fn request(ask: &Ask, more: &str) -> String {
    format!("GET {} HTTP/1.1\r\nHost: localhost\r\n{}{more}\r\n", ask.path, ask.fields)
}

impl World {
    fn next(&self) -> Ask {
        self.asks[self.turn.fetch_add(1, Ordering::SeqCst) % self.asks.len()].clone()
    }

    fn note(&self, ask: &Ask, began: Duration, said: Result<u16, String>) {
        let took = self.clock.monotonic().saturating_sub(began);
        match said {
            Ok(status) if status == ask.status => {
                self.times.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            }
            other => {
                let what = format!("{} at {began:?}: {other:?}", ask.path);
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(what);
            }
        }
    }

    /// On the kept connection, or a new one to be kept.
    async fn ask_on(&self, kept: &mut Option<TcpStream>, ask: &Ask) -> Result<u16, String> {
        let request = request(ask, "");
        if let Some(mut stream) = kept.take() {
            match converse(&mut stream, request.as_bytes()).await {
                Ok((status, stays)) => {
                    *kept = stays.then_some(stream);
                    return Ok(status);
                }
                Err(Broken::Silently) => _ = self.again.fetch_add(1, Ordering::SeqCst),
                Err(Broken::Midway(why)) => return Err(format!("on a kept connection: {why}")),
            }
        }
        let mut stream = TcpStream::connect(self.to).await.map_err(|e| format!("connecting: {e}"))?;
        match converse(&mut stream, request.as_bytes()).await {
            Ok((status, stays)) => {
                *kept = stays.then_some(stream);
                Ok(status)
            }
            Err(broken) => Err(format!("on a new connection to be kept: {broken:?}")),
        }
    }
}

#[derive(Debug)]
enum Broken {
    /// Not one byte of an answer came.
    Silently,
    Midway(String),
}

/// One request and its answer; its status, and whether the connection goes on.
async fn converse(stream: &mut TcpStream, request: &[u8]) -> Result<(u16, bool), Broken> {
    if stream.write_all(request).await.is_err() {
        return Err(Broken::Silently);
    }
    let mut all = Vec::new();
    loop {
        if let Some(whole) = read(&all) {
            return Ok(whole);
        }
        match stream.read_buf(&mut all).await {
            Ok(n) if n > 0 => {}
            _ if all.is_empty() => return Err(Broken::Silently),
            other => {
                return Err(Broken::Midway(format!("{other:?} after {}", String::from_utf8_lossy(&all))));
            }
        }
    }
}

/// Status and persistence of a whole answer with a length.
fn read(all: &[u8]) -> Option<(u16, bool)> {
    let end = all.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| *n == name).map(|(_, v)| v.to_owned())
    };
    let length: usize = field("content-length")?.parse().ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (all.len() >= end + 4 + length).then(|| (status, field("connection").is_none_or(|c| c != "close")))
}
