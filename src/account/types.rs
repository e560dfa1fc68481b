//! What goes into the use cases and what comes out.

use std::time::Duration;

use crate::model::{AccountId, ClientIp, RequestId, RoleName, Secret, SessionId, Timestamp};

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address.
    pub ip: ClientIp,
    /// What the client calls itself; cut to 256 bytes.
    pub user_agent: String,
    /// The request, for the logs.
    pub request_id: RequestId,
    /// The device cookie as it came; nothing is believed of it before its MAC was checked.
    pub device: Option<Secret>,
}

/// Who asks, as the access token says. What it says is not older than the token's life; what matters is read again.
#[derive(Clone, Debug)]
pub struct Me {
    /// The account.
    pub account: AccountId,
    /// The session.
    pub session: SessionId,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// How (RFC 8176): `pwd`, `otp`, `mfa`, …
    pub amr: Vec<String>,
}

/// A registration as it was typed.
#[derive(Debug)]
pub struct Register {
    /// Full name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: Secret,
    /// The password again.
    pub password_confirm: Secret,
    /// The role asked for; `None`: the default role.
    pub role: Option<String>,
}

/// A role that a person may pick when registering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRole {
    /// The role.
    pub name: RoleName,
    /// Whether an admin must agree first.
    pub needs_approval: bool,
    /// Whether it is what people get who pick nothing.
    pub default: bool,
}

/// A sign-in as it was typed.
#[derive(Debug)]
pub struct Login {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: Secret,
    /// Whether the person asked to stay signed in.
    pub keep: bool,
    /// Whether the client is a browser: a challenge is bound to a cookie then.
    pub browser: bool,
}

/// What a sign-in came to.
#[derive(Debug)]
pub enum SignIn {
    /// The person has a session.
    Done(Box<SignedIn>),
    /// The password was right; a second factor is due.
    Challenge(Challenge),
}

impl SignIn {
    /// The session, if there is one already.
    #[must_use]
    pub fn done(self) -> Option<SignedIn> {
        match self {
            Self::Done(signed_in) => Some(*signed_in),
            Self::Challenge(_) => None,
        }
    }
}

/// A sign-in that waits for a second factor. It opens nothing but the way to finish it.
#[derive(Debug)]
pub struct Challenge {
    /// What the client sends back together with the code.
    pub token: Secret,
    /// How it can be finished, the best one first.
    pub methods: Vec<Method>,
    /// How long it can be finished.
    pub expires_in: Duration,
    /// For browsers: what goes into the challenge cookie, without which the token is worth nothing.
    pub browser: Option<Secret>,
}

/// A second factor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// A code from an app (RFC 6238).
    Totp,
    /// A code by mail.
    Email,
    /// One of the printed codes.
    Recovery,
}

impl Method {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Email => "email",
            Self::Recovery => "recovery",
        }
    }

    /// The method of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Totp, Self::Email, Self::Recovery].into_iter().find(|m| m.as_str() == word)
    }
}

/// A person has a session: the tokens and who they are for.
#[derive(Debug)]
pub struct SignedIn {
    /// The access token (JWT).
    pub access: Secret,
    /// Life of the access token from now.
    pub expires_in: Duration,
    /// The refresh token (opaque, single use).
    pub refresh: Secret,
    /// How long the refresh token can lie unused; the `Max-Age` of its cookie.
    pub refresh_expires_in: Duration,
    /// The session.
    pub session: SessionId,
    /// The person.
    pub user: User,
    /// A device cookie to be set, if the browser has none (or another).
    pub device: Option<Secret>,
}

/// A person, as shown to the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub id: AccountId,
    /// The address in its canonical form.
    pub email: String,
    /// Full name.
    pub name: String,
    /// The roles held.
    pub roles: Vec<RoleName>,
    /// What the roles grant, as configured; sorted.
    pub permissions: Vec<String>,
}

/// What a sign-out knows about the session it ends.
#[derive(Debug, Default)]
pub struct Logout {
    /// From the access token, which may have expired, but whose signature was right.
    pub session: Option<(AccountId, SessionId)>,
    /// The refresh token, if the client sent one.
    pub refresh: Option<Secret>,
    /// Whether to end every session of the account.
    pub all: bool,
}

/// An account made by the operator; active at once.
#[derive(Debug)]
pub struct CreateUser {
    /// E-mail address.
    pub email: String,
    /// Full name.
    pub name: String,
    /// The roles.
    pub roles: Vec<String>,
    /// Password; held to the password policy.
    pub password: Secret,
}

/// When a token or mail ends, for messages.
pub type Until = Timestamp;
