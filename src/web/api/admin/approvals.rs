//! Roles that wait for an approval.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::{PersonItem, Said, id, paging};
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Json, Limit, Member, Params, Visitor};

const ORDER: &str = "approvals";

/// What may be asked for.
#[derive(Deserialize, Default, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Where the page begins: `next` of the page before.
    cursor: String,
    /// How many rows, 1 to 100; 20 if nothing is said.
    #[param(value_type = Option<u32>)]
    limit: Limit,
}

/// A page of those who wait, the longest waiting first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Approvals {
    /// Its rows; `requested_role` is what they wait for.
    items: Vec<PersonItem>,
    /// Where the next page begins; null: this was the last one.
    next: Option<String>,
}

/// The decision.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Decision {
    /// Whether the person gets the role.
    #[schema(value_type = bool, required = true)]
    approve: Option<bool>,
}

/// `GET /admin/approvals/`
#[utoipa::path(
    get, path = "/admin/approvals/", tag = "administration", params(Asked),
    responses((status = 200, description = "A page of those who wait", body = Approvals)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(
    State(state): State<WebState>,
    Member(me): Member,
    Params(asked): Params<Asked>,
) -> Result<axum::Json<Approvals>, Problem> {
    let page = state.accounts.approvals(&me, paging(&asked.cursor, ORDER, asked.limit)?).await?;
    let (items, next) = page.sent_as(ORDER);
    Ok(axum::Json(Approvals { items, next }))
}

/// `POST /admin/approvals/{id}/`
#[utoipa::path(
    post, path = "/admin/approvals/{id}/", tag = "administration", params(("id" = String, Path, description = "The account")),
    request_body = Decision,
    responses(
        (status = 200, description = "Decided; the person is told by mail", body = Said),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Nothing to decide", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn decide(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(user): Path<String>,
    Json(input): Json<Decision>,
) -> Result<axum::Json<Said>, Problem> {
    let missing = || Problem::required(&[("approve", "Say whether the person gets the role.")]);
    let approve = input.approve.ok_or_else(missing)?;
    state.accounts.decide(&me, id(&user)?, approve, &origin).await?;
    let detail = if approve { "The role is granted." } else { "The role is refused." };
    Ok(axum::Json(Said { detail }))
}
