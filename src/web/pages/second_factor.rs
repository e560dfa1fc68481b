//! The second step of a sign-in: a code from an app, from a mail, or from paper. The browser keeps the challenge in
//! its cookie, so that neither address nor page carries it.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::login::target;
use super::{Field, Form, Frame, Notice, go, go_to, page, refusal, refused};
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
    pub(super) by_mail: bool,
    pub(super) remember: bool,
    pub(super) next: String,
    pub(super) mac: String,
}

/// Another way to prove it, for which nothing has to be sent.
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

/// Back to the sign-in page, which says why; where the person wanted to go is not forgotten.
fn start_again(state: &WebState, on: &Onward<'_>) -> Response {
    let path = format!("{}{}", state.settings.auth_prefix, routes::LOGIN);
    go_to(&format!("{path}?notice={}{}", Notice::Expired.id(), onward(on)))
}

/// `GET /second-factor/?method=…&next=…&mac=…`
pub async fn show(State(state): State<WebState>, headers: HeaderMap, query: Query) -> Response {
    let (next, mac) = target(&state, query.get("next"), query.get("mac"));
    let on = Onward { next, mac };
    let Some((token, binding)) = waiting(&state, &headers) else { return start_again(&state, &on) };
    let methods = match state.accounts.challenge_methods(&token, Some(&binding)).await {
        Ok(methods) => methods,
        Err(Error::InvalidChallenge) => return start_again(&state, &on),
        Err(error) => return refusal(&state, &headers, error.into()),
    };
    let wanted = Method::parse(query.get("method"));
    let Some(method) = one_of(&methods, wanted) else { return start_again(&state, &on) };
    let frame = Frame::of(&state.settings).with_notice(query.get("notice"));
    page(StatusCode::OK, &of(frame, method, &methods, &on, fields(method)))
}

/// `POST /second-factor/` (form) -> 303 with cookies.
pub async fn send(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    presented: Presented,
    headers: HeaderMap,
    Sent(input): Sent<Input>,
) -> Response {
    let (next, mac) = target(&state, &input.next, &input.mac);
    let on = Onward { next, mac };
    let Some((token, binding)) = waiting(&state, &headers) else { return start_again(&state, &on) };
    let method = Method::parse(&input.method);
    let remember = !input.remember.is_empty();
    let finish = Finish {
        challenge: Secret::new(token.expose()),
        code: Secret::new(typed(&input.code, method)),
        method,
        remember,
        browser: Some(Secret::new(binding.expose())),
    };
    match state.accounts.verify_otp(finish, &origin).await {
        Ok(signed_in) => {
            replaced(&state, presented, &origin).await;
            let mut headers = HeaderMap::new();
            state.cookies.sign_in(&signed_in, &mut headers);
            state.cookies.unbind_challenge(&mut headers);
            let on = if next.is_empty() { go(&state.settings, routes::HOME, None) } else { go_to(next) };
            (headers, on).into_response()
        }
        Err(Error::InvalidChallenge) => start_again(&state, &on),
        Err(error) => {
            let of_code = matches!(error, Error::WrongCode);
            let problem = Problem::from(error);
            let methods = state.accounts.challenge_methods(&token, Some(&binding)).await.unwrap_or_default();
            let Some(method) = one_of(&methods, method) else { return start_again(&state, &on) };
            let form = fields(method);
            let form = if of_code { form.refused_at("code", &problem) } else { form.refused(&problem) };
            let again = of(Frame::of(&state.settings), method, &methods, &on, form);
            let again = SecondFactorPage { remember, ..again };
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
    let (next, mac) = target(&state, &input.next, &input.mac);
    let on = Onward { next, mac };
    let Some((token, binding)) = waiting(&state, &headers) else { return start_again(&state, &on) };
    match state.accounts.resend_otp(&token, Some(&binding), &origin).await {
        Ok(()) => {
            let path = format!("{}{}", state.settings.auth_prefix, routes::SECOND_FACTOR);
            let query = onward(&on);
            let mut headers = HeaderMap::new();
            // The challenge lives as long as the newest code, and so does what binds it to this browser.
            let cookie = Secret::new(format!("{}.{}", token.expose(), binding.expose()));
            state.cookies.bind_challenge(&cookie, state.accounts.challenge_life(), &mut headers);
            let back = go_to(&format!("{path}?method=email&notice={}{query}", Notice::CodeSent.id()));
            (headers, back).into_response()
        }
        Err(Error::InvalidChallenge) => start_again(&state, &on),
        Err(error) => {
            let problem = Problem::from(error);
            let methods = state.accounts.challenge_methods(&token, Some(&binding)).await.unwrap_or_default();
            let Some(method) = one_of(&methods, Some(Method::Email)) else { return start_again(&state, &on) };
            let form = fields(method).refused(&problem);
            let again = of(Frame::of(&state.settings), method, &methods, &on, form);
            let again = SecondFactorPage { remember: !input.remember.is_empty(), ..again };
            refused(problem, &again)
        }
    }
}

/// The method that was asked for, or the best one of those there are.
fn one_of(methods: &[Method], wanted: Option<Method>) -> Option<Method> {
    wanted.filter(|m| methods.contains(m)).or(methods.first().copied())
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
        lead: lead(method, methods),
        method: method.as_str(),
        others: methods.iter().filter(|m| **m != method && **m != Method::Email).map(other).collect(),
        by_mail: method != Method::Email && methods.contains(&Method::Email),
        remember: false,
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

/// A code is mailed unasked only to whom has no better way.
fn lead(method: Method, methods: &[Method]) -> &'static str {
    match method {
        Method::Totp => "Open your authenticator app and type the code it shows.",
        Method::Email if methods.first() == Some(&Method::Email) => {
            "Type the code that we have mailed to you. It may take a minute to arrive."
        }
        Method::Email => "Type the code from our newest mail. If you have none yet, have one sent.",
        Method::Recovery => "Type one of the recovery codes you kept. It works once.",
    }
}

const fn label(method: Method) -> &'static str {
    match method {
        Method::Totp => "Use a code from my app",
        Method::Email => "Send me a code by mail",
        Method::Recovery => "Use a recovery code",
    }
}
