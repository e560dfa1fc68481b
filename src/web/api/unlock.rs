//! Opening one's locked account by API, with the link from the mail.

use axum::Json;
use axum::extract::{Path, State};

use super::answer::Detail;
use super::verify_email::Nothing;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{self, Visitor};

const DONE: &str = "The account is open again. You can sign in now.";

/// `POST /unlock/{uid}/{token}/` -> 200; a body is not needed.
#[utoipa::path(
    post,
    path = "/unlock/{uid}/{token}/",
    tag = "account",
    params(
        ("uid" = String, Path, description = "The account, as in the link."),
        ("token" = String, Path, description = "The secret, as in the link."),
    ),
    responses(
        (status = 200, description = "The account is open again.", body = Detail),
        (status = 400, description = "`invalid-token`: The link is unknown, used, or its lock has ended.",
         body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn post(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    Visitor(origin): Visitor,
    _: Option<extract::Json<Nothing>>,
) -> Result<Json<Detail>, Problem> {
    state.accounts.unlock(&uid, &token, &origin).await?;
    Ok(Json(Detail::of(DONE)))
}
