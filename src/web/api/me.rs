//! Who is asking, for front ends.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::web::error::Problem;
use crate::web::extract::Caller;

/// `GET /me/`; times are seconds since the Unix epoch, as in the token.
pub async fn get(Caller(caller): Caller) -> Response {
    let Some(p) = caller else { return Problem::unauthenticated().into_response() };
    let roles: Vec<_> = p.roles.iter().map(|r| r.as_str()).collect();
    Json(json!({
        "id": p.id.to_string(),
        "email": p.email,
        "email_verified": p.email_verified,
        "name": p.name,
        "roles": roles,
        "permissions": p.permissions,
        "session": p.session.to_string(),
        "auth_time": p.auth_time.secs(),
        "expires": p.expires.secs(),
        "amr": p.amr,
    }))
    .into_response()
}
