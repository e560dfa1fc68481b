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
