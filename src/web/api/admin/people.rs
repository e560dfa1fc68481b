//! The list of people, and inviting one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::user::PersonView;
use super::{PersonItem, paging, value, wants_csv};
use crate::account::admin::Invite;
use crate::account::{PeopleQuery, PeopleSort, PersonState};
use crate::model::RoleName;
use crate::web::error::Problem;
use crate::web::extract::{Json, Limit, Member, Params, Visitor};
use crate::web::{WebState, csv};

/// A longer search finds nobody.
const MAX_SEARCH: usize = 100;

/// What may be asked for.
#[derive(Deserialize, Default, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// The beginning of the address or of the full name.
    q: String,
    /// A role they hold.
    role: String,
    /// `active`, `unverified`, `disabled`, `closed`, `locked` or `waiting` (for an approval).
    state: String,
    /// `created`, `email` or `name`; with `-` before it the other way round. `-created` if nothing is said.
    sort: String,
    /// Where the page begins: `next` of the page before.
    cursor: String,
    /// How many rows, 1 to 100; 20 if nothing is said.
    #[param(value_type = Option<u32>)]
    limit: Limit,
    /// `csv` for a file with all of them (at most 50,000).
    format: String,
}

/// A page of people.
#[derive(Serialize, utoipa::ToSchema)]
pub struct People {
    /// Its rows.
    items: Vec<PersonItem>,
    /// Where the next page begins; null: this was the last one.
    next: Option<String>,
}

/// `GET /admin/users/`
#[utoipa::path(
    get, path = "/admin/users/", tag = "administration", params(Asked),
    responses((status = 200, description = "A page of people, or all of them as CSV", body = People)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn list(
    State(state): State<WebState>,
    Member(me): Member,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let query = query(&asked)?;
    if wants_csv(&asked.format)? {
        let people = state.accounts.all_people(&me, &query).await?;
        let header =
            ["id", "email", "name", "roles", "requested_role", "state", "locked_until", "created_at"];
        let rows = people.into_iter().map(|row| {
            let p = PersonItem::from(row);
            let (requested, locked) =
                (p.requested_role.unwrap_or_default(), p.locked_until.unwrap_or_default());
            [p.id, p.email, p.name, p.roles.join(" "), requested, p.state.to_owned(), locked, p.created_at]
        });
        return csv::file("users", header, rows);
    }
    let order = order(&query);
    let page = state.accounts.people(&me, &query, paging(&asked.cursor, &order, asked.limit)?).await?;
    let (items, next) = page.sent_as(&order);
    Ok(axum::Json(People { items, next }).into_response())
}

fn query(asked: &Asked) -> Result<PeopleQuery, Problem> {
    let search = asked.q.trim();
    if search.chars().count() > MAX_SEARCH || search.contains('\0') {
        return Err(Problem::malformed_query("The search is too long."));
    }
    let state = |text: &str| PersonState::ALL.into_iter().find(|s| s.as_str() == text);
    let (sort, descending) = match value(&asked.sort, read_sort)? {
        Some(sort) => sort,
        None => (PeopleSort::Created, true),
    };
    Ok(PeopleQuery {
        search: search.to_owned(),
        role: value(&asked.role, |text| RoleName::parse(text).ok())?,
        state: value(&asked.state, state)?,
        sort,
        descending,
    })
}

fn read_sort(text: &str) -> Option<(PeopleSort, bool)> {
    let (word, descending) = text.strip_prefix('-').map_or((text, false), |word| (word, true));
    let sort = match word {
        "created" => PeopleSort::Created,
        "email" => PeopleSort::Email,
        "name" => PeopleSort::Name,
        _ => return None,
    };
    Some((sort, descending))
}

/// What a cursor of this list is good for.
fn order(query: &PeopleQuery) -> String {
    let sign = if query.descending { "-" } else { "" };
    let word = match query.sort {
        PeopleSort::Created => "created",
        PeopleSort::Email => "email",
        PeopleSort::Name => "name",
    };
    format!("users:{sign}{word}")
}

/// Somebody to be invited.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Invitation {
    /// E-mail address.
    #[schema(required = true)]
    email: String,
    /// Full name.
    #[schema(required = true)]
    name: String,
    /// The roles; the default role if nothing is said.
    roles: Vec<String>,
}

/// `POST /admin/users/` -> 201
#[utoipa::path(
    post, path = "/admin/users/", tag = "administration", request_body = Invitation,
    responses((status = 201, description = "Invited by mail; the person chooses the password", body = PersonView)),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn invite(
    State(state): State<WebState>,
    Member(me): Member,
    Visitor(origin): Visitor,
    Json(input): Json<Invitation>,
) -> Result<Response, Problem> {
    let wanted = Invite { email: input.email, name: input.name, roles: input.roles };
    let person = state.accounts.invite(&me, wanted, &origin).await?;
    Ok((StatusCode::CREATED, axum::Json(PersonView::from(person))).into_response())
}
