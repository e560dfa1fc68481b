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
/// People: list and invitation.
pub const ADMIN_USERS: &str = "/admin/users/";
/// One person.
pub const ADMIN_USER: &str = "/admin/users/{id}/";
/// Lets a person sign in.
pub const ADMIN_ACTIVATE: &str = "/admin/users/{id}/activate/";
/// Switches an account off.
pub const ADMIN_DEACTIVATE: &str = "/admin/users/{id}/deactivate/";
/// Opens an account after too many failures.
pub const ADMIN_UNLOCK: &str = "/admin/users/{id}/unlock/";
/// Mails a person the way to a new password.
pub const ADMIN_RESET: &str = "/admin/users/{id}/reset-password/";
/// The roles of a person.
pub const ADMIN_ROLES: &str = "/admin/users/{id}/roles/";
/// The sessions of a person.
pub const ADMIN_SESSIONS: &str = "/admin/users/{id}/sessions/";
/// Roles that wait for an approval.
pub const ADMIN_APPROVALS: &str = "/admin/approvals/";
/// The decision about one of them.
pub const ADMIN_APPROVAL: &str = "/admin/approvals/{id}/";
/// Tries to sign in.
pub const ADMIN_ATTEMPTS: &str = "/admin/attempts/";
/// The audit trail.
pub const ADMIN_AUDIT: &str = "/admin/audit/";
/// The running rules.
pub const ADMIN_RULES: &str = "/admin/rules/";
/// What they say to a request.
pub const ADMIN_EXPLAIN: &str = "/admin/rules/explain";
/// The outbox.
pub const ADMIN_MAIL: &str = "/admin/mail/";
/// Sends a mail again.
pub const ADMIN_RETRY: &str = "/admin/mail/{id}/retry/";
/// The first admin.
pub const BOOTSTRAP: &str = "/bootstrap/";
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
    ADMIN_USERS,
    ADMIN_USER,
    ADMIN_ACTIVATE,
    ADMIN_DEACTIVATE,
    ADMIN_UNLOCK,
    ADMIN_RESET,
    ADMIN_ROLES,
    ADMIN_SESSIONS,
    ADMIN_APPROVALS,
    ADMIN_APPROVAL,
    ADMIN_ATTEMPTS,
    ADMIN_AUDIT,
    ADMIN_RULES,
    ADMIN_EXPLAIN,
    ADMIN_MAIL,
    ADMIN_RETRY,
    BOOTSTRAP,
    STATIC,
];
