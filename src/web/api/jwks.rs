//! The public keys.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};

use crate::web::WebState;

/// Short enough for a rotation: a new key is published before it signs.
const CACHE: &str = "public, max-age=300";

/// `GET /.well-known/jwks.json`
pub async fn get(State(state): State<WebState>) -> Response {
    ([(CACHE_CONTROL, CACHE)], Json((state.jwks)())).into_response()
}
