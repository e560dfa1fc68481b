//! Our own pages and API: two doors, JSON and HTML, onto the same use cases. No rules live here.
//!
//! - `routes`: every path · `extract`: what handlers take from a request · `error`: the map to HTTP
//! - `api`, `pages`: one file per use case each
//! - `ops`: the separate listener for operators ([`admin_router`])
//!
//! The front (the gateway, or a test) puts [`ClientInfo`] into the request's extensions, and [`Caller`] and
//! [`Presented`] where there is something to say. It has resolved `Sec-Fetch-Site`, `Origin`, cookies and tokens.

mod api;
mod assets;
mod cookies;
mod csrf;
mod csv;
pub mod error;
mod extract;
mod headers;
mod next;
mod openapi;
mod ops;
mod pages;
pub mod routes;
mod rules;
mod settings;

use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Extension, Router, extract::State};

pub use cookies::CookieNames;
pub use extract::{Caller, ClientInfo, Presented, Unsure};
pub use headers::secure as secure_headers;
pub use ops::{AdminState, MailSummary, MailView, Mailbox, admin_router};
pub use pages::error_page;
pub use rules::{Rules, RunningRule};
pub use settings::*;

use crate::account::{Accounts, PasswordSettings};
use pages::link::Purpose;

/// Whether we signed a return target: `(target, mac)`.
pub type ReturnCheck = dyn Fn(&str, &str) -> bool + Send + Sync;

/// What the handlers share.
#[derive(Clone)]
pub struct WebState {
    /// The use cases.
    pub accounts: Arc<Accounts>,
    /// The operator's choices.
    pub settings: Arc<Settings>,
    /// What a password must be; shown as a hint.
    pub password: PasswordSettings,
    /// How our cookies are called.
    pub cookies: CookieNames,
    /// The public keys as JSON (RFC 7517).
    pub jwks: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Whether we signed a return target: `(target, mac)`, the two query values of the sign-in page.
    pub verify_return: Arc<ReturnCheck>,
    /// The rules in force.
    pub rules: Arc<dyn Rules>,
}

/// Everything below `auth_prefix`.
pub fn router(state: WebState) -> Router {
    let document = api::openapi::Document::new(&state.settings, &state.cookies);
    Mount::below(&state.settings.auth_prefix)
        // pages
        .on(routes::HOME, get(pages::home::show))
        .on(routes::LOGIN, get(pages::login::show).post(pages::login::send))
        .on(routes::RESUME, get(pages::resume::show))
        .on(routes::SECOND_FACTOR, get(pages::second_factor::show).post(pages::second_factor::send))
        .on(routes::SECOND_FACTOR_RESEND, post(pages::second_factor::resend))
        .on(routes::CHECK_MAIL, get(pages::check_mail::show))
        .on(routes::VERIFIED, get(pages::verify::done))
        .on(routes::STATIC, get(assets::get))
        // both doors at one path: a form goes to the page, everything else to the API
        .on(routes::REGISTER, both(api::register::post, pages::register::send).get(pages::register::show))
        .on(routes::VERIFY_CODE, both(api::verify_email::code, pages::check_mail::code))
        .on(routes::VERIFY_LINK, both(api::verify_email::link, pages::verify::send).get(pages::verify::show))
        .on(routes::RESEND, both(api::verify_email::resend, pages::check_mail::resend))
        .on(routes::LOGOUT, both(api::logout::post, pages::logout::send).get(pages::logout::show))
        // API
        .on(routes::TOKEN, post(api::token::issue))
        .on(routes::TOKEN_REFRESH, post(api::token::refresh))
        .on(routes::SESSIONS, get(api::sessions::list).delete(api::sessions::end_others))
        .on(routes::SESSION, get(api::sessions::one).delete(api::sessions::end_one))
        .on(routes::ACTIVITY, get(api::activity::get))
        .on(routes::DEVICES, get(api::devices::list).delete(api::devices::forget_all))
        .on(routes::DEVICE, delete(api::devices::forget_one))
        .on(routes::UNLOCK, mailed_link(api::unlock::post, Purpose::Unlock))
        .on(routes::NOT_ME, mailed_link(api::not_me::post, Purpose::NotMe))
        .on(
            routes::PASSWORD_RESET,
            both(api::password_reset::request, pages::forgot::send).get(pages::forgot::show),
        )
        .on(
            routes::PASSWORD_RESET_CONFIRM,
            both(api::password_reset::confirm, pages::forgot::confirm).get(pages::forgot::code),
        )
        .on(routes::PASSWORD_RESET_LINK, get(pages::forgot::link))
        .on(routes::CHANGE_PASSWORD, post(api::change_password::post))
        .on(routes::PROFILE, get(api::profile::get).patch(api::profile::patch).delete(api::deletion::close))
        .on(routes::CHANGE_EMAIL, post(api::change_email::request))
        .on(routes::CHANGE_EMAIL_LINK, mailed_link(api::change_email::link, Purpose::ChangeEmail))
        .on(routes::CHANGE_EMAIL_CODE, post(api::change_email::code))
        .on(routes::UNDO_DELETION, mailed_link(api::deletion::undo, Purpose::KeepAccount))
        .on(routes::EXPORT, get(api::export::get))
        .on(routes::VERIFY_OTP, post(api::token_otp::verify))
        .on(routes::RESEND_OTP, post(api::token_otp::resend))
        .on(routes::ELEVATE, post(api::elevate::post))
        .on(
            routes::EMAIL_OTP,
            get(api::two_factor_email::get)
                .post(api::two_factor_email::on)
                .delete(api::two_factor_email::off),
        )
        .on(
            routes::TOTP,
            get(api::two_factor_totp::get)
                .post(api::two_factor_totp::enrol)
                .delete(api::two_factor_totp::remove),
        )
        .on(routes::TOTP_CONFIRM, post(api::two_factor_totp::confirm))
        .on(routes::RECOVERY_CODES, get(api::two_factor_recovery::get).post(api::two_factor_recovery::renew))
        .on(routes::ME, get(api::me::get))
        .on(routes::JWKS, get(api::jwks::get))
        .on(routes::OPENAPI, get(api::openapi::get).layer(Extension(document)))
        .on(routes::DOCS, get(api::openapi::page))
        .on(routes::DOCS_FILE, get(api::openapi::file))
        .on(routes::BOOTSTRAP, both(api::bootstrap::post, pages::bootstrap::send).get(pages::bootstrap::show))
        // administration
        .on(routes::ADMIN_USERS, get(api::admin::people::list).post(api::admin::people::invite))
        .on(routes::ADMIN_USER, get(api::admin::user::show).delete(api::admin::user::delete))
        .on(routes::ADMIN_ACTIVATE, post(api::admin::user::activate))
        .on(routes::ADMIN_DEACTIVATE, post(api::admin::user::deactivate))
        .on(routes::ADMIN_UNLOCK, post(api::admin::user::unlock))
        .on(routes::ADMIN_RESET, post(api::admin::user::reset_password))
        .on(routes::ADMIN_ROLES, put(api::admin::user::roles))
        .on(routes::ADMIN_SESSIONS, get(api::admin::sessions::list).delete(api::admin::sessions::end))
        .on(routes::ADMIN_APPROVALS, get(api::admin::approvals::list))
        .on(routes::ADMIN_APPROVAL, post(api::admin::approvals::decide))
        .on(routes::ADMIN_ATTEMPTS, get(api::admin::attempts::list))
        .on(routes::ADMIN_AUDIT, get(api::admin::audit::list))
        .on(routes::ADMIN_RULES, get(api::admin::rules::list))
        .on(routes::ADMIN_EXPLAIN, get(api::admin::rules::explain))
        .on(routes::ADMIN_MAIL, get(api::admin::mail::list))
        .on(routes::ADMIN_RETRY, post(api::admin::mail::retry))
        .router
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::method_not_allowed)
        // layers: the last one added is the first to see a request
        .layer(from_fn_with_state(state.clone(), csrf::layer))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(pages::panicked))
        .layer(from_fn_with_state(state.clone(), headers::layer))
        .with_state(state)
}

/// Puts every path below a prefix, with and without the final slash.
struct Mount<'a> {
    prefix: &'a str,
    router: Router<WebState>,
}

impl<'a> Mount<'a> {
    fn below(prefix: &'a str) -> Self {
        Self { prefix, router: Router::new() }
    }

    fn on(mut self, path: &str, methods: MethodRouter<WebState>) -> Self {
        let bare = format!("{}{}", self.prefix, path.trim_end_matches('/'));
        self.router = self.router.route(&format!("{bare}/"), methods.clone());
        if !bare.is_empty() {
            self.router = self.router.route(&bare, methods);
        }
        self
    }
}

/// A mailed link with one button: its page, and `POST` by the page or by API.
fn mailed_link<A, TA>(api: A, purpose: Purpose) -> MethodRouter<WebState>
where
    A: Handler<TA, WebState> + Sync,
    TA: 'static,
{
    let page = move |opened, visitor, form| pages::link::send(purpose, opened, visitor, form);
    both(api, page).get(move |opened| pages::link::show(purpose, opened))
}

/// A POST that is a page's form or an API call, by its `Content-Type`.
fn both<A, P, TA, TP>(api: A, page: P) -> MethodRouter<WebState>
where
    A: Handler<TA, WebState> + Sync,
    P: Handler<TP, WebState> + Sync,
    TA: 'static,
    TP: 'static,
{
    post(move |State(state): State<WebState>, request: Request| async move {
        if extract::is_form(request.headers()) {
            page.call(request, state).await
        } else {
            api.call(request, state).await
        }
    })
}

#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
