//! What a refused request is answered: a problem document (RFC 9457) that names the reason, no more.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};

use crate::gate;

/// Why the layer did not let a request pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// Plain identity headers, but nothing signed that stands behind them.
    Unsigned,
    /// More than one assertion.
    SeveralAssertions,
    /// An assertion that does not hold; the reason id of the token part.
    Assertion(&'static str),
    /// A good assertion, made for another request.
    OtherRequest,
    /// The gateway's keys cannot be had, so nothing can be verified.
    NoKeys(Duration),
    /// The handler asks for a person and there is none.
    #[cfg_attr(
        not(any(feature = "axum", test)),
        expect(dead_code, reason = "only the axum extractor says so")
    )]
    Anonymous,
}

impl Refusal {
    /// The stable reason id.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Unsigned => "identity_unsigned",
            Self::SeveralAssertions => "token_ambiguous",
            Self::Assertion(id) => id,
            Self::OtherRequest => "assertion_other_request",
            Self::NoKeys(_) => "keys_unavailable",
            Self::Anonymous => "unauthenticated",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Unsigned => "Identity headers without an assertion",
            Self::SeveralAssertions | Self::Assertion(_) | Self::OtherRequest => {
                "The identity assertion was not accepted"
            }
            Self::NoKeys(_) => "The keys of the gateway cannot be had at the moment",
            Self::Anonymous => "Sign in first",
        }
    }

    /// The problem's type: the same two URIs that the gateway itself has for these cases.
    fn kind(self) -> &'static str {
        match self {
            Self::NoKeys(_) => "urn:stagedoor:problem:unavailable",
            _ => "urn:stagedoor:problem:unauthenticated",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NoKeys(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The whole answer. It repeats nothing of the request (C-13).
    pub(super) fn response<B: From<String>>(self) -> Response<B> {
        let status = self.status();
        let body = serde_json::json!({
            "type": self.kind(),
            "title": self.title(),
            "status": status.as_u16(),
            "reason": self.id(),
        });
        let mut response = Response::new(B::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::NoKeys(wait) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            }
            // RFC 9110 section 15.5.2: a 401 names a scheme.
            _ => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
        }
        response
    }
}

/// In the extensions of a refusal: why, for the logs of layers outside. A 401 does not say it to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Denied {
    /// The stable reason id, the same that the gateway logs.
    pub reason: &'static str,
}

/// The answer to a request that the gate refuses: what the gateway itself would say to a program.
pub(super) fn answer<B: From<String>>(refusal: gate::Refusal) -> Response<B> {
    let reason = refusal.reason();
    tracing::info!(reason, status = refusal.status(), "request refused");
    let mut response = Response::new(B::from(refusal.problem().to_string()));
    *response.status_mut() =
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.extensions_mut().insert(Denied { reason });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = refusal.challenge() {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(wait) = refusal.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_13_every_refusal_is_a_problem_document() {
        let all = [
            Refusal::Unsigned,
            Refusal::SeveralAssertions,
            Refusal::Assertion("token_expired"),
            Refusal::OtherRequest,
            Refusal::NoKeys(Duration::from_millis(200)),
            Refusal::Anonymous,
        ];
        for refusal in all {
            let response: Response<String> = refusal.response();
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
            assert_eq!(body["status"], response.status().as_u16());
            assert_eq!(body["reason"], refusal.id());
            assert!(body["type"].as_str().unwrap().starts_with("urn:stagedoor:problem:"));
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), response.status() == 503);
        }
    }
}
