//! Every path of ours, relative to the configured prefix. All answer with and without the final slash.

/// Account home.
pub const HOME: &str = "/";
/// Sign-in page.
pub const LOGIN: &str = "/login/";
/// Registration: page and API.
pub const REGISTER: &str = "/register/";
/// "Check your mail": code entry and sending again.
pub const CHECK_MAIL: &str = "/check-mail/";
/// The mailed link: page with one button, and API.
pub const VERIFY_LINK: &str = "/verify-email/{uid}/{token}/";
/// The mailed code: form target and API.
pub const VERIFY_CODE: &str = "/verify-email/code/";
/// Send link and code again: form target and API.
pub const RESEND: &str = "/resend-verification/";
/// "Your address is confirmed".
pub const VERIFIED: &str = "/verified/";
/// Sign-out: page and API.
pub const LOGOUT: &str = "/logout/";
/// Tokens for a password.
pub const TOKEN: &str = "/token/";
/// Tokens for a refresh token.
pub const TOKEN_REFRESH: &str = "/token/refresh/";
/// Who is asking.
pub const ME: &str = "/me/";
/// The public keys (RFC 7517).
pub const JWKS: &str = "/.well-known/jwks.json";
/// The description of the API (OpenAPI).
pub const OPENAPI: &str = "/openapi.json";
/// The same to read and try.
pub const DOCS: &str = "/docs/";
/// What that page is made of.
pub const DOCS_FILE: &str = "/docs/{file}";
/// Style sheet, script, logo.
pub const STATIC: &str = "/static/{file}";

/// All of the above.
pub const ALL: &[&str] = &[
    HOME,
    LOGIN,
    REGISTER,
    CHECK_MAIL,
    VERIFY_LINK,
    VERIFY_CODE,
    RESEND,
    VERIFIED,
    LOGOUT,
    TOKEN,
    TOKEN_REFRESH,
    ME,
    JWKS,
    OPENAPI,
    DOCS,
    DOCS_FILE,
    STATIC,
];
