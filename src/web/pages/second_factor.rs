//! The second step of a sign-in: a code from an app, from a mail, or from paper. The browser keeps the challenge in
//! its cookie, so that neither address nor page carries it.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::login::target;
use super::{Field, Form, Frame, Notice, go, go_to, page, refused};
use crate::account::{Error, Finish, Method};
use crate::model::Secret;
use crate::web::api::logout::replaced;
use crate::web::error::Problem;
use crate::web::extract::{Form as Sent, Presented, Query, Visitor};
use crate::web::{WebState, routes};

/// The page.
#[derive(Template)]
#[template(path = "pages/second_factor.html")]
pub struct SecondFactorPage {
    pub(super) frame: Frame,
    pub(super) form: Form,
    pub(super) lead: &'static str,
    pub(super) method: &'static str,
    pub(super) others: Vec<Other>,
    pub(super) next: String,
    pub(super) mac: String,
}

/// Another way to prove it.
pub struct Other {
    pub(super) method: &'static str,
    pub(super) label: &'static str,
    pub(super) query: String,
}

/// What the form sends, to either button's address.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    method: String,
    code: String,
    remember: String,
    next: String,
    mac: String,
}

/// Where the page goes on, as it came and goes along.
struct Onward<'a> {
    next: &'a str,
    mac: &'a str,
}

/// The cookie of a sign-in that waits: the challenge and what binds it to this browser.
pub(super) fn cookie(challenge: &crate::account::Challenge) -> Secret {
    let binding = challenge.browser.as_ref().map_or("", |b| b.expose());
    Secret::new(format!("{}.{binding}", challenge.token.expose()))
}

/// The page's address, with where to go on.
pub(super) fn address(state: &WebState, next: &str, mac: &str) -> String {
    let query = onward(&Onward { next, mac });
    let query = query.strip_prefix('&').map(|q| format!("?{q}")).unwrap_or_default();
    format!("{}{}{query}", state.settings.auth_prefix, routes::SECOND_FACTOR)
}

fn waiting(state: &WebState, headers: &HeaderMap) -> Option<(Secret, Secret)> {
    let cookie = state.cookies.only(headers, state.cookies.challenge)?;
    let (token, binding) = cookie.expose().split_once('.')?;
    Some((Secret::new(token), Secret::new(binding)))
}

/// `GET /second-factor/?method=…&next=…&mac=…`
pub async fn show(State(state): State<WebState>, headers: HeaderMap, query: Query) -> Response {
    let Some((token, binding)) = waiting(&state, &headers) else {
        return go(&state.settings, routes::LOGIN, None);
    };
    let Ok(methods) = state.accounts.challenge_methods(&token, Some(&binding)).await else {
        return go(&state.settings, routes::LOGIN, None);
    };
    let wanted = Method::parse(query.get("method")).filter(|m| methods.contains(m));
    let Some(method) = wanted.or(methods.first().copied()) else {
        return go(&state.settings, routes::LOGIN, None);
    };
    let (next, mac) = target(&state, query.get("next"), query.get("mac"));
    let frame = Frame::of(&state.settings).with_notice(query.get("notice"));
    page(StatusCode::OK, &of(frame, method, &methods, &Onward { next, mac }, fields(method)))
}

/// `POST /second-factor/` (form) -> 303 with cookies.
pub async fn send(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    presented: Presented,
    headers: HeaderMap,
    Sent(input): Sent<Input>,
) -> Response {
    let Some((token, binding)) = waiting(&state, &headers) else {
        return go(&state.settings, routes::LOGIN, None);
    };
    let method = Method::parse(&input.method);
    let finish = Finish {
        challenge: Secret::new(token.expose()),
        code: Secret::new(typed(&input.code, method)),
        method,
        remember: !input.remember.is_empty(),
        browser: Some(Secret::new(binding.expose())),
    };
    let (next, mac) = target(&state, &input.next, &input.mac);
    match state.accounts.verify_otp(finish, &origin).await {
        Ok(signed_in) => {
            replaced(&state, presented, &origin).await;
            let mut headers = HeaderMap::new();
            state.cookies.sign_in(&signed_in, &mut headers);
            state.cookies.unbind_challenge(&mut headers);
            let on = if next.is_empty() { go(&state.settings, routes::HOME, None) } else { go_to(next) };
            (headers, on).into_response()
        }
        Err(Error::InvalidChallenge) => go(&state.settings, routes::LOGIN, Some(Notice::Expired)),
        Err(error) => {
            let problem = Problem::from(error);
            let methods = state.accounts.challenge_methods(&token, Some(&binding)).await.unwrap_or_default();
            let method = method.or(methods.first().copied()).unwrap_or(Method::Email);
            let form = fields(method).refused_at("code", &problem);
            let again = of(Frame::of(&state.settings), method, &methods, &Onward { next, mac }, form);
            refused(problem, &again)
        }
    }
}

/// `POST /second-factor/resend/` (form) -> 303 back.
pub async fn resend(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    headers: HeaderMap,
    Sent(input): Sent<Input>,
) -> Response {
    let Some((token, binding)) = waiting(&state, &headers) else {
        return go(&state.settings, routes::LOGIN, None);
    };
    let (next, mac) = target(&state, &input.next, &input.mac);
    match state.accounts.resend_otp(&token, Some(&binding), &origin).await {
        Ok(()) => {
            let path = format!("{}{}", state.settings.auth_prefix, routes::SECOND_FACTOR);
            let query = onward(&Onward { next, mac });
            go_to(&format!("{path}?method=email&notice={}{query}", Notice::CodeSent.id()))
        }
        Err(Error::InvalidChallenge) => go(&state.settings, routes::LOGIN, Some(Notice::Expired)),
        Err(error) => {
            let problem = Problem::from(error);
            let methods = state.accounts.challenge_methods(&token, Some(&binding)).await.unwrap_or_default();
            let form = fields(Method::Email).refused(&problem);
            let again = of(Frame::of(&state.settings), Method::Email, &methods, &Onward { next, mac }, form);
            refused(problem, &again)
        }
    }
}

/// People type codes as they read them: in groups.
fn typed(code: &str, method: Option<Method>) -> String {
    let keep = |c: &char| !c.is_whitespace() && (*c != '-' || method == Some(Method::Recovery));
    code.chars().filter(keep).collect()
}

fn fields(method: Method) -> Form {
    let field = match method {
        Method::Totp => Field::code("Code from your app", "one-time-code"),
        Method::Email => Field::code("Code from the mail", "one-time-code"),
        Method::Recovery => Field::text("code", "Recovery code", "off", ""),
    };
    Form::new(vec![field])
}

fn of(frame: Frame, method: Method, methods: &[Method], on: &Onward<'_>, form: Form) -> SecondFactorPage {
    let other = |m: &Method| Other { method: m.as_str(), label: label(*m), query: onward(on) };
    SecondFactorPage {
        frame,
        form,
        lead: lead(method),
        method: method.as_str(),
        others: methods.iter().filter(|m| **m != method).map(other).collect(),
        next: on.next.to_owned(),
        mac: on.mac.to_owned(),
    }
}

fn onward(on: &Onward<'_>) -> String {
    if on.next.is_empty() {
        return String::new();
    }
    let pairs = [("next", on.next), ("mac", on.mac)];
    format!("&{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

const fn lead(method: Method) -> &'static str {
    match method {
        Method::Totp => "Open your authenticator app and type the code it shows.",
        Method::Email => "Type the code that we sent to your e-mail address.",
        Method::Recovery => "Type one of the recovery codes you kept. It works once.",
    }
}

const fn label(method: Method) -> &'static str {
    match method {
        Method::Totp => "Use a code from my app",
        Method::Email => "Use a code by mail",
        Method::Recovery => "Use a recovery code",
    }
}
