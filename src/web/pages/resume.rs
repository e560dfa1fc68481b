//! Back to where a person was, with new cookies. Another proxy that asks us for verdicts cannot pass cookies on, so it
//! sends a browser whose access cookie has ended through here; the refresh on the way does the work, and what is left
//! is to send the person back.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::login::target;
use super::{go, go_to};
use crate::web::error::Problem;
use crate::web::extract::{Caller, Query};
use crate::web::{Unsure, WebState, routes};

/// `GET /resume/?next=…&mac=…` -> 303: back, or to sign in first; 503 when it cannot be told which.
pub async fn show(
    State(state): State<WebState>,
    Caller(caller): Caller,
    unsure: Option<axum::Extension<Unsure>>,
    query: Query,
) -> Response {
    if caller.is_none() && unsure.is_some() {
        return Problem::later().into_response();
    }
    let (target, mac) = target(&state, query.get("next"), query.get("mac"));
    match caller {
        Some(_) if target.is_empty() => go(&state.settings, routes::HOME, None),
        Some(_) => go_to(target),
        None if target.is_empty() => go(&state.settings, routes::LOGIN, None),
        None => go_to(&sign_in(&state, target, mac)),
    }
}

/// The sign-in page with the same target.
fn sign_in(state: &WebState, target: &str, mac: &str) -> String {
    let next = percent_encoding::utf8_percent_encode(target, percent_encoding::NON_ALPHANUMERIC);
    format!("{}{}?next={next}&mac={mac}", state.settings.auth_prefix, routes::LOGIN)
}
