//! Proving again who one is, before something sensitive.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::token_otp::FactorMethod;
use crate::account::{Elevate, Elevated, Method};
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{ClientInfo, Hidden, Json, Member, Visitor};

/// The proof: a password or a code. `{"method": "email"}` alone asks for a code by mail.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The password; enough only for people without a second factor, and for sessions that have seen it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    password: Hidden,
    /// A code.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    code: Hidden,
    /// What kind of code; if it is missing, of the best one that the account has.
    #[serde(default)]
    method: Option<FactorMethod>,
}

/// A new access token for the same session.
#[derive(Serialize, ToSchema)]
pub struct Renewed {
    /// The access token; missing for callers with cookies, who get it as a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<String>,
    /// `Bearer`; missing for callers with cookies.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Its life, in seconds.
    expires_in: u64,
}

/// A code was mailed.
#[derive(Serialize, ToSchema)]
pub struct Mailed {
    /// A sentence for people.
    detail: &'static str,
    /// How long the code works, in seconds.
    expires_in: u64,
}

/// Proves again who one is.
///
/// The new access token says when, and how. Sensitive calls take it for some minutes.
#[utoipa::path(
    post,
    path = "/elevate/",
    tag = "second-factor",
    request_body = Proof,
    responses(
        (status = 200, description = "Proved", body = Renewed),
        (status = 202, description = "A code was mailed", body = Mailed),
        (status = 409, description = "`method-not-available`: the account has no such method", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 423, description = "Locked after too many failures", body = ProblemBody,
         content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn post(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Extension(client): Extension<ClientInfo>,
    Json(input): Json<Proof>,
) -> Result<Response, Problem> {
    let method = input.method.map(Method::from);
    let proof = match (input.password.is_empty(), input.code.is_empty(), method) {
        (false, true, None) => Elevate::Password(input.password.0),
        (true, false, method) => Elevate::Code(input.code.0, method),
        (true, true, Some(Method::Email)) => {
            let life = state.accounts.mail_elevation_code(&me, &origin).await?;
            let detail = "A code is on its way to your e-mail address.";
            let body = Mailed { detail, expires_in: life.as_secs() };
            return Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response());
        }
        _ => return Err(Problem::required(&[("code", "Send either your password or a code.")])),
    };
    let elevated = state.accounts.elevate(&me, proof, &origin).await?;
    Ok(renewed(&state, &elevated, client.cookie_auth))
}

fn renewed(state: &WebState, elevated: &Elevated, by_cookie: bool) -> Response {
    let expires_in = elevated.expires_in.as_secs();
    let mut headers = HeaderMap::new();
    if by_cookie {
        state.cookies.renew_access(&elevated.access, elevated.session_expires_in, &mut headers);
        return (headers, axum::Json(Renewed { access: None, token_type: None, expires_in })).into_response();
    }
    let access = Some(elevated.access.expose().to_owned());
    axum::Json(Renewed { access, token_type: Some("Bearer"), expires_in }).into_response()
}
