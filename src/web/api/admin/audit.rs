//! Who did what to whom. This list can only be read.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{paging, span, value, wants_csv};
use crate::account::{AuditLine, AuditQuery};
use crate::model::{AccountId, Email};
use crate::web::error::Problem;
use crate::web::extract::{Limit, Member, Params};
use crate::web::{WebState, csv};

const ORDER: &str = "audit";

/// What may be asked for.
#[derive(Deserialize, Default, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Who did it: an account, `system` or `operator`.
    actor: String,
    /// To whom or what: an account, a mail, an address.
    target: String,
    /// What was done: `account.roles`, `session.logout`, …
    action: String,
    /// Not before this time (RFC 3339).
    from: String,
    /// Before this time (RFC 3339).
    to: String,
    /// Where the page begins: `next` of the page before.
    cursor: String,
    /// How many rows, 1 to 100; 20 if nothing is said.
    #[param(value_type = Option<u32>)]
    limit: Limit,
    /// `csv` for a file with all of them (at most 50,000).
    format: String,
}

/// A page of the audit trail, the newest line first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AuditTrail {
    /// Its lines.
    items: Vec<AuditItem>,
    /// Where the next page begins; null: this was the last one.
    next: Option<String>,
}

/// One line.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AuditItem {
    /// Its identifier.
    id: String,
    /// When (RFC 3339).
    at: String,
    /// Who: an account, `system` or `operator`.
    actor: String,
    /// What, as a stable word.
    action: String,
    /// To whom or what.
    target: String,
    /// From where; empty if it did not come by a request.
    ip: String,
    /// By which request; likewise.
    request_id: String,
    /// More about it.
    detail: String,
}

impl From<AuditLine> for AuditItem {
    fn from(line: AuditLine) -> Self {
        let AuditLine { id, at, actor, action, target, ip, request_id, detail } = line;
        Self { id, at: at.to_string(), actor, action, target, ip, request_id, detail }
    }
}

/// `GET /admin/audit/`
#[utoipa::path(
    get, path = "/admin/audit/", tag = "administration", params(Asked),
    responses((status = 200, description = "A page of the audit trail, or all of it as CSV", body = AuditTrail)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(
    State(state): State<WebState>,
    Member(me): Member,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let query = AuditQuery {
        actor: value(&asked.actor, actor)?,
        target: value(&asked.target, target)?,
        action: value(&asked.action, action)?,
        span: span(&asked.from, &asked.to)?,
    };
    if wants_csv(&asked.format)? {
        let header = ["id", "at", "actor", "action", "target", "ip", "request_id", "detail"];
        let all = state.accounts.whole_audit_trail(&me, &query).await?;
        let rows = all
            .into_iter()
            .map(|l| [l.id, l.at.to_string(), l.actor, l.action, l.target, l.ip, l.request_id, l.detail]);
        return csv::file("audit", header, rows);
    }
    let page = state.accounts.audit_trail(&me, &query, paging(&asked.cursor, ORDER, asked.limit)?).await?;
    let (items, next) = page.sent_as(ORDER);
    Ok(axum::Json(AuditTrail { items, next }).into_response())
}

fn actor(text: &str) -> Option<String> {
    let known = matches!(text, "system" | "operator") || text.parse::<AccountId>().is_ok();
    known.then(|| text.to_owned())
}

fn target(text: &str) -> Option<String> {
    // Accounts and mails have the same form.
    let id = text.parse::<AccountId>().is_ok().then(|| text.to_owned());
    id.or_else(|| Email::parse(text).ok().map(|email| email.to_string()))
}

fn action(text: &str) -> Option<String> {
    let word = text.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_');
    (word && text.len() <= 64).then(|| text.to_owned())
}
