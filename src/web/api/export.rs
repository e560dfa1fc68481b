//! One's own data as one document, by API.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::profile::ProfileBody;
use crate::account::{Deed, Export, KeptAttempt, KeptDevice, KeptSession};
use crate::web::WebState;
use crate::web::error::Problem;
use crate::web::extract::Member;

/// Everything that is kept about a person. Times are RFC 3339 in UTC.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExportBody {
    /// When it was put together.
    exported_at: String,
    /// The account.
    profile: ProfileBody,
    /// How many recovery codes are unused.
    recovery_codes_left: usize,
    /// Sign-ins, newest first.
    sessions: Vec<ExportedSession>,
    /// Tries to sign in, newest first.
    attempts: Vec<ExportedAttempt>,
    /// Known devices.
    devices: Vec<ExportedDevice>,
    /// What was done by or to the account, newest first.
    audit: Vec<ExportedDeed>,
}

/// A sign-in.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExportedSession {
    /// When it began.
    created_at: String,
    /// When it was last used.
    last_seen_at: String,
    /// When it ended; missing while it is open.
    ended_at: Option<String>,
    /// From where.
    ip: String,
    /// With what, as the client says.
    user_agent: String,
    /// How it was proved (RFC 8176).
    amr: Vec<String>,
}

/// A try to sign in.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExportedAttempt {
    /// When.
    at: String,
    /// From where.
    ip: String,
    /// With what, as the client says.
    user_agent: String,
    /// `success`, `failure` or `challenge`.
    outcome: String,
    /// A stable word.
    reason: String,
}

/// A known device.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExportedDevice {
    /// When it began.
    created_at: String,
    /// When it was last used.
    last_seen_at: String,
    /// From where.
    ip: String,
    /// With what, as the client says.
    user_agent: String,
    /// Until when no second factor is asked for there.
    trusted_until: Option<String>,
}

/// Something done by or to the account.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ExportedDeed {
    /// When.
    at: String,
    /// `you`, `somebody`, `system`, `operator` or `administrator`.
    by: String,
    /// A stable word.
    action: String,
    /// From where.
    ip: String,
}

/// `GET /export/` -> 200
///
/// # Errors
/// The problem.
#[utoipa::path(
    get, path = "/export/", tag = "account", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "One's own data", body = ExportBody))
)]
pub async fn get(State(state): State<WebState>, Member(me): Member) -> Result<Response, Problem> {
    let export = state.accounts.export(&me).await?;
    let mut response = Json(ExportBody::from(export)).into_response();
    let name = HeaderValue::from_static("attachment; filename=\"my-data.json\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

impl From<Export> for ExportBody {
    fn from(export: Export) -> Self {
        let session = |s: KeptSession| ExportedSession {
            created_at: s.created_at.to_string(),
            last_seen_at: s.last_seen_at.to_string(),
            ended_at: s.ended_at.map(|t| t.to_string()),
            ip: s.ip,
            user_agent: s.user_agent,
            amr: s.amr.split(' ').map(str::to_owned).collect(),
        };
        let attempt = |a: KeptAttempt| ExportedAttempt {
            at: a.at.to_string(),
            ip: a.ip,
            user_agent: a.user_agent,
            outcome: a.outcome,
            reason: a.reason,
        };
        let device = |d: KeptDevice| ExportedDevice {
            created_at: d.created_at.to_string(),
            last_seen_at: d.last_seen_at.to_string(),
            ip: d.ip,
            user_agent: d.user_agent,
            trusted_until: d.trusted_until.map(|t| t.to_string()),
        };
        let deed =
            |d: Deed| ExportedDeed { at: d.at.to_string(), by: d.by.to_owned(), action: d.action, ip: d.ip };
        Self {
            exported_at: export.at.to_string(),
            profile: export.profile.into(),
            recovery_codes_left: export.recovery_codes,
            sessions: export.sessions.into_iter().map(session).collect(),
            attempts: export.attempts.into_iter().map(attempt).collect(),
            devices: export.devices.into_iter().map(device).collect(),
            audit: export.audit.into_iter().map(deed).collect(),
        }
    }
}
