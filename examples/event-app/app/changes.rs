//! Changing events, and registering for them. Forms are answered with a redirect, JSON with JSON.

use std::sync::Arc;

use axum::extract::{Form, FromRequest, Json, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use stagedoor::gate::Principal;

use super::App;
use super::event::{Attendee, Event, Organizer};
use super::failure::{Failure, is_json, wants_json};
use super::forms::{EventForm, EventInput};
use super::pages::{event_id, form_page};
use super::rights::{may_create, may_delete, may_edit, may_register, need};
use super::views::EventView;

const NOT_YOURS: &str = "Only its organizer changes an event.";

/// An event as form or as JSON.
pub struct Sent {
    form: EventForm,
    json: bool,
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let json = is_json(request.headers());
        let form = if json {
            let body = Json::<EventInput>::from_request(request, state).await;
            body.map(|Json(input)| input.into()).map_err(|e| Failure::Unreadable(e.status()))?
        } else {
            let body = Form::<EventForm>::from_request(request, state).await;
            body.map(|Form(form)| form).map_err(|e| Failure::Unreadable(e.status()))?
        };
        Ok(Self { form, json })
    }
}

/// Back to a page, so that reloading it sends nothing again.
fn to(page: &str, done: &str) -> Response {
    Redirect::to(&format!("{page}?done={done}")).into_response()
}

fn shown(app: &App, who: &Principal, id: u64) -> Result<Response, Failure> {
    let event = app.events.get(id)?;
    Ok(Json(EventView::new(&event, Some(who), app.now()).json()).into_response())
}

pub async fn create(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    sent: Sent,
) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    need(may_create(&who), "Only organizers put up events.")?;
    match sent.form.check(app.now(), None) {
        Ok(draft) => {
            let id = app.events.create(draft, Organizer::from_person(&who))?;
            let location = [(header::LOCATION, format!("/events/{id}"))];
            if sent.json {
                Ok((StatusCode::CREATED, location, shown(&app, &who, id)?).into_response())
            } else {
                Ok(to(&format!("/events/{id}"), "created"))
            }
        }
        Err(errors) if sent.json => Err(Failure::Fields(errors)),
        Err(errors) => {
            let page = form_page(&app, &who, None, (sent.form, errors));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// Checks and changes in one go: the outer error is a refusal, the inner one a complaint about fields.
fn save(app: &App, who: &Principal, id: u64, form: &EventForm) -> Result<Result<(), SaveErrors>, Failure> {
    let now = app.now();
    app.events.change(id, |event| {
        need(may_edit(who, event), NOT_YOURS)?;
        Ok(match form.check(now, Some(event)) {
            Ok(draft) => {
                event.about = draft;
                Ok(())
            }
            Err(errors) => Err((event.clone(), errors)),
        })
    })
}

type SaveErrors = (Event, super::forms::FieldErrors);

pub async fn update(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    let id = event_id(&id)?;
    match save(&app, &who, id, &sent.form)? {
        Ok(()) => Ok(to(&format!("/events/{id}"), "saved")),
        Err((event, errors)) => {
            let page = form_page(&app, &who, Some(&event), (sent.form, errors));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// PUT, for API clients.
pub async fn replace(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    let id = event_id(&id)?;
    match save(&app, &who, id, &sent.form)? {
        Ok(()) => shown(&app, &who, id),
        Err((_, errors)) => Err(Failure::Fields(errors)),
    }
}

fn take_down(app: &App, who: Option<Principal>, id: &str) -> Result<(), Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    app.events.remove(event_id(id)?, |event| need(may_delete(&who, event), NOT_YOURS))
}

pub async fn remove(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    take_down(&app, who, &id)?;
    Ok(to("/events", "deleted"))
}

/// DELETE, for API clients.
pub async fn remove_json(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    take_down(&app, who, &id)?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn register(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    need(may_register(&who), "Registering is for participants.")?;
    let id = event_id(&id)?;
    app.events.register(id, Attendee::from_person(&who), app.now())?;
    if wants_json(&headers) { shown(&app, &who, id) } else { Ok(to(&format!("/events/{id}"), "registered")) }
}

/// Always possible: a seat can be given back even by somebody who could no longer take one.
pub async fn unregister(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    let id = event_id(&id)?;
    app.events.change(id, |event| {
        event.attendees.retain(|a| a.account != who.id);
        Ok(())
    })?;
    if wants_json(&headers) {
        shown(&app, &who, id)
    } else {
        Ok(to(&format!("/events/{id}"), "unregistered"))
    }
}
