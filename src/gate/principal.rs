//! Who is asking.

use crate::model::{AccountId, RoleName, SessionId, Timestamp};

/// The person behind a verified token or assertion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The account; stable, never given to anyone else.
    pub id: AccountId,
    /// The sign-in this token belongs to.
    pub session: SessionId,
    /// The address in its canonical form.
    pub email: String,
    /// Whether the owner has proved the address.
    pub email_verified: bool,
    /// The display name, any Unicode text.
    pub name: String,
    /// The roles held when the token was made.
    pub roles: Vec<RoleName>,
    /// The permissions of those roles, as configured (wildcards stay wildcards).
    pub permissions: Vec<String>,
    /// How the person proved it (RFC 8176 values: `pwd`, `otp`, `mfa`, …).
    pub amr: Vec<String>,
    /// When the person last proved it.
    pub auth_time: Timestamp,
    /// When the token ends.
    pub expires: Timestamp,
}

impl Principal {
    /// Whether the person holds `role`.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r.as_str() == role)
    }

    /// Whether one of the permissions grants `wanted` (`events.*` and `*` are understood).
    #[must_use]
    pub fn has_permission(&self, wanted: &str) -> bool {
        self.permissions.iter().any(|held| match held.strip_suffix('*') {
            Some(prefix) => wanted.len() > prefix.len() && wanted.starts_with(prefix),
            None => held == wanted,
        })
    }
}
