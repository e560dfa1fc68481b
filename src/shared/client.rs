//! One call to Redis: its time-out, the breaker, the connection that all calls share, and what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::breaker::Breaker;
use super::connect::{Connector, Link};
use super::eviction::{self, Evicts};
use super::subscribe::{self, Subscription};
use super::{Script, Settings, Unusable};
use crate::metrics::Metrics;
use crate::model::Clock;

/// How long connecting may take in all, asking sentinels or a cluster included. Callers do not wait that long.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// Redis gave no answer that counts. What it may have done nevertheless is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Away {
    /// Not in time.
    #[error("Redis did not answer in time")]
    Slow,
    /// Not asked, because it failed several times in a row just now.
    #[error("Redis failed just now and is left alone for a moment")]
    Resting,
    /// It cannot be reached, or it refused: a replica, loading, out of memory, not allowed.
    #[error("Redis: {0}")]
    Failed(String),
    /// It is there, and must not be trusted with counters.
    #[error(transparent)]
    Forgets(#[from] Evicts),
}

/// The Redis that the nodes share; clones share one connection. Connects when it is first needed and again whenever
/// the connection was lost, so a node starts without Redis and finds it by itself.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    connector: Arc<Connector>,
    state: watch::Sender<State>,
    made: AtomicU64,
    breaker: Breaker,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    timeout: Duration,
    prefix: String,
    runtime: Handle,
}

/// Where the connection stands.
enum State {
    /// There is none; why the last one could not be made.
    Apart(Option<Away>),
    Connecting,
    /// It is there; the number tells it from earlier ones.
    Ready(Link, u64),
}

impl Redis {
    /// Takes the settings and connects to nothing. Connections live on the runtime on which this is called.
    ///
    /// # Errors
    /// [`Unusable`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Result<Self, Unusable> {
        Ok(Self(Arc::new(Inner {
            connector: Arc::new(Connector::new(settings)?),
            state: watch::Sender::new(State::Apart(None)),
            made: AtomicU64::new(0),
            breaker: Breaker::default(),
            clock,
            metrics,
            timeout: settings.timeout,
            prefix: settings.prefix.clone(),
            runtime: Handle::current(),
        })))
    }

    /// Runs `script` over `key`, before which the prefix is put. `operation` is a word for the metrics.
    ///
    /// # Errors
    /// [`Away`], after the time-out at the latest.
    pub async fn run(
        &self,
        operation: &'static str,
        script: &Script,
        key: &str,
        args: &[&str],
    ) -> Result<Vec<i64>, Away> {
        let key = format!("{}{key}", self.0.prefix);
        let first = script.by_hash(&key, args);
        self.call(operation, self.0.timeout, first, || Some(script.by_text(&key, args))).await
    }

    /// Tells everybody who has subscribed to `channel`, before which the prefix is put.
    ///
    /// # Errors
    /// [`Away`]; whether anybody heard it is never known.
    pub async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), Away> {
        let mut cmd = redis::cmd("PUBLISH");
        cmd.arg(format!("{}{channel}", self.0.prefix)).arg(message);
        self.call::<i64>("publish", self.0.timeout, cmd, || None).await.map(drop)
    }

    /// Listens to `channel`, before which the prefix is put, on a connection of its own until the subscription is
    /// dropped.
    #[must_use]
    pub fn subscribe(&self, channel: &str) -> Subscription {
        let channel = format!("{}{channel}", self.0.prefix);
        subscribe::start(&self.0.runtime, self.0.connector.clone(), channel)
    }

    /// Starts `work` on the runtime of the connections; for what has to be told to Redis when a guard is dropped.
    pub fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.runtime.spawn(work);
    }

    /// One call of at most `patience`; where Redis does not know the script, once more with what `otherwise` gives.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        operation: &'static str,
        patience: Duration,
        cmd: Cmd,
        otherwise: impl FnOnce() -> Option<Cmd>,
    ) -> Result<T, Away> {
        let started = self.0.clock.monotonic();
        if !self.0.breaker.admits(started) {
            return Err(Away::Resting);
        }
        let mut link = None;
        let answer = self.0.answer(&mut link, &cmd, otherwise);
        let answer = tokio::time::timeout(patience, answer).await.unwrap_or(Err(Away::Slow));
        let answer = answer.and_then(|v| T::from_redis_value(v).map_err(|e| Away::Failed(e.to_string())));
        self.0.judge(operation, started, answer.as_ref().err(), link);
        answer
    }
}

impl Inner {
    /// Notes in `used` which connection was asked.
    async fn answer(
        self: &Arc<Self>,
        used: &mut Option<u64>,
        cmd: &Cmd,
        otherwise: impl FnOnce() -> Option<Cmd>,
    ) -> Result<Value, Away> {
        let (mut link, number) = self.link().await?;
        *used = Some(number);
        let mut answer = link.ask(cmd).await;
        if answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
            && let Some(cmd) = otherwise()
        {
            answer = link.ask(&cmd).await;
        }
        answer.map_err(|e| Away::Failed(what(&e)))
    }

    /// The connection, made where there is none. Of many callers one makes it; it is made to the end even if that one
    /// stops waiting.
    async fn link(self: &Arc<Self>) -> Result<(Link, u64), Away> {
        let mut state = self.state.subscribe();
        let begin = self.state.send_if_modified(|state| match state {
            State::Apart(_) => {
                *state = State::Connecting;
                true
            }
            _ => false,
        });
        if begin {
            self.runtime.spawn(self.clone().connect());
        }
        let settled = state.wait_for(|s| !matches!(s, State::Connecting)).await;
        match settled.as_deref() {
            Ok(State::Ready(link, number)) => Ok((link.clone(), *number)),
            Ok(State::Apart(Some(why))) => Err(why.clone()),
            _ => Err(Away::Failed("there is no connection".into())),
        }
    }

    async fn connect(self: Arc<Self>) {
        let this = self.clone();
        // On a task of its own: if it panics, it has failed like any other.
        let made = tokio::spawn(async move { tokio::time::timeout(CONNECT, this.trusted()).await });
        let failed = |why: &str| State::Apart(Some(Away::Failed(why.to_owned())));
        self.state.send_replace(match made.await {
            Ok(Ok(Ok(link))) => State::Ready(link, self.made.fetch_add(1, Ordering::Relaxed)),
            Ok(Ok(Err(away))) => State::Apart(Some(away)),
            Ok(Err(_)) => failed("no connection could be made in time"),
            Err(_) => failed("connecting broke off"),
        });
    }

    /// A new connection, to servers that keep what they are given.
    async fn trusted(&self) -> Result<Link, Away> {
        let mut link = self.connector.connect().await.map_err(|e| Away::Failed(what(&e)))?;
        eviction::keeps(&mut link).await?;
        Ok(link)
    }

    /// Counts a call and decides whether its connection is used again. After an error it is not, unless it mends itself:
    /// where a replica or a broken connection answered, only a new one leads to the right server. One that is only slow
    /// is given up together with hope, when the breaker opens: a path that has died in silence never says so.
    fn judge(&self, operation: &'static str, started: Duration, error: Option<&Away>, used: Option<u64>) {
        let now = self.clock.monotonic();
        self.metrics.redis(operation, now.saturating_sub(started), error.is_none());
        let Some(error) = error else {
            if self.breaker.succeeded() {
                self.metrics.redis_breaker(false);
                tracing::info!("Redis answers again");
            }
            return;
        };
        if self.breaker.failed(now) {
            self.metrics.redis_breaker(true);
            tracing::warn!(error = %error, "Redis is away; limits are counted on this node, more strictly");
        }
        if let Some(used) = used
            && (self.breaker.is_open() || (*error != Away::Slow && !self.connector.mends_itself()))
        {
            self.state.send_if_modified(|state| match state {
                State::Ready(_, number) if *number == used => {
                    *state = State::Apart(None);
                    true
                }
                _ => false,
            });
        }
    }
}

/// What an error says. Redis repeats arguments in some texts; those of its own errors begin with a word, which is enough.
fn what(e: &RedisError) -> String {
    match (e.kind(), e.code()) {
        (ErrorKind::Server(_) | ErrorKind::Extension, Some(code)) => code.to_owned(),
        _ => e.to_string(),
    }
}
