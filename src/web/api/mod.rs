//! The JSON door. Every file is one use case: read the body, call, shape the answer.

pub mod admin;
pub mod bootstrap;
pub mod jwks;
pub mod logout;
pub mod me;
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
