//! The outbox: who gets what, what did not work, and sending it again. Never the contents.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Said, id, paging, value};
use crate::account::{MailState, QueuedMail};
use crate::model::RequestId;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Limit, Member, Params, Visitor};

const ORDER: &str = "mail";

/// What may be asked for.
#[derive(Deserialize, Default, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// `waiting`, `dead` or `sent`.
    state: String,
    /// Where the page begins: `next` of the page before.
    cursor: String,
    /// How many rows, 1 to 100; 20 if nothing is said.
    #[param(value_type = Option<u32>)]
    limit: Limit,
}

/// A page of the outbox, the newest mail first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Mails {
    /// Its rows.
    items: Vec<MailItem>,
    /// Where the next page begins; null: this was the last one.
    next: Option<String>,
}

/// One mail, without its contents.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MailItem {
    /// Its identifier.
    id: String,
    /// To whom.
    recipient: String,
    /// Which mail it is: `activation`, `reset`, …
    kind: String,
    /// `waiting`, `dead` or `sent`.
    state: String,
    /// How often it was tried.
    tries: u64,
    /// What the last failure was.
    last_error: String,
    /// When it came to be (RFC 3339).
    created_at: String,
    /// When it is tried next; null unless it waits.
    next_at: Option<String>,
    /// When it was sent.
    sent_at: Option<String>,
}

impl From<QueuedMail> for MailItem {
    fn from(m: QueuedMail) -> Self {
        Self {
            next_at: (m.state == MailState::Waiting.as_str()).then(|| m.next_at.to_string()),
            id: m.id,
            recipient: m.recipient,
            kind: m.kind,
            state: m.state,
            tries: m.tries,
            last_error: m.last_error,
            created_at: m.created_at.to_string(),
            sent_at: m.sent_at.map(|t| t.to_string()),
        }
    }
}

/// `GET /admin/mail/`
#[utoipa::path(
    get, path = "/admin/mail/", tag = "administration", params(Asked),
    responses((status = 200, description = "A page of the outbox", body = Mails)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(
    State(state): State<WebState>,
    Member(me): Member,
    Params(asked): Params<Asked>,
) -> Result<axum::Json<Mails>, Problem> {
    let read = |text: &str| MailState::ALL.into_iter().find(|s| s.as_str() == text);
    let (wanted, part) = (value(&asked.state, read)?, paging(&asked.cursor, ORDER, asked.limit)?);
    let page = state.accounts.mails(&me, wanted, part).await?;
    let (items, next) = page.sent_as(ORDER);
    Ok(axum::Json(Mails { items, next }))
}

/// `POST /admin/mail/{id}/retry/` -> 202
#[utoipa::path(
    post, path = "/admin/mail/{id}/retry/", tag = "administration", params(("id" = String, Path, description = "The mail")),
    responses(
        (status = 202, description = "It is tried again at once", body = Said),
        (status = 404, description = "No such mail", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Sent already", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn retry(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(mail): Path<String>,
) -> Result<(StatusCode, axum::Json<Said>), Problem> {
    let mail: RequestId = id(&mail)?;
    state.accounts.retry_mail(&me, &mail.to_string(), &origin).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(Said { detail: "The mail is tried again now." })))
}
