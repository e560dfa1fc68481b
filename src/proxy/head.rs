//! What the gate gets to see of a Pingora request, and who the client really is.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::strict::is_authority;
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
/// `X-Forwarded-For` that is not one. A field that cannot be read counts as if it were missing.
pub(super) fn client_ip(session: &Session, trusted: &[IpNet]) -> ClientIp {
    let peer = session.client_addr().and_then(|a| a.as_inet()).map(|a| ClientIp::new(a.ip()));
    let peer = peer.unwrap_or(ClientIp::new(IpAddr::from([0, 0, 0, 0])));
    if !is_trusted(peer, trusted) {
        return peer;
    }
    forwarded_for(&session.req_header().headers, trusted).unwrap_or(peer)
}

/// Whether `ip` may speak for others.
pub(super) fn is_trusted(ip: ClientIp, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip.addr()))
}

fn forwarded_for(headers: &HeaderMap, trusted: &[IpNet]) -> Option<ClientIp> {
    let mut fields: Vec<&str> = Vec::new();
    for field in headers.get_all("x-forwarded-for") {
        fields.extend(field.to_str().ok()?.split(','));
    }
    let mut last = None;
    for hop in fields.iter().rev() {
        let ip = ClientIp::new(hop.trim().parse().ok()?);
        last = Some(ip);
        if !is_trusted(ip, trusted) {
            break;
        }
    }
    last
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
        upgrade: req.headers.contains_key(http::header::UPGRADE),
    })
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
    let mut hosts = req.headers.get_all(http::header::HOST).iter();
    let (field, second) = (hosts.next(), hosts.next());
    let authority = req.uri.authority().map(|a| a.as_str().as_bytes());
    let Some(host) = authority.or(field.map(http::HeaderValue::as_bytes)) else {
        return malformed("host_missing");
    };
    if second.is_some() || field.is_some_and(|f| !f.as_bytes().eq_ignore_ascii_case(host)) {
        return malformed("host_twice");
    }
    if is_authority(host) { Ok(()) } else { malformed("host_malformed") }
}
