//! Proving an address by API: link, code, sending again.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::said;
use crate::web::WebState;
use crate::web::error::Problem;
use crate::web::extract::{Json, Visitor};

/// The typed code.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Code {
    email: String,
    code: String,
}

/// Whom to mail again.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Resend {
    email: String,
}

/// The link says it all.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

const ACTIVE: &str = "The address is confirmed. You can sign in now.";

/// `POST /verify-email/{uid}/{token}/` -> 200; a body is not needed.
pub async fn link(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    Visitor(origin): Visitor,
    _: Option<Json<Nothing>>,
) -> Result<Response, Problem> {
    state.accounts.verify_by_link(&uid, &token, &origin).await?;
    Ok(said(StatusCode::OK, ACTIVE))
}

/// `POST /verify-email/code/` -> 200
pub async fn code(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Json(input): Json<Code>,
) -> Result<Response, Problem> {
    state.accounts.verify_by_code(&input.email, &input.code, &origin).await?;
    Ok(said(StatusCode::OK, ACTIVE))
}

/// `POST /resend-verification/` -> 202, whoever asks for whom.
pub async fn resend(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Json(input): Json<Resend>,
) -> Result<Response, Problem> {
    state.accounts.resend_verification(&input.email, &origin).await?;
    let detail = "If this address waits for confirmation, a new mail is on its way.";
    Ok(said(StatusCode::ACCEPTED, detail))
}
