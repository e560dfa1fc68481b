//! Headers that every answer of ours carries (C-08), and the line in the log for each that is a refusal.

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::WebState;
use super::error::Reason;
use super::extract::ClientInfo;

/// Nothing inline, nothing from elsewhere, no framing.
pub const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                       form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// One year; sub-domains are the operator's to decide.
const HSTS: &str = "max-age=31536000";

/// The outermost layer.
pub async fn layer(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let mut response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        asked.note(&response);
    }
    secure(response.headers_mut(), state.settings.public_url.starts_with("https://"));
    response
}

/// What the log says of a request. Not its path: mailed links carry their secret in it (INV-4).
struct Asked {
    client: Option<ClientInfo>,
    method: Method,
    route: Option<MatchedPath>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let of = request.extensions();
        Self { client: of.get().copied(), method: request.method().clone(), route: of.get().cloned() }
    }

    /// One line for each refusal (INV-7), in the words that the gateway has for its own.
    fn note(&self, response: &Response) {
        tracing::info!(
            request_id = self.client.map(|c| tracing::field::display(c.request_id)),
            reason = response.extensions().get::<Reason>().map_or("unnamed", |r| r.0),
            status = response.status().as_u16(),
            method = %self.method,
            path = self.route.as_ref().map(MatchedPath::as_str),
            client_ip = self.client.map(|c| tracing::field::display(c.ip)),
            "request refused"
        );
    }
}

/// Adds what is missing; what a handler set itself stays (cache life of keys and files, CSP of a sandbox).
pub fn secure(headers: &mut HeaderMap, https: bool) {
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(REFERRER_POLICY, "no-referrer");
    add(CONTENT_SECURITY_POLICY, CSP);
    add(X_FRAME_OPTIONS, "DENY");
    add(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    add(CACHE_CONTROL, "no-store");
    if https {
        add(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_08_every_header_is_there() {
        let mut h = HeaderMap::new();
        h.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        secure(&mut h, true);
        assert_eq!(h[CACHE_CONTROL], "public, max-age=300");
        assert_eq!(h[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(h[REFERRER_POLICY], "no-referrer");
        assert_eq!(h[X_FRAME_OPTIONS], "DENY");
        assert!(h[STRICT_TRANSPORT_SECURITY].to_str().unwrap().starts_with("max-age=31536000"));
    }

    #[test]
    fn c_03_nothing_inline_is_allowed() {
        assert!(CSP.starts_with("default-src 'none'"));
        assert!(!CSP.contains("unsafe") && !CSP.contains("http"));
    }

    #[test]
    fn hsts_is_for_https_only() {
        let mut h = HeaderMap::new();
        secure(&mut h, false);
        assert!(!h.contains_key(STRICT_TRANSPORT_SECURITY));
        assert_eq!(h[CACHE_CONTROL], "no-store");
    }
}
