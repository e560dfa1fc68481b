//! "Check your mail": the code from the mail, or another mail.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::verify::choose_password;
use super::{Field, Form, Frame, Notice, go, page, refused};
use crate::account::{Error, Proved};
use crate::web::error::Problem;
use crate::web::extract::{Form as Sent, Query, Visitor};
use crate::web::{WebState, routes};

/// The page.
#[derive(Template)]
#[template(path = "pages/check_mail.html")]
pub struct CheckMailPage {
    pub(super) frame: Frame,
    pub(super) form: Form,
}

/// What the form sends, to either button's address.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    email: String,
    code: String,
}

/// `GET /check-mail/`
pub async fn show(State(state): State<WebState>, headers: HeaderMap, query: Query) -> Response {
    let email = state.cookies.mail(&headers).map(|e| e.to_string()).unwrap_or_default();
    let frame = Frame::of(&state.settings).with_notice(query.get("notice"));
    page(StatusCode::OK, &CheckMailPage { frame, form: fields(&email) })
}

/// `POST /verify-email/code/` (form) -> 303 to "confirmed".
pub async fn code(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Sent(input): Sent<Input>,
) -> Response {
    // People type codes as they read them: in groups.
    let code: String = input.code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    match state.accounts.verify_by_code(&input.email, &code, &origin).await {
        Ok(Proved::ChoosePassword) => choose_password(&state),
        Ok(Proved::Ready) => {
            let mut headers = HeaderMap::new();
            state.cookies.forget_mail(&state.settings.auth_prefix, &mut headers);
            (headers, go(&state.settings, routes::VERIFIED, None)).into_response()
        }
        Err(error) => again(&state, &input.email, error),
    }
}

/// `POST /resend-verification/` (form) -> 303 back, whoever asks for whom.
pub async fn resend(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Sent(input): Sent<Input>,
) -> Response {
    match state.accounts.resend_verification(&input.email, &origin).await {
        Ok(_) => {
            let mut headers = HeaderMap::new();
            state.cookies.remember_mail(&input.email, &state.settings.auth_prefix, &mut headers);
            (headers, go(&state.settings, routes::CHECK_MAIL, Some(Notice::Resent))).into_response()
        }
        Err(error) => again(&state, &input.email, error),
    }
}

fn again(state: &WebState, email: &str, error: Error) -> Response {
    let of_code = matches!(error, Error::InvalidToken);
    let problem = Problem::from(error);
    let form = fields(email);
    let form = if of_code { form.refused_at("code", &problem) } else { form.refused(&problem) };
    let again = CheckMailPage { frame: Frame::of(&state.settings), form };
    refused(problem, &again)
}

pub(super) fn fields(email: &str) -> Form {
    Form::new(vec![Field::email(email), Field::mailed_code()])
}
