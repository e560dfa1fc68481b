//! The only table from a refusal to status and words.

use std::time::Duration;

use crate::policy::{PathRefusal, Reason};
use crate::token::Rejection;

/// A request head that the connection guard does not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadRefusal {
    /// Bytes that are not HTTP/1.x as RFC 9112 writes it.
    Malformed(&'static str),
    /// More bytes than `server.limits.head_bytes`.
    TooLarge,
    /// More fields than `server.limits.headers`.
    TooManyFields,
    /// Not complete within `server.limits.head_timeout`.
    TooSlow,
    /// A method we do not forward (`TRACE`, `CONNECT`).
    MethodNotAllowed,
    /// A method nobody knows.
    MethodUnknown,
    /// A version other than 1.0 and 1.1.
    Version,
    /// A transfer coding other than `chunked` alone.
    TransferCoding,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A request target longer than we read.
    TargetTooLong,
    /// A WebSocket of another version than 13 (RFC 6455 section 4.2.2).
    WebSocketVersion,
}

impl HeadRefusal {
    /// The reason id for logs and metrics.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Malformed(id) => id,
            Self::TooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::TooSlow => "head_too_slow",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MethodUnknown => "method_unknown",
            Self::Version => "http_version",
            Self::TransferCoding => "transfer_coding",
            Self::Expectation => "expectation",
            Self::TargetTooLong => "target_too_long",
            Self::WebSocketVersion => "websocket_version",
        }
    }
}

/// What went wrong on the way to an upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpstreamFailure {
    /// It cannot be reached or broke off.
    Down,
    /// It did not answer in time.
    TimedOut,
    /// As many requests are under way to it as may be.
    Busy,
}

/// Why a request does not reach an upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The head is not acceptable; the connection is closed.
    Head(HeadRefusal),
    /// The path has no safe meaning.
    Path(PathRefusal),
    /// No route leads there.
    NoRoute,
    /// Nobody is signed in, and the rule wants somebody. With the token's fault, if there was a token.
    SignIn(Option<Rejection>),
    /// Somebody is signed in, but not recently or not strongly enough (RFC 9470).
    Elevate(Reason),
    /// Somebody is signed in who may not.
    Forbidden(Reason),
    /// It came without TLS, where people come by TLS; whatever was in it could be read on the way.
    Unencrypted,
    /// Another site made the browser send a request with our cookies.
    CrossSite,
    /// The body is larger than the route allows.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The upstream failed.
    Upstream(UpstreamFailure),
    /// What is needed to decide did not answer; nothing about the credentials is known.
    Unavailable {
        /// When another try makes sense.
        retry_after: Duration,
    },
    /// A token is good, unless it was revoked in the last moments, of which this node has not heard.
    RevocationUnknown,
    /// A fault of ours.
    Internal,
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Head(h) => match h {
                HeadRefusal::Malformed(_) => 400,
                HeadRefusal::TooLarge | HeadRefusal::TooManyFields => 431,
                HeadRefusal::TooSlow => 408,
                HeadRefusal::MethodNotAllowed => 405,
                HeadRefusal::MethodUnknown | HeadRefusal::TransferCoding => 501,
                HeadRefusal::Version => 505,
                HeadRefusal::Expectation => 417,
                HeadRefusal::TargetTooLong => 414,
                HeadRefusal::WebSocketVersion => 426,
            },
            Self::Path(PathRefusal::TooLong) => 414,
            Self::Path(_) => 400,
            Self::NoRoute => 404,
            Self::SignIn(_) | Self::Elevate(_) => 401,
            Self::Forbidden(_) | Self::CrossSite | Self::Unencrypted => 403,
            Self::BodyTooLarge => 413,
            Self::BodyTooSlow => 408,
            Self::Upstream(UpstreamFailure::Down) => 502,
            Self::Upstream(UpstreamFailure::TimedOut) => 504,
            Self::Upstream(UpstreamFailure::Busy) | Self::Unavailable { .. } | Self::RevocationUnknown => 503,
            Self::Internal => 500,
        }
    }

    /// The stable reason id for logs, metrics and tests. Never part of a 401's body (J-01).
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Head(h) => h.id(),
            Self::Path(p) => p.id(),
            Self::NoRoute => "no_route",
            Self::SignIn(Some(rejection)) => rejection.id(),
            Self::SignIn(None) => Reason::Unauthenticated.id(),
            Self::Elevate(reason) | Self::Forbidden(reason) => reason.id(),
            Self::CrossSite => "cross_site",
            Self::Unencrypted => "unencrypted",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::Upstream(UpstreamFailure::Down) => "upstream_down",
            Self::Upstream(UpstreamFailure::TimedOut) => "upstream_timed_out",
            Self::Upstream(UpstreamFailure::Busy) => "upstream_busy",
            Self::Unavailable { .. } => "unavailable",
            Self::RevocationUnknown => "revocation_unknown",
            Self::Internal => "internal",
        }
    }

    /// The last word of the problem's `type` URI (RFC 9457); stable.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Head(_) => "bad-request-head",
            Self::Path(_) => "bad-path",
            Self::NoRoute => "not-found",
            Self::SignIn(_) => "unauthenticated",
            Self::Elevate(_) => "step-up-required",
            Self::Forbidden(_) => "forbidden",
            Self::CrossSite => "cross-site",
            Self::Unencrypted => "https-required",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTooSlow => "body-too-slow",
            Self::Upstream(UpstreamFailure::Down) => "upstream-down",
            Self::Upstream(UpstreamFailure::TimedOut) => "upstream-timeout",
            Self::Upstream(UpstreamFailure::Busy) => "upstream-busy",
            Self::Unavailable { .. } => "unavailable",
            Self::RevocationUnknown => "revocation-unknown",
            Self::Internal => "internal",
        }
    }

    /// A heading for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Head(_) | Self::Path(_) => "This request cannot be understood",
            Self::NoRoute => "Nothing is here",
            Self::SignIn(_) => "Sign in first",
            Self::Elevate(_) => "Please confirm that it is you",
            Self::Forbidden(_) => "You may not do this",
            Self::CrossSite => "This request came from another site",
            Self::Unencrypted => "This address starts with https",
            Self::BodyTooLarge => "That is too large",
            Self::BodyTooSlow => "That took too long",
            Self::Upstream(UpstreamFailure::Down) => "The application cannot be reached",
            Self::Upstream(UpstreamFailure::TimedOut) => "The application takes too long",
            Self::Upstream(UpstreamFailure::Busy) => "The application has too much to do",
            Self::Unavailable { .. } | Self::RevocationUnknown => "Not available for a moment",
            Self::Internal => "Something went wrong on our side",
        }
    }

    /// A sentence that says what to do.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::Head(_) => "The request head breaks HTTP/1.1 (RFC 9112) or one of this server's limits.",
            Self::Path(_) => {
                "Write the path without dot segments, double or encoded slashes, backslashes and broken escapes."
            }
            Self::NoRoute => "Check the address.",
            Self::SignIn(_) => "Send a valid access token, or sign in.",
            Self::Elevate(_) => "Sign in again to show that it is you.",
            Self::Forbidden(_) => "Your account does not have the role or permission that this needs.",
            Self::Unencrypted => {
                "Send this to the https address. What was in it could be read on the way: change a password or token \
                 that was."
            }
            Self::CrossSite => "Open the page on this site and try again from there.",
            Self::BodyTooLarge => "Send less at once.",
            Self::BodyTooSlow => "Send the request again.",
            Self::Upstream(_) | Self::Unavailable { .. } => "Try again in a moment.",
            Self::RevocationUnknown => {
                "Your sign-in cannot be checked right now. You are still signed in; try again in a moment."
            }
            Self::Internal => "Try again; if it stays so, tell the people who run this site the request id.",
        }
    }

    /// The problem document (RFC 9457). A 401 says the same for every fault of a token.
    #[must_use]
    pub fn problem(self) -> serde_json::Value {
        let mut body = serde_json::json!({
            "type": format!("urn:stagedoor:problem:{}", self.slug()),
            "title": self.title(),
            "status": self.status(),
            "detail": self.detail(),
        });
        if self.status() != 401 {
            body["reason"] = self.reason().into();
        }
        body
    }

    /// The `WWW-Authenticate` challenge (RFC 6750 section 3, RFC 9470) of a 401.
    #[must_use]
    pub fn challenge(self) -> Option<&'static str> {
        match self {
            Self::SignIn(None) => Some("Bearer"),
            // One answer for every fault of a token.
            Self::SignIn(Some(_)) => Some("Bearer error=\"invalid_token\""),
            Self::Elevate(_) => Some("Bearer error=\"insufficient_user_authentication\""),
            _ => None,
        }
    }

    /// Whether a browser is sent to the sign-in page instead.
    #[must_use]
    pub fn leads_to_sign_in(self) -> bool {
        matches!(self, Self::SignIn(_) | Self::Elevate(Reason::StepUpRequired))
    }

    /// Whether the connection ends with the answer, because what follows on it cannot be trusted.
    #[must_use]
    pub fn closes(self) -> bool {
        matches!(
            self,
            Self::Head(_) | Self::Path(_) | Self::BodyTooLarge | Self::BodyTooSlow | Self::Unencrypted
        )
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => Some(retry_after),
            Self::Upstream(UpstreamFailure::Busy) => Some(Duration::from_secs(1)),
            Self::Upstream(_) => Some(Duration::from_secs(5)),
            // The store is asked each second.
            Self::RevocationUnknown => Some(Duration::from_secs(2)),
            _ => None,
        }
    }
}
