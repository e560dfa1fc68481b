//! An event app behind Stagedoor: who may see it at all is for the gateway's rules, who may touch which
//! event is decided here. It knows people only from the gateway's signed assertion.
//!
//! - `event`, `store`, `seed`: the events and who goes there
//! - `forms`: what may be typed in, and what is wrong with it
//! - `rights`: who may do what with which event
//! - `pages`, `changes`, `people`: the handlers; `views`: what the templates show
//! - `failure`, `guard`: what goes wrong, and what is kept out

mod changes;
mod event;
mod failure;
mod forms;
mod guard;
mod pages;
mod people;
mod rights;
pub mod seed;
mod store;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use axum::{Router, routing::MethodRouter};
use jiff::civil::DateTime;
use stagedoor::model::{Clock, SystemClock};
use stagedoor::tower_layer::{GateLayer, KeySourceError};

use store::Events;

/// A form is a few hundred bytes.
const MAX_BODY: usize = 16 * 1024;

/// What all handlers share.
struct App {
    events: Events,
    /// Where the gateway has its pages, for the links in the header.
    auth: String,
    clock: Arc<dyn Clock>,
}

impl App {
    fn new(auth: &str, clock: Arc<dyn Clock>) -> Arc<Self> {
        let app = Self { events: Events::default(), auth: auth.trim_end_matches('/').to_owned(), clock };
        seed::fill(&app.events, app.now());
        Arc::new(app)
    }

    /// All times of the app are UTC.
    fn now(&self) -> DateTime {
        let now = jiff::Timestamp::from_millisecond(self.clock.now().millis()).unwrap_or_default();
        now.to_zoned(jiff::tz::TimeZone::UTC).datetime()
    }
}

/// The app. `jwks_url` is where the gateway publishes its keys, `audience` the name of this app among the
/// gateway's upstreams, `auth_prefix` where the gateway has its sign-in pages (`/auth`).
///
/// # Errors
/// [`KeySourceError`] when `jwks_url` cannot be used.
pub fn router(jwks_url: &str, audience: &str, auth_prefix: &str) -> Result<Router, KeySourceError> {
    let gate = GateLayer::from_gateway(jwks_url, audience)?;
    let app = App::new(auth_prefix, Arc::new(SystemClock::new()));
    Ok(routes(app).layer(gate).merge(open()).layer(from_fn(guard::headers)))
}

/// Serves the app until the process ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: tokio::net::TcpListener, app: Router) -> std::io::Result<()> {
    axum::serve(listener, app).await
}

/// What needs an identity, or at least looks at it.
fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(pages::landing))
        .route("/events", get(pages::list).post(changes::create))
        .route("/events/new", get(pages::new))
        .route("/events/{id}", get(pages::detail).put(changes::replace).delete(changes::remove_json))
        .route("/events/{id}/edit", get(pages::edit).post(changes::update))
        .route("/events/{id}/delete", post(changes::remove))
        .route("/events/{id}/register", post(changes::register))
        .route("/events/{id}/unregister", post(changes::unregister))
        .route("/events/{id}/attendees", get(pages::attendees))
        .route("/dashboard", get(people::dashboard))
        .route("/organizer", get(people::organizer))
        .route("/admin", get(people::admin))
        .route("/users/{id}", get(people::person))
        .fallback(failure::nothing_here)
        .method_not_allowed_fallback(failure::wrong_method)
        .layer(from_fn(guard::same_site))
        .layer(from_fn_with_state(Arc::clone(&app), failure::show))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

/// What is the same for everybody and works even while the gateway's keys are out of reach.
fn open() -> Router {
    let css = ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../assets/events.css"));
    let icon = ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("../assets/icon.svg"));
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/assets/events.css", asset(css))
        .route("/assets/icon.svg", asset(icon))
}

fn asset<T>(content: T) -> MethodRouter
where
    T: axum::response::IntoResponse + Clone + Send + Sync + 'static,
{
    get(move || async move { ([(header::CACHE_CONTROL, "public, max-age=300")], content) })
}
