//! The one map from "the use case said no" to HTTP: RFC 9457 problems with stable `type` URIs
//! `urn:stagedoor:problem:<kind>` (a URN, so that the same client code works at every deployment).
//! The pages show `detail` and `fields` of the same value.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Extension;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::account::{Error, FieldError, Limited};

/// What every `type` starts with.
pub const TYPE_BASE: &str = "urn:stagedoor:problem:";

/// An answer that says no.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status code.
    pub status: StatusCode,
    /// The stable word at the end of `type`.
    pub kind: &'static str,
    /// What this kind is called.
    pub title: &'static str,
    /// A sentence for people that says what to do.
    pub detail: String,
    /// What was wrong with each field.
    pub fields: Vec<FieldError>,
    /// `Retry-After`, `RateLimit` and the like.
    pub headers: Box<HeaderMap>,
}

/// The JSON form (RFC 9457), as clients see it.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes what `Body` below writes")]
pub struct ProblemBody {
    /// `urn:stagedoor:problem:<kind>`; stable.
    r#type: String,
    /// What this kind is called.
    title: String,
    /// The status code again.
    status: u16,
    /// A sentence for people that says what to do.
    detail: String,
    /// Sentences for people, by field.
    errors: Option<BTreeMap<String, Vec<String>>>,
    /// Stable words for programs, by field, in the same order.
    codes: Option<BTreeMap<String, Vec<String>>>,
}

/// The JSON form.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<&'a str, Vec<&'a str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    codes: BTreeMap<&'a str, Vec<&'a str>>,
}

/// Why an answer is a refusal, in the extensions of the response; the log says it (INV-7).
#[derive(Clone, Copy, Debug)]
pub struct Reason(pub &'static str);

impl Problem {
    /// A problem without fields and headers.
    #[must_use]
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let mut headers = Box::<HeaderMap>::default();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"stagedoor\""));
        }
        Self { status, kind, title, detail: detail.into(), fields: Vec::new(), headers }
    }

    /// What goes along with the answer, for the log.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason(self.kind)
    }

    /// Nothing lives at this path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", "There is nothing at this address.")
    }

    /// The path is right, the method is not; axum adds `Allow`.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let detail = "This address does not take that method; see the Allow header.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
    }

    /// The request came from a page of another site (C-06).
    #[must_use]
    pub fn cross_site() -> Self {
        let detail = "This request came from another site. Go back, load the page again and try once more.";
        Self::new(StatusCode::FORBIDDEN, "cross-site", "Cross-site request refused", detail)
    }

    /// Nobody is signed in.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let detail = "Sign in or send a valid access token.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Not signed in", detail)
    }

    /// Whether somebody is signed in cannot be told right now.
    #[must_use]
    pub fn later() -> Self {
        let detail = "This does not work right now. Please try again in a moment.";
        Self::not_now("unavailable", detail, Duration::from_secs(2))
    }

    /// Two different credentials in one request.
    #[must_use]
    pub fn ambiguous() -> Self {
        let detail = "The request carries two different credentials; send one.";
        Self::new(StatusCode::UNAUTHORIZED, "ambiguous-credentials", "Ambiguous credentials", detail)
    }

    /// The body cannot be read as what was announced.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-body", "Malformed body", detail)
    }

    /// The query has a word or a value that nobody here writes.
    #[must_use]
    pub fn malformed_query(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-query", "Malformed query", detail)
    }

    /// The link that makes the first admin is of no use (any more).
    #[must_use]
    pub fn bootstrap_over() -> Self {
        let detail = "This link is wrong or used, or there is an administrator already.";
        Self::new(StatusCode::GONE, "bootstrap-over", "No first administrator to be made", detail)
    }

    /// The body is of a kind that is not taken here.
    #[must_use]
    pub fn unsupported(detail: &str) -> Self {
        let title = "Unsupported media type";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, detail)
    }

    /// The body is too long.
    #[must_use]
    pub fn too_large() -> Self {
        let detail = "The body may be at most 16 KiB long.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large", detail)
    }

    /// A mistake of ours; the cause is in the log, not in the answer.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "Something went wrong on our side. Please try again.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// What a refresh answers: a dead refresh token is a failed authentication, not a bad request.
    #[must_use]
    pub fn of_refresh(error: Error) -> Self {
        if matches!(error, Error::InvalidToken) {
            let detail = "The refresh token is not valid any more. Sign in again.";
            Self::new(StatusCode::UNAUTHORIZED, "invalid-refresh-token", "Sign in again", detail)
        } else {
            error.into()
        }
    }

    /// The person has to confirm first that it is them.
    #[must_use]
    pub fn elevation_required(second_factor: bool) -> Self {
        let detail = if second_factor {
            "Confirm with your second factor that it is you, then try again."
        } else {
            "Confirm with your password or a code that it is you, then try again."
        };
        Self::new(StatusCode::FORBIDDEN, "elevation-required", "Please confirm that it is you", detail)
    }

    /// One required field was empty.
    #[must_use]
    pub fn required(fields: &[(&'static str, &'static str)]) -> Self {
        let list = fields.iter().map(|(field, message)| FieldError {
            field,
            code: "required",
            message: (*message).to_owned(),
        });
        Self::invalid(list.collect())
    }

    fn invalid(fields: Vec<FieldError>) -> Self {
        let detail = "Please correct the fields that are marked.";
        let mut problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-input", "Invalid input", detail);
        problem.fields = fields;
        problem
    }

    fn limited(limited: &Limited) -> Self {
        let wait = whole_seconds(limited.taken.reset_after).max(1);
        let detail = format!("Too many tries. Please wait {} and try again.", in_words(wait));
        let mut p = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests", detail);
        let (name, quota) = (limited.policy, limited.taken.quota);
        p.header(RETRY_AFTER, &wait.to_string());
        p.header(
            HeaderName::from_static("ratelimit"),
            &format!("\"{name}\";r={};t={wait}", limited.taken.remaining),
        );
        let window = whole_seconds(quota.window);
        p.header(
            HeaderName::from_static("ratelimit-policy"),
            &format!("\"{name}\";q={};w={window}", quota.limit),
        );
        p
    }

    fn not_now(kind: &'static str, detail: &str, retry_after: Duration) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, "Not available right now", detail);
        problem.header(RETRY_AFTER, &whole_seconds(retry_after).max(1).to_string());
        problem
    }

    fn header(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        use StatusCode as S;
        match error {
            Error::Invalid(fields) => Self::invalid(fields.0),
            Error::WrongCredentials => Self::new(
                S::UNAUTHORIZED,
                "wrong-credentials",
                "Wrong credentials",
                "The e-mail address or the password is wrong.",
            ),
            Error::NotActivated => Self::new(
                S::FORBIDDEN,
                "not-activated",
                "Account not activated",
                "Please confirm your e-mail address first: we have sent you a link and a code.",
            ),
            Error::Deactivated => Self::new(
                S::FORBIDDEN,
                "deactivated",
                "Account deactivated",
                "This account has been switched off. Please ask an administrator.",
            ),
            Error::ResetRequired => Self::new(
                S::FORBIDDEN,
                "password-reset-required",
                "Password reset required",
                "This password no longer works. Choose a new one by e-mail.",
            ),
            Error::Closed => Self::new(
                S::FORBIDDEN,
                "account-closed",
                "Account closed",
                "This account was closed by its owner. The mail about it has a link to undo that.",
            ),
            Error::RegistrationClosed => Self::new(
                S::FORBIDDEN,
                "registration-disabled",
                "Registration is closed",
                "Accounts are made by an administrator here.",
            ),
            Error::WrongCode => {
                let detail = "This code is wrong, was used already or is too old.";
                Self::new(S::UNAUTHORIZED, "wrong-code", "Wrong code", detail)
            }
            Error::InvalidChallenge => Self::new(
                S::UNAUTHORIZED,
                "invalid-challenge",
                "Start again",
                "This sign-in has ended or was begun on another device. Please start again with your password.",
            ),
            Error::SignInFirst => Self::unauthenticated(),
            Error::ElevationRequired { second_factor } => Self::elevation_required(second_factor),
            Error::Forbidden(permission) => Self::new(
                S::FORBIDDEN,
                "permission-required",
                "Permission required",
                format!("This needs the permission {permission}."),
            ),
            Error::BeyondYours => Self::new(
                S::FORBIDDEN,
                "permission-required",
                "Permission required",
                "This person or role has permissions that you do not have yourself.",
            ),
            Error::NotFound => Self::not_found(),
            Error::Conflict(kind, detail) => {
                Self::new(S::CONFLICT, kind, "Not possible as things are", detail)
            }
            Error::Locked => Self::new(
                S::LOCKED,
                "locked",
                "Account locked",
                "After too many failed tries this account is locked for a while. \
                 Its owner has been told by e-mail when it opens again.",
            ),
            Error::InvalidToken => Self::new(
                S::BAD_REQUEST,
                "invalid-token",
                "Invalid link or code",
                "This link or code is not valid (any more). Ask for a new one.",
            ),
            Error::Limited(limited) => Self::limited(&limited),
            Error::Busy { retry_after } => {
                Self::not_now("busy", "Many people are signing in right now. Please try again.", retry_after)
            }
            Error::Unavailable(cause) => {
                tracing::error!(%cause, "a use case could not run");
                let detail = "This does not work right now. Please try again in a moment.";
                Self::not_now("unavailable", detail, Duration::from_secs(5))
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (mut errors, mut codes) = (BTreeMap::new(), BTreeMap::new());
        for f in &self.fields {
            errors.entry(f.field).or_insert_with(Vec::new).push(f.message.as_str());
            codes.entry(f.field).or_insert_with(Vec::new).push(f.code);
        }
        let body = Body {
            r#type: format!("{TYPE_BASE}{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            errors,
            codes,
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        let reason = Extension(self.reason());
        (self.status, *self.headers, kind, reason, text).into_response()
    }
}

/// Rounded up, so that whoever waits that long has waited long enough.
fn whole_seconds(d: Duration) -> u64 {
    d.as_secs() + u64::from(d.subsec_nanos() > 0)
}

fn in_words(seconds: u64) -> String {
    match seconds {
        1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        91..=5400 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
