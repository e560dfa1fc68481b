//! What the gate gets to see of a Pingora request.

use http::HeaderValue;
use pingora::http::RequestHeader;

use super::handshake;
use super::strict::{MAX_NAME, is_length};
use crate::gate::form::{check_method, check_target, is_authority};
use crate::gate::{HeadRefusal, Refusal, RequestHead};
use crate::model::{ClientIp, RequestId};

/// Where a request comes from; what our own endpoints and the refresh are told.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client's address.
    pub ip: ClientIp,
    /// What it calls itself.
    pub user_agent: String,
    /// The request.
    pub request_id: RequestId,
}

/// The gate's view of a request.
///
/// # Errors
/// A [`Refusal`] for what the guard could not check on HTTP/2: the authority and the target's form; and for half a
/// handshake of a WebSocket.
pub(super) fn request_head(req: &RequestHeader, client_ip: ClientIp) -> Result<RequestHead<'_>, Refusal> {
    let malformed = |id| Refusal::Head(HeadRefusal::Malformed(id));
    let target = std::str::from_utf8(req.raw_path()).map_err(|_| malformed("unescaped_character"))?;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if req.version == http::Version::HTTP_2 {
        check_http2(req, target)?;
    }
    let upgrade = is_websocket(req);
    if upgrade {
        handshake::check(&req.headers).map_err(Refusal::Head)?;
    }
    Ok(RequestHead {
        method: &req.method,
        path,
        query,
        host: host(req).ok_or(malformed("host_missing"))?,
        headers: &req.headers,
        client_ip,
        upgrade,
    })
}

/// Whether the client asks for a WebSocket (RFC 6455 section 4.1), the one upgrade that is passed on.
pub(super) fn is_websocket(req: &RequestHeader) -> bool {
    let upgrade = req.headers.get(http::header::UPGRADE);
    req.version == http::Version::HTTP_11
        && req.method == http::Method::GET
        && upgrade.is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn host(req: &RequestHeader) -> Option<&str> {
    if let Some(authority) = req.uri.authority() {
        return Some(authority.as_str());
    }
    req.headers.get(http::header::HOST).and_then(|h| h.to_str().ok())
}

/// HTTP/2 has no raw head to look at; the same rules on its parsed form (H-10, H-11, P-16).
fn check_http2(req: &RequestHeader, target: &str) -> Result<(), Refusal> {
    let malformed = |id| Err(Refusal::Head(HeadRefusal::Malformed(id)));
    check_method(req.method.as_str().as_bytes()).map_err(Refusal::Head)?;
    check_target(target.as_bytes()).map_err(Refusal::Head)?;
    // What the library takes for the same length twice is refused on HTTP/1 as well.
    let mut lengths = req.headers.get_all(http::header::CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    if lengths.next().is_some_and(|first| !is_length(first)) || lengths.next().is_some() {
        return malformed("content_length");
    }
    if req.headers.keys().any(|name| name.as_str().len() > MAX_NAME) {
        return malformed("field_name");
    }
    let mut expected = req.headers.get_all(http::header::EXPECT).iter().map(HeaderValue::as_bytes);
    let other = expected.next().is_some_and(|first| !first.eq_ignore_ascii_case(b"100-continue"));
    if other || expected.next().is_some() {
        return Err(Refusal::Head(HeadRefusal::Expectation));
    }
    if req.headers.values().any(is_padded) {
        return malformed("field_value");
    }
    let mut hosts = req.headers.get_all(http::header::HOST).iter();
    let (field, second) = (hosts.next(), hosts.next());
    let authority = req.uri.authority().map(|a| a.as_str().as_bytes());
    let Some(host) = authority.or(field.map(HeaderValue::as_bytes)) else {
        return malformed("host_missing");
    };
    if second.is_some() || field.is_some_and(|f| !f.as_bytes().eq_ignore_ascii_case(host)) {
        return malformed("host_twice");
    }
    if is_authority(host) { Ok(()) } else { malformed("host_malformed") }
}

/// Space around a value belongs to it on HTTP/2, where it must not be (RFC 9113 section 8.2.1), and not on HTTP/1.
fn is_padded(value: &HeaderValue) -> bool {
    let ends = [value.as_bytes().first(), value.as_bytes().last()];
    ends.iter().any(|end| matches!(end, Some(b' ' | b'\t')))
}
