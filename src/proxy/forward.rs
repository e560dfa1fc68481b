//! A request on its way to an upstream and back: which server, whether it may be sent once more, and what its failures
//! are counted as. Sent once more is only what cannot have been carried out: a request that found no connection, and an
//! idempotent one whose connection broke before any answer.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::prelude::HttpPeer;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::ctx::Ctx;
use super::filter::FrontParts;
use super::head;
use super::respond::is_interim;
use super::upstream::Asking;
use crate::gate::{Refusal, UpstreamFailure};
use crate::metrics::Trouble;
use crate::model::ClientIp;

/// More interim answers (1xx) are a flood, not a protocol (S-28).
const MAX_INTERIM: u8 = 16;

/// The server for this request. Asked again, it is another one if there is another one.
pub(super) fn peer(parts: &FrontParts, session: &Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
    let permit = ctx.permit.as_ref().ok_or_else(|| Error::explain(ErrorType::InternalError, "no permit"))?;
    let asking = Asking {
        upgrade: head::is_websocket(session.req_header()).then_some(parts.limits.websocket_idle),
        client: ctx.client_ip.unwrap_or(ClientIp::UNKNOWN),
        now: ctx.now,
    };
    parts.upstreams.peer(permit, &asking, &mut ctx.onward).map_err(|failure| {
        ctx.refusal = Some(Refusal::Upstream(failure));
        let why = if failure == UpstreamFailure::Busy {
            "too many requests under way"
        } else {
            "no server is well"
        };
        Error::explain(ErrorType::ConnectError, why).into_up()
    })
}

/// The host the request is for, as a field: of an HTTP/2 request only the URI may know it, and that is about to change.
pub(super) fn host(parts: &mut Parts) -> Option<HeaderValue> {
    if let Some(host) = parts.headers.get(HOST) {
        return Some(host.clone());
    }
    let host = HeaderValue::try_from(parts.uri.authority()?.as_str()).ok()?;
    parts.headers.insert(HOST, host.clone());
    Some(host)
}

/// A body on HTTP/2 may end with a frame of nothing. Written in chunks it would be a last chunk, and Pingora writes another
/// one behind it, which the upstream would take for the beginning of the next request on that connection.
pub(super) fn drop_empty_end(body: &mut Option<Bytes>, end: bool) {
    if end && body.as_ref().is_some_and(Bytes::is_empty) {
        *body = None;
    }
}

/// No connection: nothing of the request has been sent, whatever its method.
pub(super) fn not_connected(ctx: &mut Ctx, e: &mut Error) {
    let again = ctx.onward.leave_out(ctx.now);
    e.set_retry(again);
    ctx.onward.count(trouble(e), again);
}

/// The connection broke off, or what came over it is no answer. `reused`: it had carried requests before.
pub(super) fn broken_off(session: &Session, e: &mut Error, ctx: &mut Ctx, reused: bool) {
    if *e.esource() != ErrorSource::Upstream {
        e.set_retry(false);
        return;
    }
    let what = trouble(e);
    let harmless = session.req_header().method.is_idempotent()
        && !session.as_ref().retry_buffer_truncated()
        && !ctx.onward.answered;
    if !harmless {
        e.set_retry(false);
    } else if what == Trouble::Reset && ctx.onward.has_another() {
        e.set_retry(true);
    } else {
        // The server had closed the idle connection while the request was on its way.
        e.retry.decide_reuse(reused);
    }
    let again = e.retry() && ctx.onward.first_try();
    e.set_retry(again);
    ctx.onward.count(what, again);
}

/// A head came from the upstream. Pingora has refused lengths that differ; the same one twice is no clean answer either.
pub(super) fn answered(session: &Session, response: &ResponseHeader, ctx: &mut Ctx) -> Result<()> {
    ctx.onward.answered = true;
    if response.status == StatusCode::SWITCHING_PROTOCOLS && !head::is_websocket(session.req_header()) {
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, "an upgrade nobody asked for").into_up());
    }
    let mut lengths = response.headers.get_all(CONTENT_LENGTH).iter();
    let listed = lengths.next().is_some_and(|l| l.as_bytes().contains(&b','));
    if listed || lengths.next().is_some() {
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, "more than one length").into_up());
    }
    if is_interim(response.status) {
        ctx.onward.interim += 1;
        if ctx.onward.interim > MAX_INTERIM {
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, "a flood of interim answers").into_up());
        }
    }
    Ok(())
}

fn trouble(e: &Error) -> Trouble {
    use ErrorType as E;
    match e.etype() {
        E::ConnectTimedout | E::TLSHandshakeTimedout | E::ReadTimedout | E::WriteTimedout => Trouble::Timeout,
        E::TLSHandshakeFailure | E::InvalidCert | E::HandshakeError => Trouble::Tls,
        E::ConnectRefused | E::ConnectNoRoute | E::ConnectError | E::SocketError | E::BindError => {
            Trouble::Connect
        }
        E::ConnectionClosed | E::ReadError | E::WriteError | E::H2Error => Trouble::Reset,
        _ => Trouble::Answer,
    }
}
