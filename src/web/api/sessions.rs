//! One's own sessions by API.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::logout::clear;
use crate::account::OwnSession;
use crate::model::SessionId;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Member, Visitor};

/// A session of one's own. Times are RFC 3339 in UTC.
#[derive(Serialize, ToSchema)]
pub struct Session {
    /// Its identifier, the `sid` of its tokens.
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    /// The address it was last seen at.
    ip: String,
    /// What the client called itself then.
    user_agent: String,
    /// When it began.
    created_at: String,
    /// When it was last refreshed.
    last_seen_at: String,
    /// Ends then unless it is used.
    idle_expires_at: String,
    /// Ends then in any case.
    expires_at: String,
    /// How the person signed in (RFC 8176).
    amr: Vec<String>,
}

/// One's open sessions.
#[derive(Serialize, ToSchema)]
pub struct Sessions {
    /// The newest first.
    items: Vec<Session>,
}

impl From<OwnSession> for Session {
    fn from(s: OwnSession) -> Self {
        Self {
            id: s.id.to_string(),
            current: s.current,
            ip: s.ip,
            user_agent: s.user_agent,
            created_at: s.created_at.to_string(),
            last_seen_at: s.last_seen_at.to_string(),
            idle_expires_at: s.idle_expires_at.to_string(),
            expires_at: s.expires_at.to_string(),
            amr: s.amr,
        }
    }
}

/// `GET /sessions/`
#[utoipa::path(
    get,
    path = "/sessions/",
    tag = "sessions",
    responses((status = 200, description = "The open sessions of whoever asks.", body = Sessions)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(State(state): State<WebState>, Member(me): Member) -> Result<Json<Sessions>, Problem> {
    let items = state.accounts.sessions(&me).await?;
    Ok(Json(Sessions { items: items.into_iter().map(Session::from).collect() }))
}

/// `DELETE /sessions/` -> 204
#[utoipa::path(
    delete,
    path = "/sessions/",
    tag = "sessions",
    responses((status = 204, description = "All sessions but the one that asks have ended.")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn end_others(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
) -> Result<StatusCode, Problem> {
    state.accounts.end_other_sessions(&me, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /sessions/{id}/`
#[utoipa::path(
    get,
    path = "/sessions/{id}/",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "One of one's open sessions.", body = Session),
        (status = 404, description = "There is no such session, it has ended, or it is somebody else's.",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn one(
    State(state): State<WebState>,
    Member(me): Member,
    Path(id): Path<String>,
) -> Result<Json<Session>, Problem> {
    Ok(Json(state.accounts.session(&me, named(&id)?).await?.into()))
}

/// `DELETE /sessions/{id}/` -> 204; whoever ends the session in use is signed out.
#[utoipa::path(
    delete,
    path = "/sessions/{id}/",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses(
        (status = 204, description = "The session has ended."),
        (status = 404, description = "There is no such session, it has ended, or it is somebody else's.",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn end_one(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = named(&id)?;
    state.accounts.end_one_session(&me, id, &origin).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if id == me.session {
        clear(&state.cookies, response.headers_mut());
    }
    Ok(response)
}

fn named(id: &str) -> Result<SessionId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}
