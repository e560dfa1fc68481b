//! The JSON door. Every file is one use case: read the body, call, shape the answer.

mod answer;
pub mod change_email;
pub mod change_password;
pub mod deletion;
pub mod export;
pub mod jwks;
pub mod logout;
pub mod me;
pub mod password_reset;
pub mod profile;
pub mod register;
pub mod token;
pub mod verify_email;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// `{"detail": …}`
fn said(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}
