//! Pages behind the other mailed links: one sentence, one button, because mail scanners open links.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::{Frame, page, refusal, refused};
use crate::account::Error;
use crate::web::WebState;
use crate::web::extract::{Form as Sent, Visitor};

/// What a page of this kind says.
pub struct Words {
    title: &'static str,
    lead: &'static str,
    button: &'static str,
    hint: &'static str,
    done_title: &'static str,
    done_lead: &'static str,
    next: &'static str,
    next_label: &'static str,
}

/// The page with the button.
#[derive(Template)]
#[template(path = "pages/link.html")]
pub struct LinkPage {
    pub(super) frame: Frame,
    pub(super) words: &'static Words,
}

/// It worked.
#[derive(Template)]
#[template(path = "pages/link_done.html")]
pub struct LinkDonePage {
    pub(super) frame: Frame,
    pub(super) words: &'static Words,
}

/// The link is used, replaced or too old.
#[derive(Template)]
#[template(path = "pages/link_failed.html")]
pub struct LinkFailedPage {
    pub(super) frame: Frame,
}

/// The button sends nothing but itself.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

pub(super) static UNLOCK: Words = Words {
    title: "Unlock your account",
    lead: "Too many failed sign-ins have locked your account. One click opens it again.",
    button: "Unlock my account",
    hint: "If it was not you who tried, leave it locked; it opens by itself.",
    done_title: "Your account is open again",
    done_lead: "You can sign in now.",
    next: "/login/",
    next_label: "Sign in",
};

pub(super) static NOT_ME: Words = Words {
    title: "This was not me",
    lead: "We end every sign-in of your account at once. Afterwards you choose a new password.",
    button: "Sign everybody out",
    hint: "Was it you after all? Then close this page; nothing happens.",
    done_title: "Everybody is signed out",
    done_lead: "Your old password no longer works. Choose a new one now.",
    next: "/password-reset/",
    next_label: "Choose a new password",
};

pub(super) static CHANGE_EMAIL: Words = Words {
    title: "Confirm your new address",
    lead: "Your account will use this address, and you will sign in with it.",
    button: "Use this address",
    hint: "You did not ask for this? Then close this page; nothing happens.",
    done_title: "Your address is changed",
    done_lead: "Sign in with the new address from now on. Your other devices were signed out.",
    next: "/",
    next_label: "Go on",
};

pub(super) static KEEP_ACCOUNT: Words = Words {
    title: "Keep your account",
    lead: "Your account is closed and will be deleted soon. One click keeps it.",
    button: "Keep my account",
    hint: "You still want it deleted? Then close this page.",
    done_title: "Your account stays",
    done_lead: "Everything is as it was. Sign in to go on.",
    next: "/login/",
    next_label: "Sign in",
};

/// What stands in the link.
type Link = Path<(String, String)>;

/// `GET /unlock/{uid}/{token}/`; changes nothing.
pub async fn unlock(State(state): State<WebState>, Path(link): Link, headers: HeaderMap) -> Response {
    let good = state.accounts.check_unlock(&link.0, &link.1).await;
    ask(&state, &headers, &UNLOCK, good)
}

/// `POST /unlock/{uid}/{token}/` (form)
pub async fn send_unlock(
    State(state): State<WebState>,
    Path(link): Link,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Sent(Nothing {}): Sent<Nothing>,
) -> Response {
    let done = state.accounts.unlock(&link.0, &link.1, &origin).await;
    tell(&state, &headers, &UNLOCK, done)
}

/// `GET /not-me/{uid}/{token}/`; changes nothing.
pub async fn not_me(State(state): State<WebState>, Path(link): Link, headers: HeaderMap) -> Response {
    let good = state.accounts.check_not_me(&link.0, &link.1).await;
    ask(&state, &headers, &NOT_ME, good)
}

/// `POST /not-me/{uid}/{token}/` (form)
pub async fn send_not_me(
    State(state): State<WebState>,
    Path(link): Link,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Sent(Nothing {}): Sent<Nothing>,
) -> Response {
    let done = state.accounts.not_me(&link.0, &link.1, &origin).await;
    tell(&state, &headers, &NOT_ME, done)
}

/// `GET /change-email/{uid}/{token}/`; changes nothing.
pub async fn change_email(State(state): State<WebState>, Path(link): Link, headers: HeaderMap) -> Response {
    let good = state.accounts.check_email_change(&link.0, &link.1).await;
    ask(&state, &headers, &CHANGE_EMAIL, good)
}

/// `POST /change-email/{uid}/{token}/` (form)
pub async fn send_change_email(
    State(state): State<WebState>,
    Path(link): Link,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Sent(Nothing {}): Sent<Nothing>,
) -> Response {
    let done = state.accounts.change_email_by_link(&link.0, &link.1, &origin).await;
    tell(&state, &headers, &CHANGE_EMAIL, done)
}

/// `GET /undo-deletion/{uid}/{token}/`; changes nothing.
pub async fn keep_account(State(state): State<WebState>, Path(link): Link, headers: HeaderMap) -> Response {
    let good = state.accounts.check_undo(&link.0, &link.1).await;
    ask(&state, &headers, &KEEP_ACCOUNT, good)
}

/// `POST /undo-deletion/{uid}/{token}/` (form)
pub async fn send_keep_account(
    State(state): State<WebState>,
    Path(link): Link,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Sent(Nothing {}): Sent<Nothing>,
) -> Response {
    let done = state.accounts.undo_deletion(&link.0, &link.1, &origin).await;
    tell(&state, &headers, &KEEP_ACCOUNT, done)
}

fn ask(state: &WebState, headers: &HeaderMap, words: &'static Words, good: Result<(), Error>) -> Response {
    match good {
        Ok(()) => page(StatusCode::OK, &LinkPage { frame: Frame::of(&state.settings), words }),
        Err(error) => failed(state, headers, error),
    }
}

fn tell(state: &WebState, headers: &HeaderMap, words: &'static Words, done: Result<(), Error>) -> Response {
    match done {
        Ok(()) => page(StatusCode::OK, &LinkDonePage { frame: Frame::of(&state.settings), words }),
        Err(error) => failed(state, headers, error),
    }
}

pub(super) fn failed(state: &WebState, headers: &HeaderMap, error: Error) -> Response {
    if matches!(error, Error::InvalidToken) {
        return refused(error.into(), &LinkFailedPage { frame: Frame::of(&state.settings) });
    }
    refusal(state, headers, error.into())
}
