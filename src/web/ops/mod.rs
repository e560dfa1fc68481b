//! The separate listener for operators: health, metrics, reload, and in development the mailbox. It has no
//! sign-in: it listens on loopback (or inside the cluster) and refuses what a browser could be tricked into
//! (`guard`).

mod guard;
mod mailbox;

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use mailbox::{MailSummary, MailView, Mailbox};

use super::pages::{Frame, page};
use super::{Settings, assets};

/// What the operators' pages need.
#[derive(Clone)]
pub struct AdminState {
    /// Brand, for the pages. `auth_prefix` must be empty here: static files live at `/static/`.
    pub settings: Arc<Settings>,
    /// Where this listener listens; one of the names it answers to.
    pub listen: SocketAddr,
    /// Further names it answers to, without port.
    pub hosts: Vec<String>,
    /// The kept mails, where mail is not sent.
    pub mailbox: Option<Arc<dyn Mailbox>>,
    /// The metrics as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether traffic may come; else the reason.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Whether signing in, registering and refreshing work, too; else the reason.
    pub accounts_ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Reads the configuration again; the text is shown to the operator.
    pub reload: Arc<dyn Fn() -> Result<String, String> + Send + Sync>,
}

/// Everything of the operators' listener.
pub fn admin_router(state: AdminState) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/readyz/accounts", get(accounts_ready))
        .route("/metrics", get(metrics))
        .route("/reload", post(reload))
        .route("/mailbox", get(mailbox::list))
        .route("/mailbox.json", get(mailbox::json))
        .route("/mailbox/{id}", get(mailbox::show))
        .route("/mailbox/{id}/html", get(mailbox::html))
        .route("/static/{file}", get(assets::get))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(super::pages::panicked))
        .layer(from_fn_with_state(state.clone(), guard::layer))
        .with_state(state)
}

#[derive(Template)]
#[template(path = "pages/ops_index.html")]
struct IndexPage {
    frame: Frame,
    ready: Result<(), String>,
    accounts_ready: Result<(), String>,
    mailbox: bool,
}

async fn index(State(state): State<AdminState>) -> Response {
    let index = IndexPage {
        frame: Frame::of(&state.settings),
        ready: (state.ready)(),
        accounts_ready: (state.accounts_ready)(),
        mailbox: state.mailbox.is_some(),
    };
    page(StatusCode::OK, &index)
}

async fn ready(State(state): State<AdminState>) -> Response {
    readiness((state.ready)())
}

async fn accounts_ready(State(state): State<AdminState>) -> Response {
    readiness((state.accounts_ready)())
}

fn readiness(state: Result<(), String>) -> Response {
    match state {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(state): State<AdminState>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (state.metrics)()).into_response()
}

/// A bad configuration leaves the running one in place; the answer says so.
async fn reload(State(state): State<AdminState>) -> Response {
    match (state.reload)() {
        Ok(text) => format!("{text}\n").into_response(),
        Err(text) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{text}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
