//! Answers that more than one use case gives.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What happened.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// A sentence for people.
    detail: String,
}

/// The sentence as an answer.
pub fn detail(status: StatusCode, sentence: &str) -> Response {
    (status, Json(Detail { detail: sentence.to_owned() })).into_response()
}

/// Whose account it is.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Person {
    /// Stays the same for good.
    #[schema(format = "uuid")]
    pub id: String,
    /// Where mail goes.
    #[schema(format = "email", max_length = 254, example = "mia@example.org")]
    pub email: String,
    /// What the person wants to be called.
    #[schema(example = "Mia")]
    pub name: String,
    /// Names from the operator's configuration.
    #[schema(example = json!(["participant"]))]
    pub roles: Vec<String>,
    /// What the roles allow.
    #[schema(example = json!(["events.view"]))]
    pub permissions: Vec<String>,
}

/// Signed in. With cookies the tokens are not in the answer.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Tokens {
    /// For `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub access: Option<String>,
    /// Good once, for new tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refresh: Option<String>,
    /// Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Bearer")]
    pub token_type: Option<&'static str>,
    /// Life of the access token, in seconds.
    pub expires_in: u64,
    /// Who signed in; not after a refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user: Option<Person>,
}

/// A second factor is due.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ChallengeBegun {
    /// For `/token/verify-otp/`.
    pub challenge: String,
    /// Ways to prove it: `totp`, `email`, `recovery`.
    #[schema(example = json!(["totp", "recovery"]))]
    pub methods: Vec<String>,
    /// Life of the challenge, in seconds.
    pub expires_in: u64,
}
