//! Codes from an app as second factor: setting the app up, its first code, and removing it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::two_factor_email::Factor;
use super::two_factor_recovery::RecoveryCodes;
use super::verify_email::Nothing;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Hidden, Json as Sent, Member, Visitor};

/// What an app needs to make codes. Shown once.
#[derive(Serialize, ToSchema)]
pub struct Enrolled {
    /// The seed in base32, to be typed.
    secret: String,
    /// The same as `otpauth://` URI.
    uri: String,
    /// The URI as a picture: an `<svg>` element.
    qr_svg: String,
}

/// The first code.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct FirstCode {
    /// Six digits, as the app shows them.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    code: Hidden,
}

/// Whether codes from an app are asked for.
#[utoipa::path(
    get,
    path = "/2fa/totp/",
    tag = "second-factor",
    responses((status = 200, description = "On or off", body = Factor)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn get(State(state): State<WebState>, Member(me): Member) -> Result<Json<Factor>, Problem> {
    Ok(Json(Factor { enabled: state.accounts.totp(&me).await? }))
}

/// Begins to set up an app. Nothing is asked for before its first code was confirmed.
#[utoipa::path(
    post,
    path = "/2fa/totp/",
    tag = "second-factor",
    responses(
        (status = 200, description = "What the app needs; shown once", body = Enrolled),
        (status = 409, description = "`already-enrolled`: remove the other app first", body = ProblemBody,
         content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn enrol(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    _: Option<Sent<Nothing>>,
) -> Result<Json<Enrolled>, Problem> {
    let enrolment = state.accounts.enrol_totp(&me, &origin).await?;
    Ok(Json(Enrolled {
        secret: enrolment.secret.expose().to_owned(),
        uri: enrolment.uri.expose().to_owned(),
        qr_svg: enrolment.qr_svg.expose().to_owned(),
    }))
}

/// Confirms the first code of the app: from now on codes are asked for. Every other session ends.
#[utoipa::path(
    post,
    path = "/2fa/totp/confirm/",
    tag = "second-factor",
    request_body = FirstCode,
    responses(
        (status = 200, description = "On; the recovery codes are shown once", body = RecoveryCodes),
        (status = 409, description = "`not-begun`: there is nothing to confirm", body = ProblemBody,
         content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn confirm(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Sent(input): Sent<FirstCode>,
) -> Result<Json<RecoveryCodes>, Problem> {
    if input.code.is_empty() {
        return Err(Problem::required(&[("code", "Enter the code that the app shows.")]));
    }
    let codes = state.accounts.confirm_totp(&me, &input.code.0, &origin).await?;
    Ok(Json(RecoveryCodes::from(codes)))
}

/// Removes the app. Needs a fresh proof of identity; every other session ends.
#[utoipa::path(
    delete,
    path = "/2fa/totp/",
    tag = "second-factor",
    responses(
        (status = 204, description = "Off"),
        (status = 404, description = "There is none", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn remove(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
) -> Result<StatusCode, Problem> {
    state.accounts.remove_totp(&me, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
