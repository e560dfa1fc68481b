//! Pages that depend on who is looking.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use stagedoor::gate::Principal;

use super::App;
use super::failure::Failure;
use super::rights::{is_admin, may_create, may_register, need};
use super::views::{self, EventView, Page, Totals};

/// What is mine: seats, events, and for admins the whole.
pub async fn dashboard(State(app): State<Arc<App>>, who: Option<Principal>) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    let now = app.now();
    let view = |e: &super::event::Event| EventView::new(e, Some(&who), now);
    let going = app.events.list(now, |e| e.has(who.id)).iter().map(view).collect();
    let mine = app.events.list(now, |e| may_create(&who) && e.belongs_to(&who)).iter().map(view).collect();
    let all: Vec<_> = app.events.list(now, |_| is_admin(&who)).iter().map(view).collect();
    let page = Page::new(&app, "Dashboard", "/dashboard", Some(&who));
    Ok(views::html(&views::Dashboard {
        page,
        going,
        mine,
        totals: Totals::of(&all),
        all,
        shows_seats: may_register(&who),
        shows_mine: may_create(&who) && !is_admin(&who),
        shows_all: is_admin(&who),
    }))
}

/// One's own events with their numbers.
pub async fn organizer(State(app): State<Arc<App>>, who: Option<Principal>) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    need(may_create(&who), "This page is for organizers.")?;
    let now = app.now();
    let mine: Vec<_> = app
        .events
        .list(now, |e| e.belongs_to(&who))
        .iter()
        .map(|e| EventView::new(e, Some(&who), now))
        .collect();
    let page = Page::new(&app, "My events", "/organizer", Some(&who));
    Ok(views::html(&views::OrganizerPage { page, totals: Totals::of(&mine), mine }))
}

/// Everything, and who puts it up.
pub async fn admin(State(app): State<Arc<App>>, who: Option<Principal>) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    need(is_admin(&who), "This page is for admins.")?;
    let now = app.now();
    let events = app.events.list(now, |_| true);
    let mut organizers: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
    for event in &events {
        let line = organizers.entry(&event.organizer.name).or_default();
        line.0 += 1;
        line.1 += event.taken();
    }
    let organizers = organizers.into_iter().map(|(name, (n, seats))| (name.to_owned(), n, seats)).collect();
    let all: Vec<_> = events.iter().map(|e| EventView::new(e, Some(&who), now)).collect();
    let page = Page::new(&app, "Overview", "/admin", Some(&who));
    Ok(views::html(&views::AdminPage { page, totals: Totals::of(&all), all, organizers }))
}

/// What the app knows about a person: for themselves and for admins.
pub async fn person(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let who = who.ok_or(Failure::SignIn)?;
    let id = if id == "me" { who.id } else { id.parse().map_err(|_| Failure::NotFound)? };
    need(id == who.id || is_admin(&who), "You can look at your own page only.")?;
    let now = app.now();
    let events = app.events.list(now, |e| e.has(id));
    let own = (id == who.id).then(|| views::Identity::new(&who));
    let known = events.iter().flat_map(|e| &e.attendees).find(|a| a.account == id);
    let name = match (&own, known) {
        (Some(_), _) => who.name.clone(),
        (None, Some(attendee)) => attendee.name.clone(),
        (None, None) => return Err(Failure::NotFound),
    };
    let going = events.iter().map(|e| EventView::new(e, Some(&who), now)).collect();
    let page = Page::new(&app, &name, if own.is_some() { "/users/me" } else { "" }, Some(&who));
    Ok(views::html(&views::PersonPage { page, name, own, going }))
}
