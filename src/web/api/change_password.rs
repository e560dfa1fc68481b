//! Another password, by API.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Detail, detail};
use crate::account::{ChangePassword, NewPassword};
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Hidden, Json, Member, Visitor};

/// The present password and the one to come.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The present one.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    current_password: Hidden,
    /// Held to the password policy.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    new_password: Hidden,
    /// The same again.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    new_password_confirm: Hidden,
}

/// `POST /change-password/` -> 200
///
/// # Errors
/// The problem.
#[utoipa::path(
    post, path = "/change-password/", tag = "account", request_body = PasswordChange,
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "Changed; every other session has ended", body = Detail),
        (status = 409, description = "Changed from elsewhere meanwhile", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 423, description = "Too many wrong passwords", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn post(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Json(input): Json<PasswordChange>,
) -> Result<Response, Problem> {
    let new = NewPassword { password: input.new_password.0, confirm: input.new_password_confirm.0 };
    let change = ChangePassword { current: input.current_password.0, new };
    state.accounts.change_password(&me, &change, &origin).await?;
    Ok(detail(StatusCode::OK, "The password is changed. Every other session has ended."))
}
