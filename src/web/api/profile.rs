//! The own account, by API.

use axum::Json as Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::account::Profile;
use crate::web::WebState;
use crate::web::error::Problem;
use crate::web::extract::{Json, Member, Visitor};

/// What can be changed.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileChange {
    /// Full name.
    #[serde(default)]
    #[schema(required = true)]
    name: String,
}

/// The own account. Times are RFC 3339 in UTC.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ProfileBody {
    /// The account; never reused.
    id: String,
    /// Its address.
    email: String,
    /// Full name.
    name: String,
    /// The roles held.
    roles: Vec<String>,
    /// What they grant.
    permissions: Vec<String>,
    /// Whether the address was proved.
    email_verified: bool,
    /// A role that waits for an admin's approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_role: Option<String>,
    /// When the account was made.
    created_at: String,
    /// When the password was last set.
    password_changed_at: String,
    /// Which second factors are asked for.
    second_factor: FactorsBody,
}

/// Which second factors are asked for.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FactorsBody {
    /// Codes by mail.
    email: bool,
    /// Codes from an app.
    totp: bool,
}

impl From<Profile> for ProfileBody {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.user.id.to_string(),
            email: profile.user.email,
            name: profile.user.name,
            roles: profile.user.roles.iter().map(|r| r.as_str().to_owned()).collect(),
            permissions: profile.user.permissions,
            email_verified: profile.email_verified,
            requested_role: profile.requested_role,
            created_at: profile.created_at.to_string(),
            password_changed_at: profile.password_changed_at.to_string(),
            second_factor: FactorsBody { email: profile.email_otp, totp: profile.totp },
        }
    }
}

/// `GET /profile/` -> 200
///
/// # Errors
/// The problem.
#[utoipa::path(
    get, path = "/profile/", tag = "account", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The own account", body = ProfileBody))
)]
pub async fn get(State(state): State<WebState>, Member(me): Member) -> Result<Body<ProfileBody>, Problem> {
    Ok(Body(state.accounts.profile(&me).await?.into()))
}

/// `PATCH /profile/` -> 200
///
/// # Errors
/// The problem.
#[utoipa::path(
    patch, path = "/profile/", tag = "account", request_body = ProfileChange,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The own account as it is now", body = ProfileBody))
)]
pub async fn patch(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Json(input): Json<ProfileChange>,
) -> Result<Body<ProfileBody>, Problem> {
    Ok(Body(state.accounts.rename(&me, &input.name, &origin).await?.into()))
}
