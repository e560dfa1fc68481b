//! The mails that were not sent, to look at while developing.

use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use super::AdminState;
use crate::web::error::Problem;
use crate::web::headers::CSP;
use crate::web::pages::{Frame, page};

/// Kept mails, newest first.
pub trait Mailbox: Send + Sync {
    /// All that are kept.
    fn list(&self) -> Vec<MailSummary>;
    /// One of them.
    fn get(&self, id: &str) -> Option<MailView>;
}

/// A mail in the list.
#[derive(Clone, Debug, Serialize)]
pub struct MailSummary {
    /// Stable while the mail is kept; letters, digits, `-`.
    pub id: String,
    /// To whom.
    pub to: String,
    /// What about.
    pub subject: String,
    /// When, in words or RFC 3339.
    pub at: String,
}

/// A whole mail.
#[derive(Clone, Debug, Serialize)]
pub struct MailView {
    /// Head of the mail.
    #[serde(flatten)]
    pub summary: MailSummary,
    /// From whom.
    pub from: String,
    /// The plain text.
    pub text: String,
    /// The HTML form, if there is one.
    pub html: Option<String>,
}

/// The mail's own styles and images, no scripts, no forms, an origin of its own.
const SANDBOX: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
                       style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

#[derive(Template)]
#[template(path = "pages/mailbox.html")]
struct ListPage {
    frame: Frame,
    mails: Vec<MailSummary>,
}

#[derive(Template)]
#[template(path = "pages/mail.html")]
struct MailPage {
    frame: Frame,
    mail: MailView,
    lines: Vec<Vec<Piece>>,
}

/// A stretch of plain text.
struct Piece {
    text: String,
    link: bool,
}

/// `GET /mailbox`
pub async fn list(State(state): State<AdminState>) -> Response {
    match &state.mailbox {
        Some(mailbox) => {
            let list = ListPage { frame: Frame::of(&state.settings), mails: mailbox.list() };
            page(StatusCode::OK, &list)
        }
        None => Problem::not_found().into_response(),
    }
}

/// `GET /mailbox.json`: `{"items": [whole mails]}`
pub async fn json(State(state): State<AdminState>) -> Response {
    let Some(mailbox) = &state.mailbox else { return Problem::not_found().into_response() };
    let items: Vec<MailView> = mailbox.list().iter().filter_map(|m| mailbox.get(&m.id)).collect();
    Json(serde_json::json!({ "items": items })).into_response()
}

/// `GET /mailbox/{id}`
pub async fn show(State(state): State<AdminState>, Path(id): Path<String>) -> Response {
    let Some(mail) = find(&state, &id) else { return Problem::not_found().into_response() };
    let lines = mail.text.lines().map(pieces).collect();
    let response = page(StatusCode::OK, &MailPage { frame: Frame::of(&state.settings), mail, lines });
    let framing = format!("{CSP}; frame-src 'self'");
    ([(CONTENT_SECURITY_POLICY, framing)], response).into_response()
}

/// `GET /mailbox/{id}/html`: what the iframe shows. Links open a new tab.
pub async fn html(State(state): State<AdminState>, Path(id): Path<String>) -> Response {
    match find(&state, &id).and_then(|m| m.html) {
        Some(html) => {
            let headers = [(CONTENT_SECURITY_POLICY, SANDBOX), (X_FRAME_OPTIONS, "SAMEORIGIN")];
            (headers, Html(format!("<!doctype html><base target=\"_blank\">{html}"))).into_response()
        }
        None => Problem::not_found().into_response(),
    }
}

fn find(state: &AdminState, id: &str) -> Option<MailView> {
    state.mailbox.as_ref().and_then(|m| m.get(id))
}

/// A line with its web addresses set apart.
fn pieces(line: &str) -> Vec<Piece> {
    let words = line.split_inclusive(' ');
    words
        .map(|word| {
            let link = word.starts_with("http://") || word.starts_with("https://");
            Piece { text: word.to_owned(), link }
        })
        .collect()
}
