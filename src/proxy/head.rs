//! What the gate gets to see of a Pingora request, and who the client really is.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::strict::is_length;
use crate::gate::form::is_authority;
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

/// The client's address: the peer's, or, when the peer is a trusted proxy, the right-most address in
/// `X-Forwarded-For` that is not one.
pub(super) fn client_ip(session: &Session, trusted: &[IpNet]) -> ClientIp {
    let peer = peer(session);
    if !is_trusted(peer, trusted) {
        return peer;
    }
    forwarded_for(&session.req_header().headers, trusted).unwrap_or(peer)
}

/// Who is at the other end of the connection.
pub(super) fn peer(session: &Session) -> ClientIp {
    let peer = session.client_addr().and_then(|a| a.as_inet()).map(|a| ClientIp::new(a.ip()));
    peer.unwrap_or(ClientIp::UNKNOWN)
}

/// Whether nobody on the way could read the request: it came by TLS, or from a proxy of ours that took care of that and
/// does not say otherwise.
pub(super) fn is_private(session: &Session, trusted: &[IpNet]) -> bool {
    let encrypted = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let said = || session.req_header().headers.get("x-forwarded-proto").map(HeaderValue::as_bytes);
    encrypted || is_trusted(peer(session), trusted) && said() != Some(b"http")
}

/// Whether `ip` may speak for others.
pub(super) fn is_trusted(ip: ClientIp, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip.addr()))
}

/// The right-most hop that is not trusted. A hop that cannot be read ends the search as an address that is on no list:
/// falling back to the proxy's own would let its client pass for it.
fn forwarded_for(headers: &HeaderMap, trusted: &[IpNet]) -> Option<ClientIp> {
    let fields: Vec<&[u8]> = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
    let mut last = None;
    for hop in fields.iter().rev().flat_map(|field| field.rsplit(|b| *b == b',')) {
        let ip = read_hop(hop).unwrap_or(ClientIp::UNKNOWN);
        last = Some(ip);
        if ip == ClientIp::UNKNOWN || !is_trusted(ip, trusted) {
            break;
        }
    }
    last
}

/// `203.0.113.9`, `203.0.113.9:4711`, `2001:db8::9`, `[2001:db8::9]:4711`.
fn read_hop(hop: &[u8]) -> Option<ClientIp> {
    let text = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let ip = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|s| s.ip()));
    ip.ok().map(ClientIp::new)
}

/// The gate's view of a request.
///
/// # Errors
/// A [`Refusal`] for what the guard could not check on HTTP/2: the authority and the target's form.
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
    Ok(RequestHead {
        method: &req.method,
        path,
        query,
        host: host(req).ok_or(malformed("host_missing"))?,
        headers: &req.headers,
        client_ip,
        upgrade: is_websocket(req),
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
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    if !methods.contains(&req.method.as_str()) {
        return Err(Refusal::Head(HeadRefusal::MethodUnknown));
    }
    if !target.starts_with('/') {
        return malformed("not_origin_form");
    }
    // What the library takes for the same length twice is refused on HTTP/1 as well.
    let mut lengths = req.headers.get_all(http::header::CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    if lengths.next().is_some_and(|first| !is_length(first)) || lengths.next().is_some() {
        return malformed("content_length");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn client(fields: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for f in fields {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(f).unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        forwarded_for(&headers, &trusted).map(|ip| ip.to_string())
    }

    #[test]
    fn f_08_the_right_most_untrusted_hop_counts() {
        assert_eq!(client(&[]), None);
        assert_eq!(client(&[b"1.1.1.1, 203.0.113.9, 10.0.0.7"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(client(&[b"10.9.9.9", b"203.0.113.9"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(client(&[b"203.0.113.9:4711"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(client(&[b"[2001:db8::9]:4711"]).as_deref(), Some("2001:db8::9"));
        assert_eq!(client(&[b"::ffff:203.0.113.9"]).as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn f_05_an_unreadable_hop_never_passes_for_the_proxy() {
        for last in [&b"\xe9"[..], b"a", b"", b"127.1", b"0x7f.1", b"unknown"] {
            assert_eq!(client(&[b"10.0.0.8", last]).as_deref(), Some("0.0.0.0"), "{last:?}");
        }
        assert_eq!(client(&[b"\xe9, 203.0.113.9"]).as_deref(), Some("203.0.113.9"));
    }
}
