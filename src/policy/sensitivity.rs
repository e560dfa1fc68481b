//! Where a token that may have ended before its time is too much of a risk.
//!
//! A node that is cut off does not hear which sign-ins have ended. Tokens live for minutes, so most of an application
//! can go on; what asks for a second factor, for a fresh sign-in or for somebody who may do everything cannot.

use super::requirement::{Kind, Requirement};
use super::roles::{RoleSet, RoleTable};

/// What is to be done with a request by somebody whose token may have ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WhenUnknown {
    /// It waits; where nobody has to be signed in, it passes as nobody's.
    Deny,
    /// It passes until the token expires.
    Grace,
}

impl WhenUnknown {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Deny, Self::Grace];

    /// What a rule asks for where the route says nothing.
    #[must_use]
    pub(super) fn by_rule(sensitive: bool) -> Self {
        if sensitive { Self::Deny } else { Self::Grace }
    }

    /// The word of the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Grace => "grace",
        }
    }

    /// What it comes to, for people; `public`: whether nobody has to be signed in.
    pub(super) fn words(self, public: bool) -> &'static str {
        match self {
            Self::Deny if public => {
                "deny: passes as nobody's while it is not known which sign-ins have ended"
            }
            Self::Deny => "deny: 503 while it is not known which sign-ins have ended",
            Self::Grace => "grace: passes while it is not known which sign-ins have ended",
        }
    }
}

/// Whether the requirement mentions a second factor, a fresh sign-in, or a role or permission that only people hold who
/// may do everything. Mentioning is enough: in `any_of: [owner, admin]` it may be the administrator who passes.
pub(super) fn is_sensitive(requirement: &Requirement, roles: &RoleTable) -> bool {
    mentions(requirement, roles.unlimited())
}

fn mentions(requirement: &Requirement, unlimited: RoleSet) -> bool {
    match &requirement.kind {
        Kind::Mfa | Kind::MaxAge(_) => true,
        Kind::AnyRole(set, _) => !set.is_empty() && unlimited.contains_all(*set),
        Kind::AllRoles(set) => unlimited.intersects(*set),
        Kind::AnyOf(parts) | Kind::AllOf(parts) => parts.iter().any(|part| mentions(part, unlimited)),
        Kind::Not(inner) => mentions(inner, unlimited),
        Kind::Public | Kind::Authenticated | Kind::Deny | Kind::Owner(_) | Kind::Network(_) => false,
    }
}
