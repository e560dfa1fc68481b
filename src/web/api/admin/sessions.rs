//! The open sessions of a person.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::id;
use crate::account::OpenSession;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Member, Visitor};

/// The open sessions, the last used first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonSessions {
    /// All of them.
    items: Vec<PersonSession>,
}

/// An open session.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonSession {
    /// The session.
    id: String,
    /// From where it was last used.
    ip: String,
    /// With what.
    user_agent: String,
    /// When it began.
    created_at: String,
    /// When it was last used.
    last_seen_at: String,
    /// When it ends in any case.
    expires_at: String,
    /// How the person signed in (RFC 8176).
    amr: Vec<String>,
}

impl From<OpenSession> for PersonSession {
    fn from(s: OpenSession) -> Self {
        Self {
            id: s.id.to_string(),
            ip: s.ip,
            user_agent: s.user_agent,
            created_at: s.created_at.to_string(),
            last_seen_at: s.last_seen_at.to_string(),
            expires_at: s.expires_at.to_string(),
            amr: s.amr.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

/// `GET /admin/users/{id}/sessions/`
#[utoipa::path(
    get, path = "/admin/users/{id}/sessions/", tag = "administration", params(("id" = String, Path, description = "The account")),
    responses(
        (status = 200, description = "The open sessions", body = PersonSessions),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(
    State(state): State<WebState>,
    Member(me): Member,
    Path(user): Path<String>,
) -> Result<axum::Json<PersonSessions>, Problem> {
    let sessions = state.accounts.sessions_of(&me, id(&user)?).await?;
    Ok(axum::Json(PersonSessions { items: sessions.into_iter().map(Into::into).collect() }))
}

/// `DELETE /admin/users/{id}/sessions/` -> 204
#[utoipa::path(
    delete, path = "/admin/users/{id}/sessions/", tag = "administration", params(("id" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "All of them have ended"),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn end(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    state.accounts.end_sessions_of(&me, id(&user)?, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
