//! Closing the own account and keeping it after all, by API.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answer::{Detail, detail};
use super::logout;
use super::verify_email::Nothing;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Json, Member, Visitor};

/// The account is closed.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Closing {
    /// What happens now.
    detail: String,
    /// When it is deleted; RFC 3339 in UTC.
    deletes_at: String,
}

/// `DELETE /profile/` -> 202; a body is not needed.
///
/// # Errors
/// The problem.
#[utoipa::path(
    delete, path = "/profile/", tag = "account", security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 202, description = "Closed and signed out everywhere; deleted later", body = Closing),
        (status = 409, description = "The last person who may do everything", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn close(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    _: Option<Json<Nothing>>,
) -> Result<Response, Problem> {
    let until = state.accounts.close_account(&me, &origin).await?;
    let sentence = "The account is closed. The link in the mail keeps it until it is deleted.";
    let body = Closing { detail: sentence.to_owned(), deletes_at: until.to_string() };
    let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
    logout::clear(&state.cookies, response.headers_mut());
    Ok(response)
}

/// `POST /undo-deletion/{uid}/{token}/` -> 200; a body is not needed.
///
/// # Errors
/// The problem.
#[utoipa::path(
    post, path = "/undo-deletion/{uid}/{token}/", tag = "account",
    params(("uid" = String, Path, description = "From the mail"), ("token" = String, Path, description = "From the mail")),
    responses(
        (status = 200, description = "The account stays", body = Detail),
        (status = 400, description = "The link is not valid (any more)", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn undo(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    Visitor(origin): Visitor,
    _: Option<Json<Nothing>>,
) -> Result<Response, Problem> {
    state.accounts.undo_deletion(&uid, &token, &origin).await?;
    Ok(detail(StatusCode::OK, "The account stays. You can sign in again."))
}
