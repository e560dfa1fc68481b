//! What is kept out, and what browsers are told to keep out.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::failure::Failure;

/// Middleware: changes are made from the app's own pages or by API clients, not from other sites' pages.
pub async fn same_site(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !request.method().is_safe() && !matches!(site, None | Some(b"same-origin" | b"none")) {
        return Failure::Forbidden("The request came from another site.").into_response();
    }
    next.run(request).await
}

const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    // What is shown depends on who asks.
    (header::CACHE_CONTROL, "private, no-cache"),
];

/// Middleware: the headers every answer has, unless a handler said otherwise.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
