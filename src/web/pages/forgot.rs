//! A forgotten password: ask for the mail, then set a new one by its link or its code.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::link::failed;
use super::{Field, Form, Frame, Notice, go, page, refused};
use crate::account::{Error, NewPassword, Proof, Reset};
use crate::model::Secret;
use crate::web::error::Problem;
use crate::web::extract::{Form as Sent, Hidden, Query, Visitor};
use crate::web::{WebState, routes};

/// The page that asks for the address.
#[derive(Template)]
#[template(path = "pages/forgot.html")]
pub struct ForgotPage {
    pub(super) frame: Frame,
    pub(super) form: Form,
}

/// The page that asks for the new password.
#[derive(Template)]
#[template(path = "pages/reset.html")]
pub struct ResetPage {
    pub(super) frame: Frame,
    pub(super) form: Form,
    pub(super) uid: String,
    pub(super) token: String,
}

/// Who forgot.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    email: String,
}

/// The new password, with the link's parts or with address and code.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct NewPasswordForm {
    uid: String,
    token: Hidden,
    email: String,
    code: String,
    new_password: Hidden,
    new_password_confirm: Hidden,
}

/// `GET /password-reset/`
pub async fn show(State(state): State<WebState>) -> Response {
    page(StatusCode::OK, &ForgotPage { frame: Frame::of(&state.settings), form: request_fields("") })
}

/// `POST /password-reset/` (form) -> 303 to the page that takes the code, whoever asks for whom.
pub async fn send(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Sent(input): Sent<Request>,
) -> Response {
    match state.accounts.request_reset(&input.email, &origin).await {
        Ok(()) => {
            let mut headers = HeaderMap::new();
            state.cookies.remember_mail(&input.email, &state.settings.auth_prefix, &mut headers);
            (headers, go(&state.settings, routes::PASSWORD_RESET_CONFIRM, Some(Notice::ResetSent)))
                .into_response()
        }
        Err(error) => {
            let problem = Problem::from(error);
            let form = request_fields(&input.email).refused(&problem);
            let again = ForgotPage { frame: Frame::of(&state.settings), form };
            refused(problem, &again)
        }
    }
}

/// `GET /password-reset/confirm/`: the code from the mail.
pub async fn code(State(state): State<WebState>, headers: HeaderMap, query: Query) -> Response {
    let email = state.cookies.mail(&headers).map(|e| e.to_string()).unwrap_or_default();
    let frame = Frame::of(&state.settings).with_notice(query.get("notice"));
    page(
        StatusCode::OK,
        &ResetPage { frame, form: fields(&state, Some(&email)), uid: String::new(), token: String::new() },
    )
}

/// `GET /password-reset/{uid}/{token}/`: the link from the mail; changes nothing.
pub async fn link(
    State(state): State<WebState>,
    Path((uid, token)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match state.accounts.check_reset_link(&uid, &token).await {
        Ok(()) => {
            let frame = Frame::of(&state.settings);
            page(StatusCode::OK, &ResetPage { frame, form: fields(&state, None), uid, token })
        }
        Err(error) => failed(&state, &headers, error),
    }
}

/// `POST /password-reset/confirm/` (form) -> 303 to the sign-in page.
pub async fn confirm(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Sent(input): Sent<NewPasswordForm>,
) -> Response {
    let by_link = !input.uid.is_empty();
    let (uid, token) = (input.uid.clone(), input.token.0.expose().to_owned());
    // People type codes as they read them: in groups.
    let typed: String = input.code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let proof = if by_link {
        Proof::Link { uid: input.uid, token: input.token.0 }
    } else {
        Proof::Code { email: input.email.clone(), code: Secret::new(typed) }
    };
    let new = NewPassword { password: input.new_password.0, confirm: input.new_password_confirm.0 };
    match state.accounts.reset_password(Reset { proof, new }, &origin).await {
        Ok(()) => {
            let mut headers = HeaderMap::new();
            state.cookies.forget_mail(&state.settings.auth_prefix, &mut headers);
            (headers, go(&state.settings, routes::LOGIN, Some(Notice::PasswordReset))).into_response()
        }
        Err(error) => {
            let dead = matches!(error, Error::InvalidToken);
            if dead && by_link {
                return failed(&state, &headers, error);
            }
            let problem = Problem::from(error);
            let form = fields(&state, (!by_link).then_some(input.email.as_str()));
            let form = if dead { form.refused_at("code", &problem) } else { form.refused(&problem) };
            let again = ResetPage { frame: Frame::of(&state.settings), form, uid, token };
            refused(problem, &again)
        }
    }
}

fn request_fields(email: &str) -> Form {
    Form::new(vec![Field::email(email)])
}

/// With `email`: the fields of the code as well.
fn fields(state: &WebState, email: Option<&str>) -> Form {
    let mut fields = email.map(|e| vec![Field::email(e), Field::mailed_code()]).unwrap_or_default();
    let mut password = Field::new_password(&state.password);
    (password.name, password.label) = ("new_password", "New password");
    let mut again = Field::password_again();
    (again.name, again.label) = ("new_password_confirm", "New password again");
    fields.extend([password, again]);
    Form::new(fields)
}
