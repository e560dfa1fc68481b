//! What the gate gets to see of a request that some server has parsed, and how its target is changed.

use http::uri::{Authority, PathAndQuery};
use http::{Request, Uri, header};

use crate::gate::form::{check_method, check_target, is_authority};
use crate::gate::{HeadRefusal, Refusal, RequestHead};
use crate::model::ClientIp;

/// The gate's view of a request.
///
/// # Errors
/// [`Refusal::Head`] for what the gateway's connection guard would not let in either, as far as it can still be seen.
pub(super) fn head<B>(request: &Request<B>) -> Result<RequestHead<'_>, Refusal> {
    check_method(request.method().as_str().as_bytes()).map_err(Refusal::Head)?;
    let path = path(request);
    check_target(path.as_bytes()).map_err(Refusal::Head)?;
    let query = request.uri().query();
    if let Some(query) = query {
        // The form of a query is that of a path, once it begins like one.
        check_target(format!("/{query}").as_bytes()).map_err(Refusal::Head)?;
    }
    let upgrade = request.headers().get(header::UPGRADE);
    Ok(RequestHead {
        method: request.method(),
        path,
        query,
        host: only_host(request)?,
        headers: request.headers(),
        client_ip: client_ip(request),
        upgrade: upgrade.is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket")),
    })
}

/// One `Host`, or the authority of an HTTP/2 request; where there are both they agree.
fn only_host<B>(request: &Request<B>) -> Result<&str, Refusal> {
    let malformed = |id| Refusal::Head(HeadRefusal::Malformed(id));
    let mut all = request.headers().get_all(header::HOST).iter();
    let (field, second) = (all.next(), all.next());
    let authority = request.uri().authority().map(Authority::as_str);
    let differs = field.zip(authority).is_some_and(|(f, a)| !f.as_bytes().eq_ignore_ascii_case(a.as_bytes()));
    if second.is_some() || differs {
        return Err(malformed("host_twice"));
    }
    let host = match (authority, field) {
        (Some(authority), _) => authority,
        (None, Some(field)) => field.to_str().map_err(|_| malformed("host_malformed"))?,
        (None, None) => return Err(malformed("host_missing")),
    };
    if is_authority(host.as_bytes()) { Ok(host) } else { Err(malformed("host_malformed")) }
}

/// The path as it came over the wire. A nested axum router cuts its prefix off the URI and keeps the original beside it.
pub(super) fn path<B>(request: &Request<B>) -> &str {
    #[cfg(feature = "axum")]
    if let Some(original) = super::extract::original_path(request.extensions()) {
        return original;
    }
    request.uri().path()
}

/// What an outer layer says, or axum's `ConnectInfo`; else nobody's address, which lies in no network.
pub(super) fn client_ip<B>(request: &Request<B>) -> ClientIp {
    if let Some(ip) = request.extensions().get::<ClientIp>() {
        return *ip;
    }
    #[cfg(feature = "axum")]
    if let Some(peer) = super::extract::peer(request.extensions()) {
        return ClientIp::new(peer.ip());
    }
    ClientIp::UNKNOWN
}

/// Puts the canonical target in the place of what came. Below a nested router the URI holds the last part of the path
/// only; the canonical form has as many segments as what it was made of, so it is cut at the same one.
///
/// # Errors
/// [`Refusal::Internal`] when the parts do not make a URI, which canonical ones do.
pub(super) fn set_target<B>(request: &mut Request<B>, target: &PathAndQuery) -> Result<(), Refusal> {
    let nested = path(request).len() != request.uri().path().len();
    let target = if nested { below(request.uri().path(), target)? } else { target.clone() };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(target);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Refusal::Internal)?;
    Ok(())
}

fn below(inner: &str, target: &PathAndQuery) -> Result<PathAndQuery, Refusal> {
    let path = target.path();
    let slashes = inner.bytes().filter(|b| *b == b'/').count();
    let from = path.rmatch_indices('/').nth(slashes.saturating_sub(1)).map_or(0, |(at, _)| at);
    let path = if inner == "/" { inner } else { &path[from..] };
    let text = match target.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    text.parse().map_err(|_| Refusal::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_below_a_nested_router_is_cut_at_the_same_segment() {
        for (inner, target, wanted) in [
            ("/7", "/events/7", "/7"),
            ("/", "/events", "/"),
            ("/a/%7e", "/events/a/~?x=1", "/a/~?x=1"),
            ("/%61/", "/events/a/", "/a/"),
        ] {
            assert_eq!(below(inner, &target.parse().unwrap()).unwrap(), wanted, "{inner} of {target}");
        }
    }

    #[test]
    fn h_01_h_04_there_is_one_host() {
        let ask = |uri: &str, hosts: &[&str]| {
            let mut request = Request::get(uri);
            for host in hosts {
                request = request.header("host", *host);
            }
            head(&request.body(()).unwrap()).map(|h| h.host.to_owned()).map_err(Refusal::reason)
        };
        assert_eq!(ask("/x", &["a"]).as_deref(), Ok("a"));
        assert_eq!(ask("http://a/x", &["A"]).as_deref(), Ok("a"));
        assert_eq!(ask("/x", &[]), Err("host_missing"));
        assert_eq!(ask("/x", &["a", "a"]), Err("host_twice"));
        assert_eq!(ask("http://a/x", &["b"]), Err("host_twice"));
        assert_eq!(ask("/x", &["a/b"]), Err("host_malformed"));
    }
}
