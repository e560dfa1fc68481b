//! Runs an HTTP/2 connection: takes streams in, gives each a slot of its own and a task, and ends the connection when it
//! idles, floods us, or the gateway stops. What the library is told to bound stands in [`Http2::options`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use pingora::apps::HttpServerApp;
use pingora::prelude::timeout;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use pingora::protocols::{Digest, Stream};
use pingora::proxy::HttpProxy;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use super::connections::Seat;
use super::drain::LAST_CALL;
use super::exchange::{Exchanges, Place};
use super::filter::Front;
use super::frames::{BACK, Frames, Watched};
use super::settings::Limits;
use crate::gate::Refusal;
use crate::metrics::Metrics;
use crate::model::RequestId;

/// Streams of one connection at a time.
const STREAMS: u32 = 100;
/// Faults of single streams that one connection may make until it ends: ours are answered by RST_STREAM, and a client
/// that asks for them is told to calm down (MadeYouReset).
const FAULTS: usize = 256;
/// Malformed requests that one connection may send until it ends.
const MALFORMED_REQUESTS: usize = 32;
/// What is buffered for one stream that its client does not read.
const SEND_BUFFER: usize = 256 * 1024;
/// What each field counts besides its bytes (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;
/// How long the last words of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_secs(1);

/// Runs HTTP/2 connections.
pub(super) struct Http2 {
    pub(super) proxy: Arc<HttpProxy<Front>>,
    pub(super) exchanges: Arc<Exchanges>,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
}

/// Why a connection has to end that could go on.
enum Ended {
    /// Nothing was asked for a while.
    Idle,
    Fault(Fault),
}

/// A limit that a client has not kept: the reason, and the status of such a refusal.
pub(super) struct Fault(pub(super) &'static str, pub(super) u16);

const FLOOD: Ended = Ended::Fault(Fault("http2_flood", 429));
const MALFORMED: Ended = Ended::Fault(Fault("http2_malformed", 400));
const TOO_SLOW: Ended = Ended::Fault(Fault("head_too_slow", 408));

type Connection = h2::server::Connection<Stream, Bytes>;

impl Http2 {
    /// Serves until the client goes or there is a reason to end it; `tell` hears of one that is the client's fault.
    /// `many`: the connection carries the requests of many people, so that cancelled ones say nothing about the client.
    pub(super) async fn serve(
        &self,
        (stream, many): (Stream, bool),
        seat: &Arc<Seat>,
        stopping: &watch::Receiver<bool>,
        tell: impl FnOnce(Fault),
    ) {
        let digest = Arc::new(Digest {
            ssl_digest: stream.get_ssl_digest(),
            timing_digest: stream.get_timing_digest(),
            proxy_digest: stream.get_proxy_digest(),
            socket_digest: stream.get_socket_digest(),
        });
        let frames = Arc::new(Frames::of(many));
        let watched: Stream = Box::new(Watched::new(stream, frames.clone()));
        let opening = timeout(self.limits.head_timeout, handshake(watched, Some(self.options())));
        let Some(Ok(Ok(mut connection))) = seat.wait_for(Box::pin(opening)).await else { return };
        let talk =
            Talk { http2: self, frames, digest: digest.clone(), busy: Arc::new(Busy::new(seat.clone())) };
        let last_word = match talk.run(&mut connection, stopping.clone()).await {
            None => return,
            Some(Ended::Idle) => Reason::NO_ERROR,
            Some(Ended::Fault(fault)) => {
                tell(fault);
                Reason::ENHANCE_YOUR_CALM
            }
        };
        connection.abrupt_shutdown(last_word);
        let farewell = async {
            while let Ok(Some(_)) = HttpSession::from_h2_conn(&mut connection, digest.clone()).await {}
        };
        let _ = timeout(FAREWELL, farewell).await;
    }

    fn options(&self) -> H2Options {
        let list = self.limits.head_bytes + self.limits.headers * FIELD_OVERHEAD;
        let mut options = default_h2_options();
        options
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
            .max_local_error_reset_streams(Some(FAULTS))
            .max_send_buffer_size(SEND_BUFFER);
        options
    }
}

/// One connection.
struct Talk<'a> {
    http2: &'a Http2,
    frames: Arc<Frames>,
    digest: Arc<Digest>,
    busy: Arc<Busy>,
}

impl Talk<'_> {
    async fn run(&self, connection: &mut Connection, mut stopping: watch::Receiver<bool>) -> Option<Ended> {
        let limits = &self.http2.limits;
        let for_tasks = stopping.clone();
        let (mut leaving, mut malformed, mut block) = (false, 0, OpenBlock::default());
        let mut patience = limits.idle_timeout;
        let mut tick = tokio::time::interval(TICK.min(limits.head_timeout));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // As on HTTP/1, the first request has to come soon.
        let mut idle = Box::pin(self.busy.idle_for(limits.head_timeout));
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|begun| *begun), if !leaving => {
                    (leaving, patience) = (true, LAST_CALL.min(patience));
                    connection.graceful_shutdown();
                    idle = Box::pin(self.busy.idle_for(patience));
                }
                () = self.frames.stirred() => {
                    if self.frames.flooded() {
                        return Some(FLOOD);
                    }
                }
                _ = tick.tick(), if self.frames.restless() => {
                    self.frames.give_back(share(tick.period()));
                    if block.open_for(self.frames.open_block(), tick.period()) > limits.head_timeout {
                        return Some(TOO_SLOW);
                    }
                }
                taken = HttpSession::from_h2_conn(connection, self.digest.clone()) => match taken.ok()?? {
                    H2Accept::Session(session) => {
                        self.begin(session, &for_tasks);
                        idle = Box::pin(self.busy.idle_for(patience));
                    }
                    H2Accept::Rejected => {
                        malformed += 1;
                        if malformed >= MALFORMED_REQUESTS {
                            return Some(MALFORMED);
                        }
                    }
                },
                () = self.busy.seat.shown_out() => {
                    // Unless a request came at the same moment: then somebody else has to make room.
                    if self.busy.is_idle() {
                        return Some(Ended::Idle);
                    }
                }
                () = &mut idle => return Some(if self.frames.open_block().is_some() { TOO_SLOW } else { Ended::Idle }),
            }
        }
    }

    /// Serves a stream on a task of its own.
    fn begin(&self, session: HttpSession, stopping: &watch::Receiver<bool>) {
        let (proxy, stopping) = (self.http2.proxy.clone(), stopping.clone());
        let metrics = self.http2.metrics.clone();
        let (place, at_work) = (self.http2.exchanges.enter(), self.busy.begin());
        let patience = (!session.is_body_done()).then_some(self.http2.limits.body_timeout);
        tokio::spawn(async move {
            let _at_work = at_work;
            let exchange = place.run(proxy.process_new_http(ServerSession::new_http2(session), &stopping));
            match patience {
                None => drop(exchange.await),
                Some(patience) => tokio::select! {
                    _ = exchange => {}
                    id = stalled(&place, patience) => note(&metrics, id),
                },
            }
        });
    }
}

/// Ends when a request that is on its way to its upstream brought nothing of its body for so long. When the answer has
/// begun, it may be a conversation in which nobody has to say anything.
async fn stalled(place: &Place, patience: Duration) -> RequestId {
    let mut before = place.upload();
    loop {
        tokio::time::sleep(patience).await;
        let now = place.upload();
        if let Some(upload) = now.filter(|_| now == before && !place.has_begun()) {
            return upload.id();
        }
        before = now;
    }
}

/// HTTP/2 has no way to answer before the request has ended that every client understands: the stream is reset.
fn note(metrics: &Metrics, request_id: RequestId) {
    let (reason, status) = (Refusal::BodyTooSlow.reason(), Refusal::BodyTooSlow.status());
    metrics.refused(reason, None, status);
    tracing::info!(%request_id, reason, status, "request refused");
}

/// What comes back of the allowance in this time.
fn share(time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    (BACK.saturating_mul(millis) / 1000).max(1)
}

/// For how long the same block of fields has been open.
#[derive(Default)]
struct OpenBlock {
    number: Option<u64>,
    age: Duration,
}

impl OpenBlock {
    fn open_for(&mut self, number: Option<u64>, passed: Duration) -> Duration {
        let same = number.is_some() && number == self.number;
        self.age = if same { self.age + passed } else { Duration::ZERO };
        self.number = number;
        self.age
    }
}

/// How many streams of a connection are served.
struct Busy {
    streams: AtomicUsize,
    left: Notify,
    seat: Arc<Seat>,
}

impl Busy {
    fn new(seat: Arc<Seat>) -> Self {
        seat.rest();
        Self { streams: AtomicUsize::new(0), left: Notify::new(), seat }
    }

    fn begin(self: &Arc<Self>) -> AtWork {
        if self.streams.fetch_add(1, Ordering::SeqCst) == 0 {
            self.seat.take_up();
        }
        AtWork(self.clone())
    }

    fn is_idle(&self) -> bool {
        self.streams.load(Ordering::SeqCst) == 0
    }

    /// Ends when no stream is served and so much time has passed since the last.
    async fn idle_for(&self, time: Duration) {
        while self.streams.load(Ordering::SeqCst) != 0 {
            self.left.notified().await;
        }
        tokio::time::sleep(time).await;
    }
}

struct AtWork(Arc<Busy>);

impl Drop for AtWork {
    fn drop(&mut self) {
        if self.0.streams.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.seat.rest();
            if !self.0.is_idle() {
                // Another stream began in between.
                self.0.seat.take_up();
            }
            self.0.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_fields_ages_while_it_is_the_same() {
        let (mut block, tick) = (OpenBlock::default(), Duration::from_secs(1));
        assert_eq!(block.open_for(Some(1), tick), Duration::ZERO, "first seen");
        assert_eq!(block.open_for(Some(1), tick), tick);
        assert_eq!(block.open_for(Some(3), tick), Duration::ZERO, "another one");
        assert_eq!(block.open_for(None, tick), Duration::ZERO);
        assert_eq!(block.open_for(None, tick), Duration::ZERO, "none");
    }
}
