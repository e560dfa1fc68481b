//! Recovery codes: how many are left, and a new set.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::verify_email::Nothing;
use crate::model::Secret;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Json as Sent, Member, Visitor};

/// How many are left.
#[derive(Serialize, ToSchema)]
pub struct Remaining {
    /// Codes that were not used yet.
    remaining: usize,
}

/// A new set. Shown once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Ten codes of the form `abcd-efgh-jkmn-pqrs`; each works once.
    recovery_codes: Vec<String>,
}

impl From<Vec<Secret>> for RecoveryCodes {
    fn from(codes: Vec<Secret>) -> Self {
        Self { recovery_codes: codes.iter().map(|code| code.expose().to_owned()).collect() }
    }
}

/// How many recovery codes are left.
#[utoipa::path(
    get,
    path = "/2fa/recovery-codes/",
    tag = "second-factor",
    responses((status = 200, description = "How many are left", body = Remaining)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn get(State(state): State<WebState>, Member(me): Member) -> Result<Json<Remaining>, Problem> {
    Ok(Json(Remaining { remaining: state.accounts.recovery_codes_left(&me).await? }))
}

/// Makes a new set of recovery codes; the old one ends. Needs a fresh proof of identity; every other session ends.
#[utoipa::path(
    post,
    path = "/2fa/recovery-codes/",
    tag = "second-factor",
    responses(
        (status = 200, description = "The new set; shown once", body = RecoveryCodes),
        (status = 409, description = "`no-factor`: there is nothing that they could stand in for", body = ProblemBody,
         content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn renew(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    _: Option<Sent<Nothing>>,
) -> Result<Json<RecoveryCodes>, Problem> {
    Ok(Json(RecoveryCodes::from(state.accounts.renew_recovery_codes(&me, &origin).await?)))
}
