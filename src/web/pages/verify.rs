//! The mailed link: a page with one button, because mail scanners open links.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Frame, Notice, go, page, refusal, refused};
use crate::account::{Error, Proved};
use crate::web::extract::{Form as Sent, Visitor};
use crate::web::{WebState, routes};

/// The page with the button.
#[derive(Template)]
#[template(path = "pages/verify.html")]
pub struct VerifyPage {
    pub(super) frame: Frame,
}

/// The link is used, replaced or too old.
#[derive(Template)]
#[template(path = "pages/verify_failed.html")]
pub struct VerifyFailedPage {
    pub(super) frame: Frame,
}

/// It worked.
#[derive(Template)]
#[template(path = "pages/verified.html")]
pub struct VerifiedPage {
    pub(super) frame: Frame,
}

/// The button sends nothing but itself.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `GET /verify-email/{uid}/{token}/`; changes nothing.
pub async fn show(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match state.accounts.check_link(&uid, &token).await {
        Ok(_) => page(StatusCode::OK, &VerifyPage { frame: Frame::of(&state.settings) }),
        Err(error) => failed(&state, &headers, error),
    }
}

/// `POST /verify-email/{uid}/{token}/` (form) -> 303 to "confirmed".
pub async fn send(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Sent(Nothing {}): Sent<Nothing>,
) -> Response {
    match state.accounts.verify_by_link(&uid, &token, &origin).await {
        Ok(Proved::ChoosePassword) => choose_password(&state),
        Ok(Proved::Ready) => {
            let mut cookies = HeaderMap::new();
            state.cookies.forget_mail(&state.settings.auth_prefix, &mut cookies);
            (cookies, go(&state.settings, routes::VERIFIED, None)).into_response()
        }
        Err(error) => failed(&state, &headers, error),
    }
}

/// The address was registered in more than one way: on to the page that takes the mailed code.
pub(super) fn choose_password(state: &WebState) -> Response {
    go(&state.settings, routes::PASSWORD_RESET_CONFIRM, Some(Notice::ChoosePassword))
}

/// `GET /verified/`
pub async fn done(State(state): State<WebState>) -> Response {
    page(StatusCode::OK, &VerifiedPage { frame: Frame::of(&state.settings) })
}

fn failed(state: &WebState, headers: &HeaderMap, error: Error) -> Response {
    if matches!(error, Error::InvalidToken) {
        return refused(error.into(), &VerifyFailedPage { frame: Frame::of(&state.settings) });
    }
    refusal(state, headers, error.into())
}
