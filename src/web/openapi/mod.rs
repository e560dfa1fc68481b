//! The description of the API (OpenAPI 3.1), made of what stands beside the handlers.
//!
//! A new endpoint is one line in `paths` below. Its handler says what is special about it; what every operation can be
//! refused for is added by [`refusals`], id, title and the form of an optional body by [`operations`]. A test holds the
//! result against the router.

mod forms;
mod operations;
mod refusals;
mod schemas;

use utoipa::OpenApi as _;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Server};

use forms::Forms;
use operations::{Named, OptionalBodies, Titled};
use refusals::Refusals;
use schemas::NoEmptyDefaults;

use super::{CookieNames, Settings, api};

/// What clients should know before they read on.
const ABOUT: &str = "\
Registration, sign-in and accounts of the sites behind this gateway.

**Form.** JSON in (UTF-8, at most 16 KiB, no unknown or repeated fields), JSON out. Times are RFC 3339 in UTC unless a \
field says otherwise. Paths answer with and without the final slash.

**Refusals** are problem documents (RFC 9457): go by `type`, which is stable, or by `codes` for single fields; `title`, \
`detail` and `errors` are sentences for people. Before an operation is reached the gateway itself may also answer 408, \
414, 417 or 431, in the same form.

**Credentials.** Programs send the access token as `Authorization: Bearer`. Browsers ask for cookies with \
`\"session\": \"cookie\"` when they sign in; with cookies, requests that change something have to come from a page of \
this site. Sensitive operations want a recent proof of identity and answer 403 `elevation-required` without it: see \
`/elevate/`.";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Stagedoor", description = ABOUT, license(name = "Apache-2.0 OR MIT")),
    tags(
        (name = "sign-in", description = "Tokens for a password, fresh tokens for old ones, the end of a session."),
        (name = "registration", description = "A new account, and the proof of its e-mail address."),
        (name = "account", description = "What people do with their own account."),
        (name = "second-factor", description = "Codes beside the password, and proving again who one is."),
        (name = "sessions", description = "Where somebody is signed in, and what happened at the door."),
        (name = "administration", description = "Other people's accounts, for those who may."),
        (name = "integration", description = "What services behind or beside the gateway ask it."),
    ),
    paths(
        api::token::issue,
        api::token::refresh,
        api::token_otp::verify,
        api::token_otp::resend,
        api::logout::post,
        api::elevate::post,
        api::register::post,
        api::verify_email::link,
        api::verify_email::code,
        api::verify_email::resend,
        api::password_reset::request,
        api::password_reset::confirm,
        api::unlock::post,
        api::not_me::post,
        api::me::get,
        api::profile::get,
        api::profile::patch,
        api::deletion::close,
        api::deletion::undo,
        api::change_password::post,
        api::change_email::request,
        api::change_email::link,
        api::change_email::code,
        api::export::get,
        api::two_factor_email::get,
        api::two_factor_email::on,
        api::two_factor_email::off,
        api::two_factor_totp::get,
        api::two_factor_totp::enrol,
        api::two_factor_totp::confirm,
        api::two_factor_totp::remove,
        api::two_factor_recovery::get,
        api::two_factor_recovery::renew,
        api::sessions::list,
        api::sessions::end_others,
        api::sessions::one,
        api::sessions::end_one,
        api::activity::get,
        api::devices::list,
        api::devices::forget_all,
        api::devices::forget_one,
        api::bootstrap::post,
        api::admin::people::list,
        api::admin::people::invite,
        api::admin::user::show,
        api::admin::user::delete,
        api::admin::user::activate,
        api::admin::user::deactivate,
        api::admin::user::unlock,
        api::admin::user::reset_password,
        api::admin::user::roles,
        api::admin::sessions::list,
        api::admin::sessions::end,
        api::admin::approvals::list,
        api::admin::approvals::decide,
        api::admin::attempts::list,
        api::admin::audit::list,
        api::admin::rules::list,
        api::admin::rules::explain,
        api::admin::mail::list,
        api::admin::mail::retry,
        api::jwks::get,
        api::openapi::get,
    ),
    components(schemas(super::error::ProblemBody)),
    modifiers(&Named, &Titled, &OptionalBodies, &NoEmptyDefaults, &Forms, &Refusals),
)]
struct Described;

/// The whole description, for this deployment.
#[must_use]
pub fn document(settings: &Settings, cookies: &CookieNames) -> OpenApi {
    let mut document = Described::openapi();
    let prefix = &settings.auth_prefix;
    document.servers = Some(vec![Server::new(if prefix.is_empty() { "/" } else { prefix })]);
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let bearer = bearer.description(Some("The access token of `/token/`.")).build();
    let cookie =
        ApiKeyValue::with_description(cookies.access, "The same token, in the cookie that browsers get.");
    let schemes = &mut components.security_schemes;
    schemes.insert("bearer".into(), SecurityScheme::Http(bearer).into());
    schemes.insert("cookie".into(), SecurityScheme::ApiKey(ApiKey::Cookie(cookie)).into());
    document
}

#[cfg(test)]
mod tests;
