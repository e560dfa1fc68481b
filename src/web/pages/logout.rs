//! Signing out: a button, so that no link or image can do it.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Frame, Notice, go, page, refusal};
use crate::web::api::logout::{clear, end, of_request};
use crate::web::extract::{Caller, Form as Sent, Presented, Visitor};
use crate::web::{WebState, routes};

/// The page.
#[derive(Template)]
#[template(path = "pages/logout.html")]
pub struct LogoutPage {
    pub(super) frame: Frame,
    pub(super) email: Option<String>,
}

/// What the form sends.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    all: String,
}

/// `GET /logout/`
pub async fn show(State(state): State<WebState>, Caller(caller): Caller) -> Response {
    let email = caller.map(|p| p.email.clone());
    page(StatusCode::OK, &LogoutPage { frame: Frame::of(&state.settings), email })
}

/// `POST /logout/` (form) -> 303 to sign-in, cookies and storage cleared.
pub async fn send(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    caller: Caller,
    presented: Presented,
    Sent(input): Sent<Input>,
) -> Response {
    let mut logout = of_request(&caller, presented);
    logout.all = !input.all.is_empty();
    if let Err(problem) = end(&state, logout, &origin).await {
        let mut html = HeaderMap::new();
        html.insert("accept", http::HeaderValue::from_static("text/html"));
        return refusal(&state, &html, problem);
    }
    let mut headers = HeaderMap::new();
    clear(&state.cookies, &mut headers);
    (headers, go(&state.settings, routes::LOGIN, Some(Notice::SignedOut))).into_response()
}
