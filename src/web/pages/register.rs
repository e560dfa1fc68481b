//! The registration page.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Field, Form, Frame, Notice, go, page, refused, role_title};
use crate::account::{Error, OpenRole, PasswordSettings, Register};
use crate::web::error::Problem;
use crate::web::extract::{Caller, Form as Sent, Hidden, Visitor};
use crate::web::{WebState, routes};

/// The page.
#[derive(Template)]
#[template(path = "pages/register.html")]
pub struct RegisterPage {
    pub(super) frame: Frame,
    pub(super) form: Form,
    pub(super) roles: Vec<Choice>,
    pub(super) role_errors: Vec<String>,
    /// Only administrators make accounts here; there is no form.
    pub(super) closed: bool,
}

/// A role to pick.
pub struct Choice {
    name: String,
    title: String,
    needs_approval: bool,
    chosen: bool,
}

/// What the form sends.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    name: String,
    email: String,
    password: Hidden,
    password_confirm: Hidden,
    role: String,
}

/// `GET /register/`
pub async fn show(State(state): State<WebState>, Caller(caller): Caller) -> Response {
    if caller.is_some() {
        return go(&state.settings, routes::HOME, None);
    }
    if !state.accounts.registration_open() {
        return closed(&state, &Problem::from(Error::RegistrationClosed));
    }
    let register = RegisterPage {
        frame: Frame::of(&state.settings),
        form: fields(&state.password, "", ""),
        roles: choices(&state.accounts.open_roles(), ""),
        role_errors: Vec::new(),
        closed: false,
    };
    page(StatusCode::OK, &register)
}

/// `POST /register/` (form) -> 303 to "check your mail".
pub async fn send(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Sent(input): Sent<Input>,
) -> Response {
    let register = Register {
        name: input.name.clone(),
        email: input.email.clone(),
        password: input.password.0,
        password_confirm: input.password_confirm.0,
        role: Some(input.role.clone()).filter(|r| !r.is_empty()),
    };
    match state.accounts.register(register, &origin).await {
        Ok(_) => {
            let mut headers = HeaderMap::new();
            state.cookies.remember_mail(&input.email, &state.settings.auth_prefix, &mut headers);
            (headers, go(&state.settings, routes::CHECK_MAIL, Some(Notice::Registered))).into_response()
        }
        Err(error @ Error::RegistrationClosed) => closed(&state, &error.into()),
        Err(error) => {
            let problem = Problem::from(error);
            let of_role = problem.fields.iter().filter(|f| f.field == "role");
            let again = RegisterPage {
                frame: Frame::of(&state.settings),
                form: fields(&state.password, &input.name, &input.email).refused(&problem),
                roles: choices(&state.accounts.open_roles(), &input.role),
                role_errors: of_role.map(|f| f.message.clone()).collect(),
                closed: false,
            };
            refused(problem, &again)
        }
    }
}

fn closed(state: &WebState, problem: &Problem) -> Response {
    let register = RegisterPage {
        frame: Frame::of(&state.settings),
        form: Form { message: Some(problem.detail.clone()), fields: Vec::new() },
        roles: Vec::new(),
        role_errors: Vec::new(),
        closed: true,
    };
    page(problem.status, &register)
}

pub(super) fn fields(rules: &PasswordSettings, name: &str, email: &str) -> Form {
    Form::new(vec![
        Field::text("name", "Full name", "name", name),
        Field::email(email),
        Field::new_password(rules),
        Field::password_again(),
    ])
}

/// What can be picked; nothing is asked where there is nothing to choose.
pub(super) fn choices(open: &[OpenRole], picked: &str) -> Vec<Choice> {
    if open.len() < 2 {
        return Vec::new();
    }
    let known = open.iter().any(|r| r.name.as_str() == picked);
    let chosen = |r: &OpenRole| if known { r.name.as_str() == picked } else { r.default };
    let choice = |r: &OpenRole| Choice {
        name: r.name.to_string(),
        title: role_title(r.name.as_str()),
        needs_approval: r.needs_approval,
        chosen: chosen(r),
    };
    open.iter().map(choice).collect()
}
