//! Sign-up by API.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Detail, detail};
use crate::account::Register;
use crate::web::WebState;
use crate::web::error::Problem;
use crate::web::extract::{Hidden, Json, Visitor};

/// What is sent.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Registration)]
pub struct Input {
    /// What the person wants to be called.
    #[schema(required, min_length = 1, max_length = 100, example = "Mia")]
    name: String,
    /// Where the proof goes.
    #[schema(required, format = "email", min_length = 3, max_length = 254, example = "mia@example.org")]
    email: String,
    /// The operator decides how strong it must be; the answer to a weak one says so.
    #[schema(required)]
    password: Hidden,
    /// The same once more.
    #[schema(required)]
    password_confirm: Hidden,
    /// One of the roles that people may choose; some of them wait for approval.
    role: Option<String>,
}

/// Registers an account.
///
/// The answer does not tell whether the address has an account already: its owner reads that in a mail.
#[utoipa::path(post, path = "/register/", tag = "registration", request_body = Input,
    responses((status = 202, description = "If the address can be registered, a mail is on its way.", body = Detail)))]
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
    let sentence = "If this address can be registered, a mail with a link and a code is on its way.";
    Ok(detail(StatusCode::ACCEPTED, sentence))
}
