//! Another address, by API.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Detail, detail};
use super::verify_email::Nothing;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Hidden, Json, Member, Visitor};

/// The address to come.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailChange {
    /// Where the confirmation goes.
    #[serde(default)]
    #[schema(required = true)]
    email: String,
}

/// The mailed code.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailCode {
    /// Six digits.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    code: Hidden,
}

const CHANGED: &str = "The address is changed. Every other session has ended.";

/// `POST /change-email/` -> 202, whether the address is free or not.
///
/// # Errors
/// The problem.
#[utoipa::path(
    post, path = "/change-email/", tag = "account", request_body = EmailChange,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 202, description = "Taken; confirm at the new address", body = Detail))
)]
pub async fn request(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Json(input): Json<EmailChange>,
) -> Result<Response, Problem> {
    state.accounts.request_email_change(&me, &input.email, &origin).await?;
    let sentence = "If this address can be used, a mail with a link and a code is on its way to it.";
    Ok(detail(StatusCode::ACCEPTED, sentence))
}

/// `POST /change-email/{uid}/{token}/` -> 200; a body is not needed.
///
/// # Errors
/// The problem.
#[utoipa::path(
    post, path = "/change-email/{uid}/{token}/", tag = "account",
    params(("uid" = String, Path, description = "From the mail"), ("token" = String, Path, description = "From the mail")),
    responses(
        (status = 200, description = "The account has the new address", body = Detail),
        (status = 400, description = "The link is not valid (any more)", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn link(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    Visitor(origin): Visitor,
    _: Option<Json<Nothing>>,
) -> Result<Response, Problem> {
    state.accounts.change_email_by_link(&uid, &token, &origin).await?;
    Ok(detail(StatusCode::OK, CHANGED))
}

/// `POST /change-email/code/` -> 200
///
/// # Errors
/// The problem.
#[utoipa::path(
    post, path = "/change-email/code/", tag = "account", request_body = EmailCode,
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The account has the new address", body = Detail),
        (status = 400, description = "The code is not valid (any more)", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn code(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Json(input): Json<EmailCode>,
) -> Result<Response, Problem> {
    state.accounts.change_email_by_code(&me, input.code.0.expose(), &origin).await?;
    Ok(detail(StatusCode::OK, CHANGED))
}
