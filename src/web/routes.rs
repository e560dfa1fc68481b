//! Every path of ours, relative to the configured prefix. All answer with and without the final slash.

/// Account home.
pub const HOME: &str = "/";
/// Sign-in page.
pub const LOGIN: &str = "/login/";
/// Back to where a person was, with new cookies.
pub const RESUME: &str = "/resume/";
/// The second step of a sign-in: page.
pub const SECOND_FACTOR: &str = "/second-factor/";
/// Another code by mail, asked for on that page.
pub const SECOND_FACTOR_RESEND: &str = "/second-factor/resend/";
/// The mailed link to a new password: page.
pub const PASSWORD_RESET_LINK: &str = "/password-reset/{uid}/{token}/";
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
/// Ask for a new password: API.
pub const PASSWORD_RESET: &str = "/password-reset/";
/// Set it, with what was mailed: API.
pub const PASSWORD_RESET_CONFIRM: &str = "/password-reset/confirm/";
/// Another password: API.
pub const CHANGE_PASSWORD: &str = "/change-password/";
/// The own account: API.
pub const PROFILE: &str = "/profile/";
/// Ask for another address: API.
pub const CHANGE_EMAIL: &str = "/change-email/";
/// The link mailed to the new address: API.
pub const CHANGE_EMAIL_LINK: &str = "/change-email/{uid}/{token}/";
/// The code mailed to the new address: API.
pub const CHANGE_EMAIL_CODE: &str = "/change-email/code/";
/// The mailed link that keeps a closed account: API.
pub const UNDO_DELETION: &str = "/undo-deletion/{uid}/{token}/";
/// One's own data: API.
pub const EXPORT: &str = "/export/";
/// Tokens for a password.
pub const TOKEN: &str = "/token/";
/// Tokens for a refresh token.
pub const TOKEN_REFRESH: &str = "/token/refresh/";
/// One's sessions: all of them, and ending all others.
pub const SESSIONS: &str = "/sessions/";
/// One of one's sessions.
pub const SESSION: &str = "/sessions/{id}/";
/// One's own history of sign-ins.
pub const ACTIVITY: &str = "/activity/";
/// The devices one has signed in on.
pub const DEVICES: &str = "/2fa/devices/";
/// One of them.
pub const DEVICE: &str = "/2fa/devices/{id}/";
/// The mailed link that opens a locked account.
pub const UNLOCK: &str = "/unlock/{uid}/{token}/";
/// The mailed link "this was not me".
pub const NOT_ME: &str = "/not-me/{uid}/{token}/";
/// Finish a sign-in that waits for a second factor.
pub const VERIFY_OTP: &str = "/token/verify-otp/";
/// Mail another code for it.
pub const RESEND_OTP: &str = "/token/resend-otp/";
/// Prove again who one is.
pub const ELEVATE: &str = "/elevate/";
/// Codes by mail.
pub const EMAIL_OTP: &str = "/2fa/email/";
/// Codes from an app.
pub const TOTP: &str = "/2fa/totp/";
/// The first code from an app.
pub const TOTP_CONFIRM: &str = "/2fa/totp/confirm/";
/// Recovery codes.
pub const RECOVERY_CODES: &str = "/2fa/recovery-codes/";
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
    RESUME,
    SECOND_FACTOR,
    SECOND_FACTOR_RESEND,
    PASSWORD_RESET_LINK,
    REGISTER,
    CHECK_MAIL,
    VERIFY_LINK,
    VERIFY_CODE,
    RESEND,
    VERIFIED,
    LOGOUT,
    PASSWORD_RESET,
    PASSWORD_RESET_CONFIRM,
    CHANGE_PASSWORD,
    PROFILE,
    CHANGE_EMAIL,
    CHANGE_EMAIL_LINK,
    CHANGE_EMAIL_CODE,
    UNDO_DELETION,
    EXPORT,
    TOKEN,
    TOKEN_REFRESH,
    SESSIONS,
    SESSION,
    ACTIVITY,
    DEVICES,
    DEVICE,
    UNLOCK,
    NOT_ME,
    VERIFY_OTP,
    RESEND_OTP,
    ELEVATE,
    EMAIL_OTP,
    TOTP,
    TOTP_CONFIRM,
    RECOVERY_CODES,
    ME,
    JWKS,
    OPENAPI,
    DOCS,
    DOCS_FILE,
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
