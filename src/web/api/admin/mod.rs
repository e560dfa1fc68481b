//! Looking after other people's accounts: lists, changes, exports. Permissions and rules live in
//! [`crate::account::admin`]; here queries are read strictly (L-13) and answers are shaped.

pub mod approvals;
pub mod attempts;
pub mod audit;
pub mod mail;
pub mod people;
pub mod rules;
pub mod sessions;
pub mod user;

use std::str::FromStr;

use serde::Serialize;

use crate::account::admin::{Approval, Paging};
use crate::account::{PersonRow, Span};
use crate::model::Timestamp;
use crate::web::error::Problem;
use crate::web::extract::{Limit, cursor};

/// `{"detail": …}`
#[derive(Serialize, utoipa::ToSchema)]
pub struct Said {
    /// A sentence for people.
    detail: &'static str,
}

/// A person in a list.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonItem {
    /// The account.
    id: String,
    /// Its address.
    email: String,
    /// Full name.
    name: String,
    /// The roles held.
    roles: Vec<String>,
    /// A role that waits for approval.
    requested_role: Option<String>,
    /// `active`, `unverified`, `disabled` or `closed`.
    state: &'static str,
    /// Until when the address is locked after too many failures.
    locked_until: Option<String>,
    /// When it was made (RFC 3339).
    created_at: String,
}

impl From<Approval> for PersonItem {
    fn from(waiting: Approval) -> Self {
        waiting.person.into()
    }
}

impl From<PersonRow> for PersonItem {
    fn from(row: PersonRow) -> Self {
        Self {
            state: state(&row),
            id: row.id.to_string(),
            email: row.email.to_string(),
            name: row.name,
            roles: row.roles.iter().map(ToString::to_string).collect(),
            requested_role: row.requested_role,
            locked_until: row.locked_until.map(|t| t.to_string()),
            created_at: row.created_at.to_string(),
        }
    }
}

/// What stands in the way of a sign-in, the gravest first.
fn state(row: &PersonRow) -> &'static str {
    if row.delete_at.is_some() {
        "closed"
    } else if row.disabled_at.is_some() {
        "disabled"
    } else if row.verified_at.is_none() {
        "unverified"
    } else {
        "active"
    }
}

fn paging(text: &str, order: &str, limit: Limit) -> Result<Paging, Problem> {
    Ok(Paging { cursor: cursor(text, order)?, limit: limit.0 })
}

/// A value of the query; an empty text is none.
fn value<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = || Problem::malformed_query("The query has a value that is not known here.");
    read(text).map(Some).ok_or_else(refused)
}

/// The identifier in a path; what is none names nothing.
fn id<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

/// Whether the answer is to be a CSV file.
fn wants_csv(format: &str) -> Result<bool, Problem> {
    let known = |text: &str| match text {
        "json" => Some(false),
        "csv" => Some(true),
        _ => None,
    };
    value(format, known).map(Option::unwrap_or_default)
}

fn span(from: &str, to: &str) -> Result<Span, Problem> {
    Ok(Span { from: value(from, Timestamp::parse)?, to: value(to, Timestamp::parse)? })
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}
