//! Answers that several handlers give.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What happened, in a sentence for people.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Detail {
    detail: String,
}

/// The sentence as an answer.
pub fn detail(status: StatusCode, sentence: &str) -> Response {
    (status, Json(Detail { detail: sentence.to_owned() })).into_response()
}
