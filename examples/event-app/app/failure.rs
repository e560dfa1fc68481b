//! What goes wrong, said as a page or as a problem document (RFC 9457), as the client prefers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use stagedoor::gate::Principal;

use super::App;
use super::forms::FieldErrors;
use super::views::{self, Page};

/// Why there is no proper answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    SignIn,
    Forbidden(&'static str),
    NotFound,
    WrongMethod,
    Conflict(&'static str),
    /// JSON that was understood, with complaints about its fields.
    Fields(FieldErrors),
    /// A body that was not understood, with the status that says how.
    Unreadable(StatusCode),
    Broken,
}

impl Failure {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::SignIn => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unreadable(status) => *status,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::SignIn => "Please sign in",
            Self::Forbidden(_) => "This is not yours to do",
            Self::NotFound => "There is nothing here",
            Self::WrongMethod => "That does not work here",
            Self::Conflict(_) => "That did not work",
            Self::Fields(_) => "Some fields need another look",
            Self::Unreadable(_) => "This could not be read",
            Self::Broken => "Something went wrong",
        }
    }

    fn detail(&self) -> &'static str {
        match self {
            Self::SignIn => "This page is for people with an account.",
            Self::Forbidden(why) | Self::Conflict(why) => why,
            Self::NotFound => "The page or event does not exist, or no longer does.",
            Self::WrongMethod => "This address exists, but it cannot be used in this way.",
            Self::Fields(_) => "The fields with a complaint are listed in errors.",
            Self::Unreadable(_) => "The form or document sent is too long, incomplete or of an unknown kind.",
            Self::Broken => "It is not your fault. Please try again.",
        }
    }

    fn problem(&self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.title(),
            "status": self.status().as_u16(),
            "detail": self.detail(),
        });
        if let Self::Fields(errors) = self {
            body["errors"] = errors.0.iter().map(|(f, e)| ((*f).to_owned(), json!([e]))).collect();
        }
        (self.status(), [(header::CONTENT_TYPE, "application/problem+json")], Json(body)).into_response()
    }
}

/// Carries itself to [`show`], which knows who asked and what they can read.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Middleware: puts failures into words.
pub async fn show(
    State(app): State<Arc<App>>,
    who: Option<Principal>,
    request: Request,
    next: Next,
) -> Response {
    let json = wants_json(request.headers()) || is_json(request.headers()) || api_only(request.method());
    let response = next.run(request).await;
    let Some(failure) = response.extensions().get::<Failure>() else { return response };
    let mut shown = if json {
        failure.problem()
    } else {
        let page = Page::new(&app, failure.title(), "", who.as_ref());
        let sign_in = *failure == Failure::SignIn;
        let detail = failure.detail();
        (failure.status(), views::html(&views::ErrorPage { page, detail, sign_in })).into_response()
    };
    // RFC 9110 section 15.5.6: a 405 names what is allowed.
    if let Some(allow) = response.headers().get(header::ALLOW) {
        shown.headers_mut().insert(header::ALLOW, allow.clone());
    }
    shown
}

/// Whether the client asks for JSON and not for a page.
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    accept.contains("json") && !accept.contains("text/html")
}

/// Whether the client sends JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("application/json"))
}

/// Browsers without scripts send neither.
fn api_only(method: &Method) -> bool {
    matches!(*method, Method::PUT | Method::DELETE | Method::PATCH)
}

/// For paths that no route has.
pub async fn nothing_here() -> Failure {
    Failure::NotFound
}

/// For methods that a route does not have.
pub async fn wrong_method() -> Failure {
    Failure::WrongMethod
}
