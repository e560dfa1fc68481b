//! "This was not me" by API, with the link from the mail about a new device.

use axum::Json;
use axum::extract::{Path, State};

use super::answer::Detail;
use super::verify_email::Nothing;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{self, Visitor};

const DONE: &str = "Every sign-in has been ended, and the password is not taken any more. Ask for a new one with \"Forgot password\".";

/// `POST /not-me/{uid}/{token}/` -> 200; a body is not needed.
#[utoipa::path(
    post,
    path = "/not-me/{uid}/{token}/",
    tag = "account",
    params(
        ("uid" = String, Path, description = "The account, as in the link."),
        ("token" = String, Path, description = "The secret, as in the link."),
    ),
    responses(
        (status = 200, description = "Every session has ended; the password must be reset.", body = Detail),
        (status = 400, description = "`invalid-token`: The link is unknown, used or too old.",
         body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn post(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    Visitor(origin): Visitor,
    _: Option<extract::Json<Nothing>>,
) -> Result<Json<Detail>, Problem> {
    state.accounts.not_me(&uid, &token, &origin).await?;
    Ok(Json(Detail::of(DONE)))
}
