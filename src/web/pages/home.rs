//! Account home: who you are and where you can go.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Frame, go, page, role_title};
use crate::gate::Principal;
use crate::model::Timestamp;
use crate::web::extract::Caller;
use crate::web::{HomeLink, Settings, WebState, routes};

/// The page.
#[derive(Template)]
#[template(path = "pages/home.html")]
pub struct HomePage {
    frame: Frame,
    initial: String,
    name: String,
    email: String,
    roles: Vec<String>,
    links: Vec<HomeLink>,
    since: String,
    since_text: String,
}

/// `GET /`
pub async fn show(State(state): State<WebState>, Caller(caller): Caller) -> Response {
    match caller {
        Some(principal) => page(StatusCode::OK, &home(&state.settings, &principal)),
        None => go(&state.settings, routes::LOGIN, None),
    }
}

pub(super) fn home(settings: &Settings, p: &Principal) -> HomePage {
    let name = if p.name.trim().is_empty() { p.email.clone() } else { p.name.clone() };
    let for_me = |l: &&HomeLink| l.roles.is_empty() || l.roles.iter().any(|r| p.has_role(r));
    HomePage {
        frame: Frame::of(settings),
        initial: name.trim().chars().next().map(|c| c.to_uppercase().collect()).unwrap_or_default(),
        name,
        email: p.email.clone(),
        roles: p.roles.iter().map(|r| role_title(r.as_str())).collect(),
        links: settings.home_links.iter().filter(for_me).cloned().collect(),
        since: p.auth_time.to_string(),
        since_text: in_words(p.auth_time),
    }
}

/// `2026-11-21, 05:44 UTC`: the server does not know the person's time zone.
fn in_words(time: Timestamp) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day}, {minute} UTC"),
        _ => text,
    }
}
