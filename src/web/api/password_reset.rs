//! A new password by mail, by API.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Detail, detail};
use crate::account::{Error, NewPassword, Proof, Reset};
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Hidden, Json, Visitor};

/// Who forgot.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// The address of the account.
    #[serde(default)]
    #[schema(required = true)]
    email: String,
}

/// The new password, and what shows that one reads the mail: either `uid` and `token` of the link, or `email` and
/// `code`.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetConfirm {
    /// From the link.
    #[serde(default)]
    uid: String,
    /// From the link.
    #[serde(default)]
    #[schema(value_type = String)]
    token: Hidden,
    /// The address the code was mailed to.
    #[serde(default)]
    email: String,
    /// Six digits.
    #[serde(default)]
    #[schema(value_type = String)]
    code: Hidden,
    /// Held to the password policy.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    new_password: Hidden,
    /// The same again.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    new_password_confirm: Hidden,
}

/// `POST /password-reset/` -> 202, whoever asks for whom.
///
/// # Errors
/// The problem.
#[utoipa::path(
    post, path = "/password-reset/", tag = "account", request_body = ResetRequest,
    responses((status = 202, description = "Taken; a mail goes out if the address has an account", body = Detail))
)]
pub async fn request(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Json(input): Json<ResetRequest>,
) -> Result<Response, Problem> {
    state.accounts.request_reset(&input.email, &origin).await?;
    let sentence = "If this address has an account, a mail with a link and a code is on its way.";
    Ok(detail(StatusCode::ACCEPTED, sentence))
}

/// `POST /password-reset/confirm/` -> 200
///
/// # Errors
/// The problem.
#[utoipa::path(
    post, path = "/password-reset/confirm/", tag = "account", request_body = ResetConfirm,
    responses(
        (status = 200, description = "The password is set, every session has ended", body = Detail),
        (status = 400, description = "Link or code is not valid (any more)", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn confirm(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Json(input): Json<ResetConfirm>,
) -> Result<Response, Problem> {
    let proof = proof(input.uid, input.token, input.email, input.code)?;
    let new = NewPassword { password: input.new_password.0, confirm: input.new_password_confirm.0 };
    state.accounts.reset_password(Reset { proof, new }, &origin).await?;
    Ok(detail(StatusCode::OK, "The password is set. Sign in with it."))
}

/// One proof, not none and not two.
fn proof(uid: String, token: Hidden, email: String, code: Hidden) -> Result<Proof, Error> {
    let by_link = !uid.is_empty() && !token.is_empty();
    let by_code = !email.is_empty() && !code.is_empty();
    match (by_link, by_code) {
        (true, false) if email.is_empty() && code.is_empty() => Ok(Proof::Link { uid, token: token.0 }),
        (false, true) if uid.is_empty() && token.is_empty() => Ok(Proof::Code { email, code: code.0 }),
        _ => Err(Error::InvalidToken),
    }
}
