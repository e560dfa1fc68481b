//! Who is asking, for front ends.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::gate::Principal;
use crate::web::error::Problem;
use crate::web::extract::{Caller, Unsure};

/// The caller. Times are seconds since the Unix epoch, as in the token.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Me {
    /// The account; stays the same for good.
    #[schema(format = "uuid")]
    id: String,
    /// Where mail goes.
    #[schema(format = "email")]
    email: String,
    /// Whether that was proved.
    email_verified: bool,
    /// What the person wants to be called.
    name: String,
    /// Names from the operator's configuration.
    roles: Vec<String>,
    /// What the roles allow.
    permissions: Vec<String>,
    /// The session of this token.
    #[schema(format = "uuid")]
    session: String,
    /// When the person last proved who they are.
    auth_time: i64,
    /// When the access token ends.
    expires: i64,
    /// How the person signed in (RFC 8176).
    #[schema(example = json!(["pwd"]))]
    amr: Vec<String>,
}

/// Who is asking.
#[utoipa::path(get, path = "/me/", tag = "integration", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The caller, with roles and permissions.", body = Me)))]
pub async fn get(Caller(caller): Caller, unsure: Option<axum::Extension<Unsure>>) -> Response {
    match caller {
        None if unsure.is_some() => Problem::later().into_response(),
        Some(principal) => Json(Me::of(&principal)).into_response(),
        None => Problem::unauthenticated().into_response(),
    }
}

impl Me {
    fn of(p: &Principal) -> Self {
        Self {
            id: p.id.to_string(),
            email: p.email.clone(),
            email_verified: p.email_verified,
            name: p.name.clone(),
            roles: p.roles.iter().map(|r| r.as_str().to_owned()).collect(),
            permissions: p.permissions.clone(),
            session: p.session.to_string(),
            auth_time: p.auth_time.secs(),
            expires: p.expires.secs(),
            amr: p.amr.clone(),
        }
    }
}
