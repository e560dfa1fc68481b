//! Sign-up by API.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::said;
use crate::account::Register;
use crate::web::WebState;
use crate::web::error::Problem;
use crate::web::extract::{Hidden, Json, Visitor};

/// What is sent.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    name: String,
    email: String,
    password: Hidden,
    password_confirm: Hidden,
    role: Option<String>,
}

/// `POST /register/` -> 202
pub async fn post(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Json(input): Json<Input>,
) -> Result<Response, Problem> {
    let register = Register {
        name: input.name,
        email: input.email,
        password: input.password.0,
        password_confirm: input.password_confirm.0,
        role: input.role.filter(|r| !r.is_empty()),
    };
    state.accounts.register(register, &origin).await?;
    let detail = "If this address can be registered, a mail with a link and a code is on its way.";
    Ok(said(StatusCode::ACCEPTED, detail))
}
