//! Answers that say no: a page for people, problem+json for programs.

use std::any::Any;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::frame::{Frame, page, wants_html};
use crate::web::error::Problem;
use crate::web::extract::is_form;
use crate::web::{Settings, WebState};

#[derive(Template)]
#[template(path = "pages/error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    status: u16,
    title: &'a str,
    message: &'a str,
    request_id: &'a str,
}

/// A whole error page; also for the proxy (403, 404, 502, 503). `request_id` may be empty.
#[must_use]
pub fn error_page(
    settings: &Settings,
    status: StatusCode,
    title: &str,
    message: &str,
    request_id: &str,
) -> String {
    let frame = Frame::of(settings);
    let page = ErrorPage { frame, status: status.as_u16(), title, message, request_id };
    page.render().unwrap_or_else(|cause| {
        tracing::error!(%cause, "the error page could not be rendered");
        "Something went wrong.".to_owned()
    })
}

/// `problem` in the form that fits the request.
pub fn refusal(state: &WebState, headers: &HeaderMap, problem: Problem) -> Response {
    if wants_html(headers) || is_form(headers) {
        let text = error_page(&state.settings, problem.status, problem.title, &problem.detail, "");
        let reason = problem.reason();
        (problem.status, *problem.headers, Extension(reason), Html(text)).into_response()
    } else {
        problem.into_response()
    }
}

/// A page again, with what was wrong on it.
pub fn refused(problem: Problem, again: &impl Template) -> Response {
    let reason = problem.reason();
    (*problem.headers, Extension(reason), page(problem.status, again)).into_response()
}

/// No such path.
pub async fn not_found(State(state): State<WebState>, headers: HeaderMap) -> Response {
    refusal(&state, &headers, Problem::not_found())
}

/// No such method here; `Allow` is added by the router.
pub async fn method_not_allowed(State(state): State<WebState>, headers: HeaderMap) -> Response {
    refusal(&state, &headers, Problem::method_not_allowed())
}

/// A handler broke; the payload of the panic stays here (INV-4).
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!(reason = "panic", "a handler panicked");
    Problem::internal().into_response()
}
