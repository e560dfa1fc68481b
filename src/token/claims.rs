//! What an access token says.

use uuid::Uuid;

use crate::model::{AccountId, RoleName, SessionId, Timestamp, TokenId};

/// What a token is for. A token of one purpose is refused for every other (J-09).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// Proves a sign-in to this gateway.
    Access,
    /// Tells an upstream who is asking.
    Assertion,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Access, Self::Assertion];

    /// The header's `typ`.
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Assertion => "assertion+jwt",
        }
    }
}

/// The content of a verified access token. Times are whole seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// Who issued it: this gateway.
    pub iss: String,
    /// For whom: this gateway.
    pub aud: String,
    /// The account.
    pub sub: AccountId,
    /// The sign-in it belongs to.
    pub sid: SessionId,
    /// The token itself; a UUID version 7, see [`Self::issued_at`].
    pub jti: TokenId,
    /// Issued at.
    pub iat: i64,
    /// Not valid before.
    pub nbf: i64,
    /// Not valid from here on.
    pub exp: i64,
    /// When the person last proved who they are.
    pub auth_time: i64,
    /// How (RFC 8176 values).
    pub amr: Vec<String>,
    /// Roles held when it was issued.
    pub roles: Vec<RoleName>,
    /// Permissions of those roles, as configured.
    pub permissions: Vec<String>,
    /// The address in its canonical form.
    pub email: String,
    /// Whether the owner has proved the address.
    pub email_verified: bool,
    /// The display name, any Unicode text.
    pub name: String,
}

impl Claims {
    /// When it was issued, to the millisecond: `iat` has whole seconds only, the time part of `jti` has the rest.
    /// Revocation compares this one, so that sign-out and the next sign-in may fall into the same second.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        issue_time(self.jti).unwrap_or(Timestamp::from_secs(self.iat))
    }
}

/// For whom an access token is to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessGrant {
    /// The account.
    pub account: AccountId,
    /// The sign-in.
    pub session: SessionId,
    /// The address in its canonical form.
    pub email: String,
    /// Whether the owner has proved the address.
    pub email_verified: bool,
    /// The display name, any Unicode text.
    pub name: String,
    /// Roles held now.
    pub roles: Vec<RoleName>,
    /// Permissions of those roles, as configured.
    pub permissions: Vec<String>,
    /// How the person proved who they are (RFC 8176 values).
    pub amr: Vec<String>,
    /// When the person last did.
    pub auth_time: Timestamp,
}

/// The person a token speaks of: a borrowed view, so that an assertion is made from whatever holds these values.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// The account.
    pub account: AccountId,
    /// The sign-in.
    pub session: SessionId,
    /// The address in its canonical form.
    pub email: &'a str,
    /// Whether the owner has proved the address.
    pub email_verified: bool,
    /// The display name.
    pub name: &'a str,
    /// Roles.
    pub roles: &'a [RoleName],
    /// Permissions of those roles.
    pub permissions: &'a [String],
    /// How the person proved who they are.
    pub amr: &'a [String],
    /// When the person last did.
    pub auth_time: Timestamp,
}

impl<'a> From<&'a AccessGrant> for Person<'a> {
    fn from(g: &'a AccessGrant) -> Self {
        Self {
            account: g.account,
            session: g.session,
            email: &g.email,
            email_verified: g.email_verified,
            name: &g.name,
            roles: &g.roles,
            permissions: &g.permissions,
            amr: &g.amr,
            auth_time: g.auth_time,
        }
    }
}

impl<'a> From<&'a Claims> for Person<'a> {
    fn from(c: &'a Claims) -> Self {
        Self {
            account: c.sub,
            session: c.sid,
            email: &c.email,
            email_verified: c.email_verified,
            name: &c.name,
            roles: &c.roles,
            permissions: &c.permissions,
            amr: &c.amr,
            auth_time: Timestamp::from_secs(c.auth_time),
        }
    }
}

/// A token id that carries its time: UUID version 7 (RFC 9562), 48 bits of milliseconds and 74 random ones.
pub(super) fn token_id(at: Timestamp, random: &[u8; 10]) -> TokenId {
    let ms = u64::try_from(at.millis()).unwrap_or(0);
    let id = uuid::Builder::from_unix_timestamp_millis(ms, random).into_uuid();
    TokenId::from_bytes(id.into_bytes())
}

/// The time part of a token id, if it has one.
pub(super) fn issue_time(id: TokenId) -> Option<Timestamp> {
    let bytes = *id.as_bytes();
    if Uuid::from_bytes(bytes).get_version_num() != 7 {
        return None;
    }
    let ms = bytes[..6].iter().fold(0i64, |ms, b| (ms << 8) | i64::from(*b));
    Some(Timestamp::from_millis(ms))
}
