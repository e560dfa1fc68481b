//! One person: look, change, delete.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{PersonItem, Said, id};
use crate::account::admin::Person;
use crate::web::WebState;
use crate::web::error::{Problem, ProblemBody};
use crate::web::extract::{Json, Member, Visitor};

/// One person. Carries no secrets.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonView {
    /// As in the list.
    #[serde(flatten)]
    item: PersonItem,
    /// What the roles grant.
    permissions: Vec<String>,
    /// When the address was proved.
    verified_at: Option<String>,
    /// Since when it is switched off.
    disabled_at: Option<String>,
    /// When it is deleted, if its owner has closed it.
    deletes_at: Option<String>,
    /// When the password was last set.
    password_changed_at: String,
    /// Whether the password must be reset before it is taken again.
    must_reset: bool,
    /// Which second factors are switched on.
    second_factor: Factors,
    /// How many sessions are open.
    sessions: usize,
}

/// Which second factors are switched on.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Factors {
    /// Codes by mail.
    email: bool,
    /// Codes from an app.
    totp: bool,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        let row = person.row;
        Self {
            permissions: person.user.permissions,
            verified_at: row.verified_at.map(|t| t.to_string()),
            disabled_at: row.disabled_at.map(|t| t.to_string()),
            deletes_at: row.delete_at.map(|t| t.to_string()),
            item: row.into(),
            password_changed_at: person.password_changed_at.to_string(),
            must_reset: person.must_reset,
            second_factor: Factors { email: person.email_otp, totp: person.totp },
            sessions: person.sessions,
        }
    }
}

/// The roles to be held.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// All of them; what is not named is taken away.
    #[schema(value_type = Vec<String>, required = true)]
    roles: Option<Vec<String>>,
}

/// `GET /admin/users/{id}/`
#[utoipa::path(
    get, path = "/admin/users/{id}/", tag = "administration", params(("id" = String, Path, description = "The account")),
    responses(
        (status = 200, description = "The person", body = PersonView),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn show(
    State(state): State<WebState>,
    Member(me): Member,
    Path(user): Path<String>,
) -> Result<axum::Json<PersonView>, Problem> {
    Ok(axum::Json(state.accounts.person(&me, id(&user)?).await?.into()))
}

/// `DELETE /admin/users/{id}/` -> 204
#[utoipa::path(
    delete, path = "/admin/users/{id}/", tag = "administration", params(("id" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The last admin", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn delete(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    state.accounts.delete_account(&me, id(&user)?, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/users/{id}/activate/`
#[utoipa::path(
    post, path = "/admin/users/{id}/activate/", tag = "administration", params(("id" = String, Path, description = "The account")),
    responses(
        (status = 200, description = "It may sign in", body = Said),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Closed by its owner", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn activate(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(user): Path<String>,
) -> Result<axum::Json<Said>, Problem> {
    state.accounts.activate_account(&me, id(&user)?, &origin).await?;
    Ok(axum::Json(Said { detail: "The account is active." }))
}

/// `POST /admin/users/{id}/deactivate/`
#[utoipa::path(
    post, path = "/admin/users/{id}/deactivate/", tag = "administration", params(("id" = String, Path, description = "The account")),
    responses(
        (status = 200, description = "Switched off; its sessions have ended", body = Said),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The last admin", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn deactivate(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(user): Path<String>,
) -> Result<axum::Json<Said>, Problem> {
    state.accounts.deactivate_account(&me, id(&user)?, &origin).await?;
    Ok(axum::Json(Said { detail: "The account is switched off and its sessions have ended." }))
}

/// `POST /admin/users/{id}/unlock/`
#[utoipa::path(
    post, path = "/admin/users/{id}/unlock/", tag = "administration", params(("id" = String, Path, description = "The account")),
    responses(
        (status = 200, description = "Its failures are forgotten", body = Said),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn unlock(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(user): Path<String>,
) -> Result<axum::Json<Said>, Problem> {
    state.accounts.unlock_account(&me, id(&user)?, &origin).await?;
    Ok(axum::Json(Said { detail: "The account is not locked any more." }))
}

/// `POST /admin/users/{id}/reset-password/` -> 202
#[utoipa::path(
    post, path = "/admin/users/{id}/reset-password/", tag = "administration", params(("id" = String, Path, description = "The account")),
    responses(
        (status = 202, description = "A mail to the owner is on its way", body = Said),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Switched off or closed", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn reset_password(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(user): Path<String>,
) -> Result<(StatusCode, axum::Json<Said>), Problem> {
    state.accounts.send_reset(&me, id(&user)?, &origin).await?;
    let said = Said { detail: "A mail with a link to choose a password is on its way to the owner." };
    Ok((StatusCode::ACCEPTED, axum::Json(said)))
}

/// `PUT /admin/users/{id}/roles/`
#[utoipa::path(
    put, path = "/admin/users/{id}/roles/", tag = "administration", params(("id" = String, Path, description = "The account")),
    request_body = Roles,
    responses(
        (status = 200, description = "The roles are set", body = Said),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The last admin, or changed meanwhile", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn roles(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Path(user): Path<String>,
    Json(input): Json<Roles>,
) -> Result<axum::Json<Said>, Problem> {
    // An empty list takes every role away; that must not happen by a field that was forgotten.
    let Some(roles) = input.roles else { return Err(Problem::required(&[("roles", "Name the roles.")])) };
    state.accounts.set_roles(&me, id(&user)?, &roles, &origin).await?;
    Ok(axum::Json(Said { detail: "The roles are set and count at once." }))
}
