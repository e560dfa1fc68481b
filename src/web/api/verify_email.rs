//! Proving an address by API: link, code, sending again.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Detail, detail};
use crate::account::Proved;
use crate::web::WebState;
use crate::web::error::Problem;
use crate::web::extract::{Json, Visitor};

/// The typed code.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = VerifyCode)]
pub struct Code {
    /// The address that the code was mailed to.
    #[schema(required, format = "email", min_length = 3, max_length = 254, example = "mia@example.org")]
    email: String,
    /// As mailed; spaces do not matter.
    #[schema(required, min_length = 1, example = "123456")]
    code: String,
}

/// Whom to mail again.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ResendVerification)]
pub struct Resend {
    /// The address that waits for its proof.
    #[schema(required, format = "email", min_length = 3, max_length = 254, example = "mia@example.org")]
    email: String,
}

/// The link says it all.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

const fn sentence(proved: Proved) -> &'static str {
    match proved {
        Proved::Ready => "The address is confirmed. You can sign in now.",
        Proved::ChoosePassword => {
            "The address is confirmed. It was registered more than once, so a mail to choose the password is on its way."
        }
    }
}

/// Proves an address by the mailed link.
///
/// A body is not needed.
#[utoipa::path(post, path = "/verify-email/{uid}/{token}/", tag = "registration", request_body = Option<Nothing>,
    params(("uid" = String, Path, description = "Whose link it is."), ("token" = String, Path, description = "The secret of the link.")),
    responses((status = 200, description = "The address is confirmed.", body = Detail)))]
pub async fn link(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    Visitor(origin): Visitor,
    _: Option<Json<Nothing>>,
) -> Result<Response, Problem> {
    let proved = state.accounts.verify_by_link(&uid, &token, &origin).await?;
    Ok(detail(StatusCode::OK, sentence(proved)))
}

/// Proves an address by the mailed code.
#[utoipa::path(post, path = "/verify-email/code/", tag = "registration", request_body = Code,
    responses((status = 200, description = "The address is confirmed.", body = Detail)))]
pub async fn code(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Json(input): Json<Code>,
) -> Result<Response, Problem> {
    let proved = state.accounts.verify_by_code(&input.email, &input.code, &origin).await?;
    Ok(detail(StatusCode::OK, sentence(proved)))
}

/// Mails link and code again.
///
/// The answer is the same whoever asks for whom.
#[utoipa::path(post, path = "/resend-verification/", tag = "registration", request_body = Resend,
    responses((status = 202, description = "If the address waits for confirmation, a mail is on its way.", body = Detail)))]
pub async fn resend(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Json(input): Json<Resend>,
) -> Result<Response, Problem> {
    state.accounts.resend_verification(&input.email, &origin).await?;
    let sentence = "If this address waits for confirmation, a new mail is on its way.";
    Ok(detail(StatusCode::ACCEPTED, sentence))
}
