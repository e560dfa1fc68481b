//! Codes by mail as second factor: on, off, and which.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::verify_email::Nothing;
use crate::web::WebState;
use crate::web::error::Problem;
use crate::web::extract::{Json as Sent, Member, Visitor};

/// Whether a factor is switched on.
#[derive(Serialize, ToSchema)]
pub struct Factor {
    /// Whether it is asked for.
    pub(super) enabled: bool,
}

/// Whether codes by mail are asked for.
#[utoipa::path(
    get,
    path = "/2fa/email/",
    tag = "second-factor",
    responses((status = 200, description = "On or off", body = Factor)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn get(State(state): State<WebState>, Member(me): Member) -> Result<Json<Factor>, Problem> {
    Ok(Json(Factor { enabled: state.accounts.email_otp(&me).await? }))
}

/// Switches codes by mail on. Needs a fresh proof of identity; every other session ends.
#[utoipa::path(
    post,
    path = "/2fa/email/",
    tag = "second-factor",
    responses((status = 200, description = "On", body = Factor)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn on(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    _: Option<Sent<Nothing>>,
) -> Result<Json<Factor>, Problem> {
    state.accounts.set_email_otp(&me, true, &origin).await?;
    Ok(Json(Factor { enabled: true }))
}

/// Switches codes by mail off. Needs a fresh proof of identity; every other session ends.
///
/// People whose role needs a second factor are asked for them all the same as long as they have no other.
#[utoipa::path(
    delete,
    path = "/2fa/email/",
    tag = "second-factor",
    responses((status = 200, description = "Off", body = Factor)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn off(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
) -> Result<Json<Factor>, Problem> {
    state.accounts.set_email_otp(&me, false, &origin).await?;
    Ok(Json(Factor { enabled: false }))
}
