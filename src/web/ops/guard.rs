//! Keeps web pages of elsewhere off the operators' listener (C-11): DNS rebinding by the Host check, cross-site
//! requests by `Sec-Fetch-Site` and `Origin`.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::AdminState;
use crate::web::headers::secure;

/// Every request passes here first.
pub async fn layer(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let mut response = match refused(&state, &request) {
        Some(reason) => {
            tracing::warn!(reason, "refused on the operators' listener");
            (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response()
        }
        None => next.run(request).await,
    };
    secure(response.headers_mut(), false);
    response
}

fn refused(state: &AdminState, request: &Request) -> Option<&'static str> {
    let host = host(request)?;
    if !known_host(host, state.listen, &state.hosts) {
        return Some("unknown_host");
    }
    (from_elsewhere(request.method(), request.headers(), host)).then_some("cross_site")
}

/// The Host header; HTTP/2 puts it into the target. An empty one is known to nobody; a request without any is not
/// a browser's.
fn host(request: &Request) -> Option<&str> {
    let authority = request.uri().authority().map(|a| a.as_str());
    authority.or_else(|| request.headers().get(HOST).map(|h| h.to_str().unwrap_or_default()))
}

/// Names that nobody else's DNS can point here. Where every address is listened on, any literal address is ours.
fn known_host(host: &str, listen: SocketAddr, extra: &[String]) -> bool {
    let name = without_port(host);
    let literal: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    match literal {
        Some(ip) => ip.is_loopback() || ip == listen.ip() || listen.ip().is_unspecified(),
        None => name.eq_ignore_ascii_case("localhost") || extra.iter().any(|e| e.eq_ignore_ascii_case(name)),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn from_elsewhere(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    if method.is_safe() {
        return false;
    }
    let site = headers.get("sec-fetch-site").map(|v| v.as_bytes());
    let origin = headers.get(ORIGIN).map(|v| v.to_str().unwrap_or_default());
    let other_site = site.is_some_and(|s| s != b"same-origin" && s != b"none");
    let other_origin = origin.is_some_and(|o| {
        o.split_once("://").is_none_or(|(_, authority)| !authority.eq_ignore_ascii_case(host))
    });
    other_site || other_origin
}
