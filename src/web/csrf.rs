//! Requests that another site makes a browser send (C-06, L-19). `SameSite=Lax` is the first line, this the second.

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::WebState;
use super::error::Problem;
use super::extract::ClientInfo;
use super::pages;
use crate::gate::CrossSite;

/// Refuses before any handler runs.
pub async fn layer(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let Some(info) = request.extensions().get::<ClientInfo>().copied() else {
        tracing::error!("a request arrived without ClientInfo");
        return pages::refusal(&state, request.headers(), Problem::internal());
    };
    let cookies = info.cookie_auth || state.cookies.carried(request.headers());
    if refused(request.method(), request.headers(), info.cross_site, cookies) {
        return pages::refusal(&state, request.headers(), Problem::cross_site());
    }
    next.run(request).await
}

/// Forms, plain text and empty bodies can be sent from elsewhere without asking us (they need no CORS pre-flight), so they
/// are held to this with and without cookies: the answer to a sign-out clears cookies that did not come along. A JSON
/// call without cookies proves itself by what it carries.
fn refused(method: &Method, headers: &HeaderMap, from: CrossSite, cookies: bool) -> bool {
    if method.is_safe() {
        return false;
    }
    match from {
        CrossSite::Same => false,
        CrossSite::Cross => cookies || !is_json(headers),
        CrossSite::Unknown => cookies,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_06_unsafe_requests_with_cookies_need_our_own_site() {
        let json: HeaderMap = headers("application/json");
        let plain = headers("text/plain");
        for h in [&json, &plain, &HeaderMap::new()] {
            assert!(refused(&Method::POST, h, CrossSite::Cross, true));
            assert!(refused(&Method::DELETE, h, CrossSite::Unknown, true));
            assert!(!refused(&Method::POST, h, CrossSite::Same, true));
            assert!(!refused(&Method::GET, h, CrossSite::Cross, true));
        }
    }

    #[test]
    fn l_19_forms_from_elsewhere_are_refused_even_without_cookies() {
        let form = headers("application/x-www-form-urlencoded");
        assert!(refused(&Method::POST, &form, CrossSite::Cross, false));
        assert!(refused(&Method::POST, &headers("text/plain"), CrossSite::Cross, false));
        assert!(refused(&Method::POST, &HeaderMap::new(), CrossSite::Cross, false), "an empty body");
        assert!(!refused(&Method::POST, &headers("application/json"), CrossSite::Cross, false));
        assert!(!refused(&Method::POST, &form, CrossSite::Unknown, false));
    }

    #[test]
    fn c_06_api_calls_without_cookies_are_free() {
        let json = headers("application/json");
        assert!(!refused(&Method::POST, &json, CrossSite::Cross, false));
        assert!(!refused(&Method::POST, &json, CrossSite::Unknown, false));
    }

    fn headers(content_type: &'static str) -> HeaderMap {
        let mut h = HeaderMap::new();
        h.insert(CONTENT_TYPE, content_type.parse().unwrap());
        h
    }
}
