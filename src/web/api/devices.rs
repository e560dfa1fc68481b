//! One's own devices by API: those that are known, and which of them go without a second factor.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::OwnDevice;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Member, Visitor};

/// A device one has signed in on. Times are RFC 3339 in UTC.
#[derive(Serialize, ToSchema)]
pub struct Device {
    /// Its identifier; not a credential.
    id: String,
    /// What it called itself when it last signed in.
    user_agent: String,
    /// The address it last signed in from.
    ip: String,
    /// When it first signed in.
    created_at: String,
    /// When it last signed in.
    last_seen_at: String,
    /// Until when it is not asked for a second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_until: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

/// One's devices.
#[derive(Serialize, ToSchema)]
pub struct Devices {
    /// The last used first.
    items: Vec<Device>,
}

impl From<OwnDevice> for Device {
    fn from(d: OwnDevice) -> Self {
        Self {
            id: d.id.to_string(),
            user_agent: d.user_agent,
            ip: d.ip,
            created_at: d.created_at.to_string(),
            last_seen_at: d.last_seen_at.to_string(),
            trusted_until: d.trusted_until.map(|t| t.to_string()),
            current: d.current,
        }
    }
}

/// `GET /2fa/devices/`
#[utoipa::path(
    get,
    path = "/2fa/devices/",
    tag = "second-factor",
    responses((status = 200, description = "The devices of whoever asks.", body = Devices)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(State(state): State<WebState>, Member(me): Member) -> Result<Json<Devices>, Problem> {
    let items = state.accounts.devices(&me).await?;
    Ok(Json(Devices { items: items.into_iter().map(Device::from).collect() }))
}

/// `DELETE /2fa/devices/` -> 204
#[utoipa::path(
    delete,
    path = "/2fa/devices/",
    tag = "second-factor",
    responses((status = 204, description = "All devices are forgotten: each is asked for the second factor again.")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn forget_all(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
) -> Result<StatusCode, Problem> {
    state.accounts.forget_all_devices(&me, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /2fa/devices/{id}/` -> 204
#[utoipa::path(
    delete,
    path = "/2fa/devices/{id}/",
    tag = "second-factor",
    params(("id" = String, Path, description = "The device.")),
    responses(
        (status = 204, description = "The device is forgotten; sessions on it live on."),
        (status = 404, description = "There is no such device, or it is somebody else's.",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn forget_one(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    state.accounts.forget_one_device(&me, id, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
