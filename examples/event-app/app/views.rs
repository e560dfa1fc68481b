//! What the templates show. askama escapes every value, names of people included.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use jiff::civil::DateTime;
use serde_json::{Value, json};
use stagedoor::gate::Principal;

use super::App;
use super::event::{Attendee, Event};
use super::failure::Failure;
use super::forms::{EventForm, FieldErrors};
use super::rights;

/// The page of `template`.
pub fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(_) => Failure::Broken.into_response(),
    }
}

/// What the frame of every page needs.
pub struct Page {
    pub title: String,
    /// The part of the app the page belongs to.
    pub here: &'static str,
    /// Where the gateway has its pages.
    pub auth: String,
    pub viewer: Option<Viewer>,
    pub notice: Option<&'static str>,
}

/// Who is looking.
pub struct Viewer {
    pub name: String,
    pub organizer: bool,
    pub admin: bool,
}

impl Page {
    pub fn new(app: &App, title: &str, here: &'static str, who: Option<&Principal>) -> Self {
        let viewer = who.map(|p| Viewer {
            name: if p.name.trim().is_empty() { p.email.clone() } else { p.name.clone() },
            organizer: rights::may_create(p),
            admin: rights::is_admin(p),
        });
        Self { title: title.to_owned(), here, auth: app.auth.clone(), viewer, notice: None }
    }

    /// What to say about the last change; only words of our own.
    pub fn notice(mut self, done: &str) -> Self {
        self.notice = match done {
            "created" => Some("The event is up."),
            "saved" => Some("Your changes are saved."),
            "deleted" => Some("The event is gone."),
            "registered" => Some("You have a seat. See you there!"),
            "unregistered" => Some("Your seat is free again."),
            _ => None,
        };
        self
    }
}

/// An event as `who` sees it.
pub struct EventView {
    pub id: u64,
    pub title: String,
    pub teaser: String,
    pub summary: String,
    pub place: String,
    pub organizer: String,
    pub weekday: String,
    pub day: String,
    pub month: String,
    pub when: String,
    pub starts: DateTime,
    pub ends: DateTime,
    pub seats: u32,
    pub taken: u32,
    pub free: u32,
    pub over: bool,
    pub going: bool,
    pub may_edit: bool,
    pub may_delete: bool,
    pub may_see_attendees: bool,
    pub may_register: bool,
}

impl EventView {
    pub fn new(e: &Event, who: Option<&Principal>, now: DateTime) -> Self {
        let Event { about, .. } = e;
        Self {
            id: e.id,
            title: about.title.clone(),
            teaser: teaser(&about.summary),
            summary: about.summary.clone(),
            place: about.place.clone(),
            organizer: e.organizer.name.clone(),
            weekday: about.starts.strftime("%a").to_string(),
            day: about.starts.strftime("%-d").to_string(),
            month: about.starts.strftime("%b").to_string(),
            when: when(about.starts, about.ends),
            starts: about.starts,
            ends: about.ends,
            seats: about.seats,
            taken: e.taken(),
            free: about.seats.saturating_sub(e.taken()),
            over: e.is_over(now),
            going: who.is_some_and(|p| e.has(p.id)),
            may_edit: who.is_some_and(|p| rights::may_edit(p, e)),
            may_delete: who.is_some_and(|p| rights::may_delete(p, e)),
            may_see_attendees: who.is_some_and(|p| rights::may_see_attendees(p, e)),
            may_register: who.is_some_and(rights::may_register),
        }
    }

    /// What API clients get.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "title": self.title, "summary": self.summary, "place": self.place,
            "organizer": self.organizer, "starts": self.starts.to_string(), "ends": self.ends.to_string(),
            "seats": self.seats, "taken": self.taken, "over": self.over, "going": self.going,
        })
    }
}

/// The first sentence, or as much of it as fits.
fn teaser(summary: &str) -> String {
    let end = summary.find(". ").map_or(summary.len(), |dot| dot + 1);
    let first = summary[..end].lines().next().unwrap_or_default();
    match first.char_indices().nth(140) {
        Some((cut, _)) => format!("{}…", first[..cut].trim_end()),
        None => first.to_owned(),
    }
}

fn when(starts: DateTime, ends: DateTime) -> String {
    let to = if starts.date() == ends.date() { "%H:%M" } else { "%a %-d %B, %H:%M" };
    // A word joiner and a no-break space keep the hours on one line.
    format!("{}–\u{2060}{}\u{a0}UTC", starts.strftime("%A %-d %B %Y, %H:%M"), ends.strftime(to))
}

/// Sums over a list of events.
pub struct Totals {
    pub events: usize,
    pub ahead: usize,
    pub seats: u32,
    pub taken: u32,
}

impl Totals {
    pub fn of(events: &[EventView]) -> Self {
        let ahead = || events.iter().filter(|e| !e.over);
        Self {
            events: events.len(),
            ahead: ahead().count(),
            seats: ahead().map(|e| e.seats).sum(),
            taken: ahead().map(|e| e.taken).sum(),
        }
    }
}

/// What the gateway says about the person looking.
pub struct Identity {
    pub id: String,
    pub email: String,
    pub email_verified: bool,
    pub roles: String,
    pub permissions: String,
    pub amr: String,
    pub since: String,
}

impl Identity {
    pub fn new(who: &Principal) -> Self {
        Self {
            id: who.id.to_string(),
            email: who.email.clone(),
            email_verified: who.email_verified,
            roles: who.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            permissions: who.permissions.join(", "),
            amr: who.amr.join(", "),
            since: who.auth_time.to_string(),
        }
    }
}

#[derive(Template)]
#[template(path = "events/landing.html")]
pub struct Landing {
    pub page: Page,
    pub events: Vec<EventView>,
}

#[derive(Template)]
#[template(path = "events/list.html")]
pub struct List {
    pub page: Page,
    pub query: String,
    pub ahead: Vec<EventView>,
    pub over: Vec<EventView>,
    pub may_create: bool,
}

#[derive(Template)]
#[template(path = "events/detail.html")]
pub struct Detail {
    pub page: Page,
    pub event: EventView,
    pub summary: Vec<String>,
}

#[derive(Template)]
#[template(path = "events/form.html")]
pub struct FormPage {
    pub page: Page,
    pub action: String,
    pub back: String,
    pub fresh: bool,
    pub form: EventForm,
    pub errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "events/attendees.html")]
pub struct Attendees {
    pub page: Page,
    pub event: EventView,
    pub people: Vec<Attendee>,
}

#[derive(Template)]
#[template(path = "events/dashboard.html")]
pub struct Dashboard {
    pub page: Page,
    pub going: Vec<EventView>,
    pub mine: Vec<EventView>,
    pub all: Vec<EventView>,
    pub totals: Totals,
    pub shows_seats: bool,
    pub shows_mine: bool,
    pub shows_all: bool,
}

#[derive(Template)]
#[template(path = "events/organizer.html")]
pub struct OrganizerPage {
    pub page: Page,
    pub mine: Vec<EventView>,
    pub totals: Totals,
}

#[derive(Template)]
#[template(path = "events/admin.html")]
pub struct AdminPage {
    pub page: Page,
    pub all: Vec<EventView>,
    pub totals: Totals,
    /// Name, number of events, number of seats taken.
    pub organizers: Vec<(String, usize, u32)>,
}

#[derive(Template)]
#[template(path = "events/person.html")]
pub struct PersonPage {
    pub page: Page,
    pub name: String,
    pub own: Option<Identity>,
    pub going: Vec<EventView>,
}

#[derive(Template)]
#[template(path = "events/error.html")]
pub struct ErrorPage {
    pub page: Page,
    pub detail: &'static str,
    pub sign_in: bool,
}
