//! The JSON door. Every file is one use case: read the body, call, shape the answer.

pub mod activity;
mod answer;
pub mod change_email;
pub mod change_password;
pub mod deletion;
pub mod devices;
pub mod export;
pub mod jwks;
pub mod logout;
pub mod me;
pub mod not_me;
pub mod password_reset;
pub mod profile;
pub mod register;
pub mod sessions;
pub mod token;
pub mod unlock;
pub mod verify_email;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

/// What happened, in a sentence for people.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// The sentence.
    detail: String,
}

impl Detail {
    fn of(sentence: &str) -> Self {
        Self { detail: sentence.to_owned() }
    }
}

/// `{"detail": …}`
fn said(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}
