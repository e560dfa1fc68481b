//! Tests of the map from domain errors to answers.

use super::*;
use crate::account::FieldErrors;
use crate::limiter::{Quota, Taken};

async fn json(p: Problem) -> (StatusCode, HeaderMap, serde_json::Value) {
    let response = p.into_response();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 65_536).await.unwrap();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
}

fn limited(remaining: u32, reset_after: Duration) -> Error {
    let quota = Quota { limit: 5, window: Duration::from_mins(1) };
    Error::Limited(Limited {
        policy: "login",
        taken: Taken { allowed: false, remaining, reset_after, quota },
    })
}

#[tokio::test]
async fn c_13_every_error_is_a_problem_with_its_own_type() {
    let all = vec![
        (Error::Invalid(FieldErrors::default()), 422, "invalid-input"),
        (Error::WrongCredentials, 401, "wrong-credentials"),
        (Error::NotActivated, 403, "not-activated"),
        (Error::Deactivated, 403, "deactivated"),
        (Error::Locked, 423, "locked"),
        (Error::WrongCode, 401, "wrong-code"),
        (Error::InvalidChallenge, 401, "invalid-challenge"),
        (Error::InvalidToken, 400, "invalid-token"),
        (limited(0, Duration::from_secs(12)), 429, "rate-limited"),
        (Error::Busy { retry_after: Duration::from_secs(2) }, 503, "busy"),
        (Error::Unavailable("db /secret/path gone".into()), 503, "unavailable"),
    ];
    for (error, status, kind) in all {
        let (s, headers, body) = json(error.into()).await;
        assert_eq!(s.as_u16(), status, "{kind}");
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(body["type"], format!("urn:stagedoor:problem:{kind}"));
        assert_eq!(body["status"], status);
        assert!(body["title"].is_string() && body["detail"].is_string());
        assert!(!body.to_string().contains("/secret/path"), "causes stay in the log");
        assert_eq!(headers.contains_key(RETRY_AFTER), status == 429 || status == 503, "{kind}");
        assert_eq!(headers.contains_key(WWW_AUTHENTICATE), status == 401, "{kind}");
    }
}

#[tokio::test]
async fn c_13_errors_are_listed_per_field() {
    let mut fields = FieldErrors::default();
    fields.add("password", "too_short", "Use at least 8 characters.");
    fields.add("password", "no_digit", "Add a digit.");
    fields.add("email", "format", "Enter an address.");
    let (_, _, body) = json(Error::Invalid(fields).into()).await;
    assert_eq!(body["errors"]["password"], serde_json::json!(["Use at least 8 characters.", "Add a digit."]));
    assert_eq!(body["codes"]["email"], serde_json::json!(["format"]));
}

#[tokio::test]
async fn c_14_rate_headers() {
    let (status, headers, _) = json(limited(0, Duration::from_millis(11_200)).into()).await;
    assert_eq!(status, 429);
    assert_eq!(headers[RETRY_AFTER], "12");
    assert_eq!(headers["ratelimit"], "\"login\";r=0;t=12");
    assert_eq!(headers["ratelimit-policy"], "\"login\";q=5;w=60");
}

#[tokio::test]
async fn t_05_dead_refresh_tokens_are_401_and_outages_503() {
    assert_eq!(Problem::of_refresh(Error::InvalidToken).status, 401);
    assert_eq!(Problem::of_refresh(Error::Unavailable(String::new())).status, 503);
}

#[test]
fn waiting_times_read_well() {
    assert_eq!(in_words(1), "a second");
    assert_eq!(in_words(90), "90 seconds");
    assert_eq!(in_words(91), "2 minutes");
    assert_eq!(in_words(7201), "3 hours");
}
