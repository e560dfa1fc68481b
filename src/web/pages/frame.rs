//! What every page shares: brand, paths, the message of the step before.

use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::web::assets::{AssetNames, names};
use crate::web::error::Problem;
use crate::web::{Settings, routes};

/// The part of a page that is the same everywhere.
pub struct Frame {
    /// The name on every page.
    pub brand: String,
    /// Where our pages live.
    pub prefix: String,
    /// Where the brand links to.
    pub home: &'static str,
    /// Style sheet, script, logo.
    pub assets: AssetNames,
    /// What the step before has done.
    pub notice: Option<&'static str>,
    /// Whether that is bad news.
    pub sorry: bool,
}

impl Frame {
    /// Without a notice.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            brand: settings.brand.clone(),
            prefix: settings.auth_prefix.clone(),
            home: "/",
            assets: names(),
            notice: None,
            sorry: false,
        }
    }

    /// With the notice of that id; other words say nothing.
    #[must_use]
    pub fn with_notice(mut self, id: &str) -> Self {
        let notice = Notice::ALL.iter().find(|n| n.id() == id);
        self.notice = notice.map(|n| n.text());
        self.sorry = notice == Some(&Notice::Expired);
        self
    }
}

/// What a page can say about the step before. The address carries the id, never a text (C-03).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Registration was taken.
    Registered,
    /// Another mail is on its way.
    Resent,
    /// The session has ended.
    SignedOut,
    /// A mail with a link to choose a password is on its way.
    ResetSent,
    /// The address is proved, the password has to be chosen.
    ChoosePassword,
    /// The new password is set.
    PasswordReset,
    /// Another code is on its way.
    CodeSent,
    /// A sign-in was not finished in time.
    Expired,
    /// The first administrator has an account.
    AdminMade,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Self; 9] = [
        Self::ChoosePassword,
        Self::Registered,
        Self::Resent,
        Self::SignedOut,
        Self::ResetSent,
        Self::PasswordReset,
        Self::CodeSent,
        Self::Expired,
        Self::AdminMade,
    ];

    /// The word in the query.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Resent => "resent",
            Self::SignedOut => "signed-out",
            Self::ChoosePassword => "choose-password",
            Self::ResetSent => "reset-sent",
            Self::PasswordReset => "password-reset",
            Self::CodeSent => "code-sent",
            Self::Expired => "expired",
            Self::AdminMade => "admin-made",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Registered => "Almost done: a mail is on its way to you.",
            Self::Resent => "If that address waits for confirmation, a new mail is on its way.",
            Self::SignedOut => "You are signed out.",
            Self::ResetSent => "If that address has an account, a mail with a link and a code is on its way.",
            Self::ChoosePassword => {
                "Your address is confirmed. It was registered more than once, so choose your password now: a mail with a \
                 link and a code is on its way."
            }
            Self::PasswordReset => "Your new password is set. Sign in with it.",
            Self::CodeSent => "A new code is on its way.",
            Self::Expired => "That took too long or was tried too often. Please sign in again.",
            Self::AdminMade => "The account is ready. Sign in with it.",
        }
    }
}

/// A rendered page.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(cause) => {
            tracing::error!(%cause, "a page could not be rendered");
            Problem::internal().into_response()
        }
    }
}

/// Post-redirect-get to one of our pages, optionally saying what was done.
pub fn go(settings: &Settings, route: &str, notice: Option<Notice>) -> Response {
    debug_assert!(routes::ALL.contains(&route), "{route}");
    let query = notice.map(|n| format!("?notice={}", n.id())).unwrap_or_default();
    go_to(&format!("{}{route}{query}", settings.auth_prefix))
}

/// 303 to a checked path.
pub fn go_to(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// Whether a person looks at the answer.
#[must_use]
pub fn wants_html(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    accepts.flat_map(|v| v.split(',')).any(|kind| kind.trim_start().starts_with("text/html"))
}
