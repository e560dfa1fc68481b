//! Looking at events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use stagedoor::gate::Principal;

use super::App;
use super::event::Event;
use super::failure::{Failure, wants_json};
use super::forms::{EventForm, FieldErrors};
use super::rights::{may_create, may_edit, may_see_attendees, need};
use super::views::{self, EventView, Page};

/// How many events the front page shows.
const ON_FRONT_PAGE: usize = 3;

/// What a list or a page may be asked for.
#[derive(Deserialize, Default)]
pub struct Ask {
    #[serde(default)]
    q: String,
    #[serde(default)]
    done: String,
}

/// The id in a path; what is no number names no event.
pub fn event_id(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::NotFound)
}

pub async fn landing(State(app): State<Arc<App>>, who: Option<Principal>) -> Response {
    let now = app.now();
    let ahead = app.events.list(now, |e| !e.is_over(now));
    let events = ahead.iter().take(ON_FRONT_PAGE).map(|e| EventView::new(e, who.as_ref(), now)).collect();
    let page = Page::new(&app, "What is on in town", "/", who.as_ref());
    views::html(&views::Landing { page, events })
}

pub async fn list(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Query(ask): Query<Ask>,
    headers: HeaderMap,
) -> Response {
    let now = app.now();
    let query: String = ask.q.trim().chars().take(80).collect();
    let found = app.events.list(now, |e| e.matches(&query));
    let views = found.iter().map(|e| EventView::new(e, who.as_ref(), now));
    if wants_json(&headers) {
        return Json(serde_json::json!({ "items": views.map(|v| v.json()).collect::<Vec<_>>() }))
            .into_response();
    }
    let (over, ahead): (Vec<_>, Vec<_>) = views.partition(|v| v.over);
    let page = Page::new(&app, "Events", "/events", who.as_ref()).notice(&ask.done);
    let may_create = who.as_ref().is_some_and(may_create);
    views::html(&views::List { page, query, ahead, over, may_create })
}

pub async fn detail(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
    Query(ask): Query<Ask>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let event = app.events.get(event_id(&id)?)?;
    let view = EventView::new(&event, who.as_ref(), app.now());
    if wants_json(&headers) {
        return Ok(Json(view.json()).into_response());
    }
    let page = Page::new(&app, &event.about.title, "/events", who.as_ref()).notice(&ask.done);
    let summary = event.about.summary.split("\n\n").map(str::to_owned).collect();
    Ok(views::html(&views::Detail { page, event: view, summary }))
}

pub async fn new(State(app): State<Arc<App>>, who: Option<Principal>) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    need(may_create(&who), "Only organizers put up events.")?;
    let form = EventForm { seats: "20".into(), ..EventForm::default() };
    Ok(form_page(&app, &who, None, (form, FieldErrors::default())))
}

pub async fn edit(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    let event = app.events.get(event_id(&id)?)?;
    need(may_edit(&who, &event), "Only its organizer changes an event.")?;
    Ok(form_page(&app, &who, Some(&event), (EventForm::from(&event.about), FieldErrors::default())))
}

/// The form for a new event or for `event`, as it was filled in.
pub fn form_page(
    app: &App,
    who: &Principal,
    event: Option<&Event>,
    (form, errors): (EventForm, FieldErrors),
) -> Response {
    let (title, action, back) = match event {
        None => ("New event", "/events".to_owned(), "/events".to_owned()),
        Some(e) => ("Edit event", format!("/events/{}/edit", e.id), format!("/events/{}", e.id)),
    };
    let page = Page::new(app, title, "/events", Some(who));
    let fresh = event.is_none();
    views::html(&views::FormPage { page, action, back, fresh, form, errors })
}

pub async fn attendees(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    let event = app.events.get(event_id(&id)?)?;
    need(may_see_attendees(&who, &event), "Only its organizer sees who comes.")?;
    if wants_json(&headers) {
        let people = event
            .attendees
            .iter()
            .map(|a| serde_json::json!({ "id": a.account.to_string(), "name": a.name, "email": a.email }));
        return Ok(Json(serde_json::json!({ "items": people.collect::<Vec<_>>() })).into_response());
    }
    let view = EventView::new(&event, Some(&who), app.now());
    let page = Page::new(&app, "Attendees", "/events", Some(&who));
    Ok(views::html(&views::Attendees { page, event: view, people: event.attendees }))
}
