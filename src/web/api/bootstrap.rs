//! The first admin, by the link that was printed when the gateway started.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::account::{Bootstrap, Error};
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Hidden, Json, Visitor};

/// What is sent.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstAdmin {
    /// What stands behind `#` in the link.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    token: Hidden,
    /// Full name.
    #[serde(default)]
    #[schema(required = true)]
    name: String,
    /// E-mail address.
    #[serde(default)]
    #[schema(required = true)]
    email: String,
    /// Password.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    password: Hidden,
    /// The password again.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    password_confirm: Hidden,
}

/// The account that was made.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Made {
    /// Its identifier.
    id: String,
}

/// `POST /bootstrap/` -> 201
#[utoipa::path(
    post, path = "/bootstrap/", tag = "administration", request_body = FirstAdmin,
    responses(
        (status = 201, description = "The first admin; can sign in at once", body = Made),
        (status = 410, description = "The link is wrong or used, or there is an admin", body = ProblemBody,
         content_type = "application/problem+json")
    )
)]
pub async fn post(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Json(input): Json<FirstAdmin>,
) -> Result<(StatusCode, Answer<Made>), Problem> {
    if input.token.is_empty() {
        return Err(Problem::required(&[("token", "Send what stands behind # in the link.")]));
    }
    let wanted = Bootstrap {
        token: input.token.0,
        name: input.name,
        email: input.email,
        password: input.password.0,
        password_confirm: input.password_confirm.0,
    };
    match state.accounts.bootstrap(wanted, &origin).await {
        Ok(id) => Ok((StatusCode::CREATED, Answer(Made { id: id.to_string() }))),
        Err(Error::InvalidToken) => Err(Problem::bootstrap_over()),
        Err(error) => Err(error.into()),
    }
}
