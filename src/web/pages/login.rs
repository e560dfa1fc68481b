//! The sign-in page.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Field, Form, Frame, go, go_to, page, refused, second_factor};
use crate::account::{Login, SignIn};
use crate::web::api::logout::replaced;
use crate::web::error::Problem;
use crate::web::extract::{Caller, Form as Sent, Hidden, Presented, Query, Visitor};
use crate::web::{WebState, next, routes};

/// The page.
#[derive(Template)]
#[template(path = "pages/login.html")]
pub struct LoginPage {
    pub(super) frame: Frame,
    pub(super) form: Form,
    pub(super) keep: bool,
    /// The stable word of the refusal: the page says where to go from there.
    pub(super) refusal: &'static str,
    pub(super) registration: bool,
    pub(super) next: String,
    pub(super) mac: String,
}

/// What the form sends.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    email: String,
    password: Hidden,
    keep: String,
    next: String,
    mac: String,
}

/// `GET /login/?next=…&mac=…`. Whoever is signed in and was sent here with a target is asked to prove it again,
/// so that a rule that wants a fresh sign-in cannot send people round in circles.
pub async fn show(State(state): State<WebState>, Caller(caller): Caller, query: Query) -> Response {
    let (target, mac) = target(&state, query.get("next"), query.get("mac"));
    if caller.is_some() && target.is_empty() {
        return go(&state.settings, routes::HOME, None);
    }
    let email = caller.map(|p| p.email.clone()).unwrap_or_default();
    let page_of = LoginPage {
        frame: Frame::of(&state.settings).with_notice(query.get("notice")),
        form: fields(&email),
        keep: false,
        refusal: "",
        registration: state.accounts.registration_open(),
        next: target.to_owned(),
        mac: mac.to_owned(),
    };
    page(StatusCode::OK, &page_of)
}

/// `POST /login/` (form) -> 303 with cookies.
pub async fn send(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    presented: Presented,
    Sent(input): Sent<Input>,
) -> Response {
    let keep = !input.keep.is_empty();
    let (target, mac) = target(&state, &input.next, &input.mac);
    let login = Login { email: input.email.clone(), password: input.password.0, keep, browser: true };
    match state.accounts.login(login, &origin).await {
        Ok(SignIn::Done(signed_in)) => {
            replaced(&state, presented, &origin).await;
            let mut headers = HeaderMap::new();
            state.cookies.sign_in(&signed_in, &mut headers);
            let on = if target.is_empty() { go(&state.settings, routes::HOME, None) } else { go_to(target) };
            (headers, on).into_response()
        }
        Ok(SignIn::Challenge(challenge)) => {
            let mut headers = HeaderMap::new();
            let cookie = second_factor::cookie(&challenge);
            state.cookies.bind_challenge(&cookie, challenge.expires_in, &mut headers);
            (headers, go_to(&second_factor::address(&state, target, mac))).into_response()
        }
        Err(error) => {
            let problem = Problem::from(error);
            let again = LoginPage {
                frame: Frame::of(&state.settings),
                form: fields(&input.email).refused(&problem),
                keep,
                refusal: problem.kind,
                registration: state.accounts.registration_open(),
                next: target.to_owned(),
                mac: mac.to_owned(),
            };
            refused(problem, &again)
        }
    }
}

pub(super) fn fields(email: &str) -> Form {
    Form::new(vec![Field::email(email), Field::current_password()])
}

/// The target and its proof, or two empty texts.
pub(super) fn target<'a>(state: &WebState, target: &'a str, mac: &'a str) -> (&'a str, &'a str) {
    let ours = next::accepted(target, mac, |t, m| (state.verify_return)(t, m));
    if ours { (target, mac) } else { ("", "") }
}
