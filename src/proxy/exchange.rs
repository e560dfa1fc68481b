//! Which answers are under way, and what let each of them through: so that they can be cut off when that ends.
//!
//! Each HTTP/1 connection and each HTTP/2 stream has one [`Slot`]. It is empty until an upstream's answer begins, and
//! empty again when the exchange is over; so our own endpoints and requests that still wait for their answer are never
//! cut. [`sweep`](super::sweep) decides what is; here is how it is kept and how it ends.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use pingora::http::RequestHeader;

use super::ctx::Ctx;
use super::head::is_websocket;
use super::sweep::{News, SoFar};
use crate::gate::{RequestHead, Verified};
use crate::metrics::Metrics;
use crate::model::{ClientIp, RequestId, Timestamp};

/// In so many parts the slots are kept, so that connections rarely wait for each other.
const SHARDS: usize = 32;

tokio::task_local! {
    /// The slot of the exchange that runs on this task.
    static HERE: Arc<Slot>;
}

/// All exchanges of one gateway.
pub struct Exchanges {
    shards: [Mutex<HashMap<u64, Arc<Slot>, ahash::RandomState>>; SHARDS],
    next: AtomicU64,
    pub(super) news: News,
    metrics: Arc<Metrics>,
}

/// What is known of the exchange on one connection or stream.
#[derive(Default)]
pub(super) struct Slot {
    /// Whether there is something to look at; only the exchange itself changes and reads it.
    filled: AtomicBool,
    state: Mutex<State>,
    upload: Mutex<Option<Upload>>,
}

/// A request body on its way to an upstream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Upload {
    id: RequestId,
    /// How many pieces of it came.
    pieces: u64,
}

#[derive(Default)]
struct State {
    /// How many exchanges ended here; a cut that was meant for an earlier one comes too late.
    turn: u64,
    answer: Option<Answer>,
    /// Found to be over; it will be cut when its time of grace has passed.
    doomed: bool,
    cut: bool,
    waker: Option<Waker>,
}

/// An answer under way: who asked for what. Enough to ask the gate again.
pub(super) struct Answer {
    pub(super) id: RequestId,
    pub(super) caller: Option<Arc<Verified>>,
    pub(super) client_ip: ClientIp,
    asked: Timestamp,
    /// What had happened before the gate was asked.
    pub(super) news: SoFar,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    websocket: bool,
}

impl Answer {
    pub(super) fn of(request: &RequestHeader, ctx: &Ctx) -> Self {
        Self {
            id: ctx.id,
            caller: ctx.permit.as_ref().and_then(|p| p.caller().cloned()),
            client_ip: ctx.client_ip.unwrap_or(ClientIp::UNKNOWN),
            asked: ctx.now,
            news: ctx.news,
            method: request.method.clone(),
            uri: request.uri.clone(),
            host: request.headers.get(header::HOST).cloned(),
            websocket: is_websocket(request),
        }
    }

    /// When the request came.
    pub(super) fn asked(&self) -> Timestamp {
        self.asked
    }

    /// The path, as it came.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The request as the gate sees it, with `fields` in place of its own.
    pub(super) fn head<'a>(&'a self, fields: &'a HeaderMap) -> RequestHead<'a> {
        let named = self.host.as_ref().and_then(|h| h.to_str().ok()).unwrap_or_default();
        RequestHead {
            method: &self.method,
            path: self.uri.path(),
            query: self.uri.query(),
            host: self.uri.authority().map_or(named, http::uri::Authority::as_str),
            headers: fields,
            client_ip: self.client_ip,
            upgrade: self.websocket,
        }
    }
}

/// One exchange of one slot that is to be cut.
pub(super) struct Doomed {
    pub(super) slot: Arc<Slot>,
    turn: u64,
}

impl Exchanges {
    /// None yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(0),
            news: News::default(),
            metrics,
        }
    }

    /// A slot for a connection or stream that begins now.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let (number, slot) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::new(Slot::default()));
        locked(self.shard(number)).insert(number, slot.clone());
        Place { exchanges: self.clone(), slot, number }
    }

    /// The upstream's answer to the exchange on this task has begun. What has ended since the gate was asked about it
    /// would be found by nobody else.
    pub(super) fn begun(&self, answer: Answer) {
        let news = answer.news;
        let first = HERE.try_with(|slot| slot.fill(answer));
        if first == Ok(true) {
            self.metrics.stream_opened();
        }
        self.news.catch_up(news);
    }

    fn shard(&self, number: u64) -> &Mutex<HashMap<u64, Arc<Slot>, ahash::RandomState>> {
        &self.shards[usize::try_from(number % SHARDS as u64).unwrap_or(0)]
    }

    /// The exchanges whose answer is under way and `over`, each only once.
    pub(super) fn doom(&self, over: impl Fn(&Answer) -> bool) -> Vec<Doomed> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let slots: Vec<Arc<Slot>> = locked(shard).values().cloned().collect();
            found.extend(slots.into_iter().filter_map(|slot| {
                let turn = slot.doom(&over)?;
                Some(Doomed { slot, turn })
            }));
        }
        found
    }

    /// How many connections and streams there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|s| locked(s).len()).sum()
    }
}

/// The body of the request `id`, which the exchange on this task forwards, is under way.
pub(super) fn upload_begins(id: RequestId) {
    let _ = HERE.try_with(|slot| *locked(&slot.upload) = Some(Upload { id, pieces: 0 }));
}

/// A piece of that body came, perhaps the last.
pub(super) fn uploaded(last: bool) {
    let _ = HERE.try_with(|slot| {
        let mut upload = locked(&slot.upload);
        *upload = upload.filter(|_| !last).map(|u| Upload { pieces: u.pieces + 1, ..u });
    });
}

impl Slot {
    /// Whether no answer had begun before.
    fn fill(&self, answer: Answer) -> bool {
        self.filled.store(true, Ordering::Relaxed);
        self.state().answer.replace(answer).is_none()
    }

    /// The number of the exchange, if it is over and was not known to be.
    fn doom(&self, over: impl Fn(&Answer) -> bool) -> Option<u64> {
        let mut state = self.state();
        if state.doomed || !state.answer.as_ref().is_some_and(over) {
            return None;
        }
        state.doomed = true;
        Some(state.turn)
    }

    fn poll_cut(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.filled.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let mut state = self.state();
        if state.cut {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Empty for the next exchange; whether an answer had begun.
    fn clear(&self) -> bool {
        if !self.filled.swap(false, Ordering::Relaxed) {
            return false;
        }
        let mut state = self.state();
        *state = State { turn: state.turn + 1, ..State::default() };
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Upload {
    /// The request.
    pub(super) fn id(&self) -> RequestId {
        self.id
    }
}

impl Doomed {
    /// Ends the exchange if it still runs; `tell` hears about it then.
    pub(super) fn cut(&self, tell: impl FnOnce(&Answer)) {
        let mut state = self.slot.state();
        if state.turn != self.turn || state.cut {
            return;
        }
        state.cut = true;
        if let Some(answer) = &state.answer {
            tell(answer);
        }
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }
}

/// The slot of one connection or stream; it is given back when this is dropped.
pub(super) struct Place {
    exchanges: Arc<Exchanges>,
    slot: Arc<Slot>,
    number: u64,
}

impl Place {
    /// Runs one exchange to its end; `None` when it was cut. What it holds is dropped by then: connections to both sides.
    pub(super) async fn run<T>(&self, exchange: impl Future<Output = T>) -> Option<T> {
        let _over = Over(self);
        let mut exchange = pin!(HERE.scope(self.slot.clone(), exchange));
        poll_fn(|cx| match exchange.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.slot.poll_cut(cx).map(|()| None),
        })
        .await
    }

    /// The request body that is on its way to an upstream, if there is one.
    pub(super) fn upload(&self) -> Option<Upload> {
        *locked(&self.slot.upload)
    }

    /// Whether the upstream's answer has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.slot.filled.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(self.exchanges.shard(self.number)).remove(&self.number);
    }
}

/// Clears the slot when an exchange has ended in whatever way.
struct Over<'a>(&'a Place);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if self.0.slot.clear() {
            self.0.exchanges.metrics.stream_closed();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
