//! Owns each downstream connection. Reads every HTTP/1.x head itself, under one deadline and one size limit, lets
//! [`strict`](super::strict) look at the raw bytes, and only then hands connection and bytes to Pingora.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use memchr::memmem;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream, ServerApp};
use pingora::prelude::timeout;
use pingora::protocols::http::ServerSession;
use pingora::protocols::{ALPN, Stream};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::chunks::Chunks;
use super::connections::{Connections, Place, peer};
use super::ctx::RequestIds;
use super::drain::{Drain, last_call};
use super::exchange::Exchanges;
use super::filter::Front;
use super::http2::{Fault, Http2};
use super::note::Quiet;
use super::proxy_protocol;
use super::respond;
use super::settings::Limits;
use super::strict;
use super::tls::Tls;
use super::watched::{bare, watched};
use crate::gate::{HeadRefusal, Refusal};
use crate::metrics::Metrics;
use crate::model::ClientIp;

const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What one read asks for; a usual head fits in.
const READ_BYTES: usize = 4096;
/// How much of what a refused client still sends is thrown away, so that it gets to read the answer.
const LINGER_BYTES: usize = 256 * 1024;
/// In pieces of this size: a flood of heads that are far too large should cost few reads.
const LINGER_PIECE: usize = 16 * 1024;
const LINGER_TIME: Duration = Duration::from_millis(500);

/// The connection guard around the proxy.
pub struct Guard {
    proxy: Arc<HttpProxy<Front>>,
    http2: Http2,
    exchanges: Arc<Exchanges>,
    limits: Limits,
    h2c: bool,
    tls: Option<Arc<Tls>>,
    /// Whether people come by https.
    https: bool,
    drain: Arc<Drain>,
    metrics: Arc<Metrics>,
    ids: RequestIds,
    /// Whether connections begin with a header of the PROXY protocol.
    proxy_protocol: bool,
    connections: Arc<Connections>,
    quiet: Arc<Quiet>,
}

enum Head {
    /// Complete and well-formed; what follows it may already be in the buffer. With a chunked body, how far that was
    /// read.
    Http1(BytesMut, Option<Chunks>),
    /// The client speaks HTTP/2 from the start.
    Http2(BytesMut),
    Refused(HeadRefusal),
    /// Closed, or silent for so long that nobody waits for an answer.
    Gone,
}

impl Guard {
    /// A guard in front of `front`. With `h2c`, clients may speak HTTP/2 without TLS by prior knowledge
    /// (RFC 9113 section 3.3). `room`: so many connections at most, whatever the limits say.
    #[must_use]
    pub fn new(conf: &Arc<ServerConf>, front: Front, h2c: bool, room: usize) -> Self {
        let (parts, quiet) = (front.parts(), front.quiet().clone());
        let tls = parts.tls.clone();
        let (limits, drain, metrics) = (parts.limits, parts.drain.clone(), parts.metrics.clone());
        let ids = RequestIds::new(&*parts.entropy);
        let around = (parts.clock.clone(), metrics.clone());
        let connections = Arc::new(Connections::new(&limits, room, parts.trusted_proxies.clone(), around));
        let https = parts.gate.snapshot().settings().secure_cookies();
        let exchanges = parts.exchanges.clone();
        let proxy_protocol = parts.proxy_protocol;
        let proxy = Arc::new(http_proxy(conf, front));
        let http2 =
            Http2 { proxy: proxy.clone(), exchanges: exchanges.clone(), limits, metrics: metrics.clone() };
        Self {
            proxy,
            http2,
            exchanges,
            limits,
            h2c,
            tls,
            https,
            drain,
            metrics,
            ids,
            proxy_protocol,
            connections,
            quiet,
        }
    }

    /// The connection with its client at the other end, where a load balancer has to say who that is. Before anything
    /// is counted or answered; load balancers are trusted with as many connections as they like.
    async fn introduced(&self, stream: Stream) -> Option<Stream> {
        if !self.proxy_protocol {
            return Some(stream);
        }
        let client_ip = peer(&stream);
        match proxy_protocol::accept(stream, self.connections.trusted(), self.limits.head_timeout).await {
            Ok(stream) => stream,
            Err(fault) => {
                self.turn_away(client_ip, fault.reason(), fault.status());
                None
            }
        }
    }

    /// The first head: one deadline for it, from connecting on.
    async fn first_head(&self, stream: &mut Stream, stopping: &mut watch::Receiver<bool>) -> Head {
        let mut buf = BytesMut::with_capacity(READ_BYTES);
        let deadline = tokio::time::sleep(self.limits.head_timeout);
        tokio::pin!(deadline);
        let first = tokio::select! {
            biased;
            read = stream.read_buf(&mut buf) => read,
            () = &mut deadline => return Head::Gone,
            () = last_call(stopping) => return Head::Gone,
        };
        if !first.is_ok_and(|n| n > 0) {
            return Head::Gone;
        }
        if let Some(head) = self.judge(stream, &mut buf, 0) {
            return head;
        }
        tokio::select! {
            biased;
            head = self.read_on(stream, &mut buf) => head,
            () = &mut deadline => Head::Refused(HeadRefusal::TooSlow),
        }
    }

    /// The head of a further request: the connection may idle before it.
    async fn next_head(&self, stream: &mut Stream, stopping: &mut watch::Receiver<bool>) -> Head {
        let mut buf = BytesMut::with_capacity(READ_BYTES);
        let first = tokio::select! {
            biased;
            read = timeout(self.limits.idle_timeout, stream.read_buf(&mut buf)) => read,
            () = last_call(stopping) => return Head::Gone,
        };
        match first {
            Ok(Ok(n)) if n > 0 => {}
            _ => return Head::Gone,
        }
        match self.look(buf.as_ref(), 0) {
            Some(Ok(chunks)) => Head::Http1(buf, chunks),
            Some(Err(refusal)) => Head::Refused(refusal),
            None => self.complete(stream, &mut buf).await,
        }
    }

    /// Reads until the head is complete, within the head deadline.
    async fn complete(&self, stream: &mut Stream, buf: &mut BytesMut) -> Head {
        let head = timeout(self.limits.head_timeout, self.read_on(stream, buf)).await;
        head.unwrap_or(Head::Refused(HeadRefusal::TooSlow))
    }

    async fn read_on(&self, stream: &mut Stream, buf: &mut BytesMut) -> Head {
        loop {
            let seen = buf.len();
            match stream.read_buf(buf).await {
                Ok(n) if n > 0 => {}
                _ => return Head::Gone,
            }
            if let Some(head) = self.judge(stream, buf, seen) {
                return head;
            }
        }
    }

    /// What has come so far; `None`: more bytes are needed. `seen` bytes were looked at before.
    fn judge(&self, stream: &Stream, buf: &mut BytesMut, seen: usize) -> Option<Head> {
        let may_be_http2 = self.h2c && stream.selected_alpn_proto().is_none();
        if may_be_http2 && H2_PREFACE.starts_with(&buf[..buf.len().min(H2_PREFACE.len())]) {
            return (buf.len() >= H2_PREFACE.len()).then(|| Head::Http2(std::mem::take(buf)));
        }
        match self.look(buf, seen)? {
            Ok(chunks) => Some(Head::Http1(std::mem::take(buf), chunks)),
            Err(refusal) => Some(Head::Refused(refusal)),
        }
    }

    /// `None`: more bytes are needed. `seen` bytes were looked at before.
    fn look(&self, buf: &[u8], seen: usize) -> Option<Result<Option<Chunks>, HeadRefusal>> {
        let from = seen.saturating_sub(3);
        if let Some(at) = memmem::find(&buf[from..], b"\r\n\r\n") {
            let end = from + at + 4;
            if end > self.limits.head_bytes {
                return Some(Err(HeadRefusal::TooLarge));
            }
            return Some(self.check(&buf[..end], &buf[end..]));
        }
        if buf.len() > self.limits.head_bytes {
            return Some(Err(HeadRefusal::TooLarge));
        }
        // A bare LF would never complete the head: say so now instead of waiting.
        let bare = (seen..buf.len()).any(|i| buf[i] == b'\n' && (i == 0 || buf[i - 1] != b'\r'));
        bare.then_some(Err(HeadRefusal::Malformed("bare_line_feed")))
    }

    /// The head, and as much of a chunked body as came with it: what is refused here has reached no upstream.
    fn check(&self, head: &[u8], body: &[u8]) -> Result<Option<Chunks>, HeadRefusal> {
        if !strict::check(head, &self.limits)? {
            return Ok(None);
        }
        let mut chunks = Chunks::new(self.limits.head_bytes);
        chunks.read(body).map_err(|_| HeadRefusal::Malformed("body_malformed"))?;
        Ok(Some(chunks))
    }

    /// What an idle connection does not need stands in boxes of its own: there may be very many of them.
    async fn serve(&self, mut stream: Stream, here: &Place, shutdown: &ShutdownWatch) -> Option<()> {
        let mut stopping = self.drain.watch();
        if stream.selected_alpn_proto() == Some(ALPN::H2) {
            return Box::pin(self.serve_http2(stream, here, &stopping)).await;
        }
        let mut head = {
            let first = pin!(self.first_head(&mut stream, &mut stopping));
            here.seat().wait_for(first).await?
        };
        let mut settings: Option<HttpPersistentSettings> = None;
        let place = self.exchanges.enter();
        loop {
            let (buf, chunks) = match head {
                Head::Http1(buf, chunks) => (buf, chunks),
                Head::Http2(buf) => {
                    return Box::pin(self.serve_http2(rewound(stream, &buf)?, here, &stopping)).await;
                }
                Head::Refused(refusal) => return Box::pin(self.refuse(stream, refusal)).await,
                Head::Gone => return None,
            };
            let mut session = ServerSession::new_http1(watched(stream, chunks));
            match settings.take() {
                Some(kept) => kept.apply_to_session(&mut session),
                None => session.set_keepalive(Some(self.limits.idle_timeout.as_secs())),
            }
            session.set_pipelined_prefix(buf);
            let reused: ReusedHttpStream =
                place.run(self.proxy.process_new_http(session, shutdown)).await??;
            let reused = reused.consume();
            (stream, settings) = (bare(reused.0)?, reused.1);
            head = {
                let next = pin!(self.next_head(&mut stream, &mut stopping));
                here.seat().wait_for(next).await?
            };
        }
    }

    async fn serve_http2(&self, stream: Stream, here: &Place, stopping: &ShutdownWatch) -> Option<()> {
        let client_ip = peer(&stream).map(tracing::field::display);
        let tell = |Fault(reason, status)| {
            self.metrics.refused(reason, None, status);
            if !self.quiet.may_say(reason) {
                return;
            }
            tracing::info!(request_id = %self.ids.next(), reason, status, client_ip, "connection refused");
        };
        let many = self.connections.brings_many(&stream);
        self.http2.serve((stream, many), here.seat(), stopping, tell).await;
        None
    }

    /// This connection does not get in.
    fn turn_away(&self, client: Option<ClientIp>, reason: &'static str, status: u16) {
        self.metrics.refused(reason, None, status);
        if self.quiet.may_say(reason) {
            let client_ip = client.map(tracing::field::display);
            tracing::info!(request_id = %self.ids.next(), reason, client_ip, "connection refused");
        }
    }

    async fn refuse(&self, mut stream: Stream, refusal: HeadRefusal) -> Option<()> {
        let refusal = Refusal::Head(refusal);
        self.metrics.refused(refusal.reason(), None, refusal.status());
        let id = self.ids.next();
        let client_ip = peer(&stream).map(tracing::field::display);
        let (reason, status) = (refusal.reason(), refusal.status());
        if self.quiet.may_say(reason) {
            tracing::info!(request_id = %id, reason, status, client_ip, "request refused");
        }
        // Nothing said without TLS may promise anything about TLS (RFC 6797 section 7.2).
        let https = self.https && (self.tls.is_none() || stream.get_ssl_digest().is_some());
        let answer = respond::raw(refusal, id, https);
        stream.write_all(&answer).await.ok()?;
        stream.flush().await.ok()?;
        let _ = timeout(LINGER_TIME, linger(&mut stream)).await;
        None
    }
}

/// The stream as it was before `read` was read from it; without TLS only.
fn rewound(stream: Stream, read: &[u8]) -> Option<Stream> {
    let mut plain = stream.into_any().downcast::<pingora::protocols::l4::stream::Stream>().ok()?;
    plain.rewind(read);
    Some(plain)
}

/// Reads what is still under way: closing on unread bytes would reset the connection, and the answer with it.
async fn linger(stream: &mut Stream) {
    let _ = AsyncWriteExt::shutdown(stream).await;
    let mut sink = BytesMut::with_capacity(LINGER_PIECE);
    let mut total = 0;
    while total < LINGER_BYTES {
        sink.clear();
        match stream.read_buf(&mut sink).await {
            Ok(n) if n > 0 => total += n,
            _ => return,
        }
    }
}

#[async_trait]
impl ServerApp for Guard {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let stream = self.introduced(stream).await?;
        let place = match self.connections.enter(&stream) {
            Ok(place) => place,
            Err(full) => {
                self.turn_away(peer(&stream), full.reason(), 503);
                return None;
            }
        };
        let stream = match self.tls.as_ref().filter(|tls| tls.is_for(&stream)) {
            Some(tls) => {
                let handshake = Box::pin(tls.accept(stream, self.limits.head_timeout));
                place.seat().wait_for(handshake).await??
            }
            None => stream,
        };
        self.serve(stream, &place, shutdown).await;
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
