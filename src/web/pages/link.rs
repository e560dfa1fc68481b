//! Pages behind the other mailed links: one sentence, one button, because mail scanners open links.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::{Frame, page, refusal, refused};
use crate::account::{Accounts, Error, Origin};
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

/// What a mailed link of this kind is for.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// `/unlock/{uid}/{token}/`
    Unlock,
    /// `/not-me/{uid}/{token}/`
    NotMe,
    /// `/change-email/{uid}/{token}/`
    ChangeEmail,
    /// `/undo-deletion/{uid}/{token}/`
    KeepAccount,
}

impl Purpose {
    fn words(self) -> &'static Words {
        match self {
            Self::Unlock => &UNLOCK,
            Self::NotMe => &NOT_ME,
            Self::ChangeEmail => &CHANGE_EMAIL,
            Self::KeepAccount => &KEEP_ACCOUNT,
        }
    }

    async fn check(self, accounts: &Accounts, uid: &str, token: &str) -> Result<(), Error> {
        match self {
            Self::Unlock => accounts.check_unlock(uid, token).await,
            Self::NotMe => accounts.check_not_me(uid, token).await,
            Self::ChangeEmail => accounts.check_email_change(uid, token).await,
            Self::KeepAccount => accounts.check_undo(uid, token).await,
        }
    }

    async fn act(self, accounts: &Accounts, uid: &str, token: &str, origin: &Origin) -> Result<(), Error> {
        match self {
            Self::Unlock => accounts.unlock(uid, token, origin).await,
            Self::NotMe => accounts.not_me(uid, token, origin).await,
            Self::ChangeEmail => accounts.change_email_by_link(uid, token, origin).await,
            Self::KeepAccount => accounts.undo_deletion(uid, token, origin).await,
        }
    }
}

/// A link that was opened: who serves it, its account and secret, and how the browser wants its answers.
type Opened = (State<WebState>, Path<(String, String)>, HeaderMap);

/// `GET`: the page with the button; changes nothing.
pub async fn show(purpose: Purpose, (State(state), Path((uid, token)), headers): Opened) -> Response {
    match purpose.check(&state.accounts, &uid, &token).await {
        Ok(()) => {
            page(StatusCode::OK, &LinkPage { frame: Frame::of(&state.settings), words: purpose.words() })
        }
        Err(error) => failed(&state, &headers, error),
    }
}

/// `POST` (form): does it.
pub async fn send(
    purpose: Purpose,
    (State(state), Path((uid, token)), headers): Opened,
    Visitor(origin): Visitor,
    Sent(Nothing {}): Sent<Nothing>,
) -> Response {
    match purpose.act(&state.accounts, &uid, &token, &origin).await {
        Ok(()) => {
            page(StatusCode::OK, &LinkDonePage { frame: Frame::of(&state.settings), words: purpose.words() })
        }
        Err(error) => failed(&state, &headers, error),
    }
}

pub(super) fn failed(state: &WebState, headers: &HeaderMap, error: Error) -> Response {
    if matches!(error, Error::InvalidToken) {
        return refused(error.into(), &LinkFailedPage { frame: Frame::of(&state.settings) });
    }
    refusal(state, headers, error.into())
}
