//! Every try to sign in, for auditors.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{paging, span, text, value, wants_csv};
use crate::account::{AttemptLine, AttemptQuery};
use crate::model::{ClientIp, Email};
use crate::web::error::Problem;
use crate::web::extract::{Limit, Member, Params};
use crate::web::{WebState, csv};

const ORDER: &str = "attempts";

/// What may be asked for.
#[derive(Deserialize, Default, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// An account.
    account: String,
    /// The address that was tried.
    address: String,
    /// From where.
    ip: String,
    /// `success`, `failure` or `challenge` (a second factor was asked for).
    outcome: String,
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

/// A page of tries, the newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Attempts {
    /// Its rows.
    items: Vec<AttemptItem>,
    /// Where the next page begins; null: this was the last one.
    next: Option<String>,
}

/// One try.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AttemptItem {
    /// Its identifier.
    id: String,
    /// When (RFC 3339).
    at: String,
    /// Whose account, if there was one with that address.
    account: Option<String>,
    /// The address tried.
    address: String,
    /// From where.
    ip: String,
    /// With what.
    user_agent: String,
    /// `success`, `failure` or `challenge` (a second factor was asked for).
    outcome: String,
    /// A stable word that says why.
    reason: String,
}

impl From<AttemptLine> for AttemptItem {
    fn from(a: AttemptLine) -> Self {
        Self {
            id: a.id,
            at: a.at.to_string(),
            account: a.account.map(|id| id.to_string()),
            address: a.address,
            ip: a.ip,
            user_agent: a.user_agent,
            outcome: a.outcome,
            reason: a.reason,
        }
    }
}

/// `GET /admin/attempts/`
#[utoipa::path(
    get, path = "/admin/attempts/", tag = "administration", params(Asked),
    responses((status = 200, description = "A page of tries, or all of them as CSV", body = Attempts)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(
    State(state): State<WebState>,
    Member(me): Member,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let query = query(&asked)?;
    if wants_csv(&asked.format)? {
        let header = ["id", "at", "account", "address", "ip", "user_agent", "outcome", "reason"];
        let all = state.accounts.all_attempts(&me, &query).await?;
        let rows = all.into_iter().map(|a| {
            [a.id, a.at.to_string(), text(a.account), a.address, a.ip, a.user_agent, a.outcome, a.reason]
        });
        return csv::file("attempts", header, rows);
    }
    let page = state.accounts.attempts(&me, &query, paging(&asked.cursor, ORDER, asked.limit)?).await?;
    let (items, next) = page.sent_as(ORDER);
    Ok(axum::Json(Attempts { items, next }).into_response())
}

fn query(asked: &Asked) -> Result<AttemptQuery, Problem> {
    let outcome = |text: &str| ["success", "failure", "challenge"].into_iter().find(|o| *o == text);
    Ok(AttemptQuery {
        account: value(&asked.account, |text| text.parse().ok())?,
        address: value(&asked.address, |text| Email::parse(text).ok())?,
        ip: value(&asked.ip, |text| text.parse().ok().map(ClientIp::new))?,
        outcome: value(&asked.outcome, outcome)?,
        span: span(&asked.from, &asked.to)?,
    })
}
