//! The question put to a policy, the answer, and the stable ids of its reasons.

use std::fmt;

use http::Method;

use super::path::CanonicalPath;
use super::roles::RoleSet;
use super::sensitivity::WhenUnknown;
use super::snapshot::{Route, Rule};
use crate::model::{AccountId, ClientIp, Timestamp};

/// One request, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The method; HEAD is judged as GET.
    pub method: &'a Method,
    /// The host, with or without a port, in any case.
    pub host: &'a str,
    /// The path in the form that is forwarded.
    pub path: &'a CanonicalPath<'a>,
    /// The route that serves it, from [`super::Policy::route`].
    pub route: &'a Route,
    /// Who asks; `None`: anonymous.
    pub caller: Option<Caller>,
    /// Where the request comes from.
    pub client_ip: ClientIp,
    /// When.
    pub now: Timestamp,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The account.
    pub id: AccountId,
    /// Its roles, from [`super::Policy::role_set`].
    pub roles: RoleSet,
    /// Whether a second factor was proved.
    pub mfa: bool,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
}

/// The answer.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// The rule that decided; `None`: no rule matched.
    pub rule: Option<&'a Rule>,
    /// What it said.
    pub outcome: Outcome,
}

/// What is to be done with the request. From lenient to strict: allowed, elevation, sign-in, forbidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It may pass.
    Allowed {
        /// Whether it would pass without a caller, too.
        public: bool,
    },
    /// It would perhaps pass after signing in.
    NeedsSignIn(Reason),
    /// It would pass with a second factor or a fresh sign-in.
    NeedsElevation(Reason),
    /// It may not pass.
    Forbidden(Reason),
}

impl Outcome {
    /// Whether the request may pass.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// Why it may not pass.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Allowed { .. } => None,
            Self::NeedsSignIn(r) | Self::NeedsElevation(r) | Self::Forbidden(r) => Some(r),
        }
    }

    /// A stable word, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed { .. } => "allowed",
            Self::NeedsSignIn(_) => "needs_sign_in",
            Self::NeedsElevation(_) => "needs_elevation",
            Self::Forbidden(_) => "forbidden",
        }
    }

    /// Position in the order from lenient to strict.
    pub(super) fn strictness(self) -> u8 {
        match self {
            Self::Allowed { public: true } => 0,
            Self::Allowed { public: false } => 1,
            Self::NeedsElevation(_) => 2,
            Self::NeedsSignIn(_) => 3,
            Self::Forbidden(_) => 4,
        }
    }
}

impl<'a> Decision<'a> {
    /// What is to be done with a caller whose token may have ended, on this route.
    #[must_use]
    pub fn when_unknown(&self, route: &Route) -> WhenUnknown {
        route.on_revocation_unknown.unwrap_or_else(|| WhenUnknown::by_rule(self.is_sensitive()))
    }

    fn is_sensitive(&self) -> bool {
        self.rule.is_some_and(|rule| rule.sensitive)
    }

    /// The stricter of two; of two that allow the sensitive one, else the first.
    pub(super) fn or_stricter(self, other: Decision<'a>) -> Decision<'a> {
        let strictness = |d: &Self| {
            (d.outcome.strictness(), matches!(d.outcome, Outcome::Allowed { .. }) && d.is_sensitive())
        };
        if strictness(&other) > strictness(&self) { other } else { self }
    }
}

/// Declares an enum of stable ids with `id()` and `ALL`.
macro_rules! ids {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $id:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable id, for logs, answers and metrics.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.id())
            }
        }
    };
}
pub(super) use ids;

ids! {
    /// Why a request may not pass.
    Reason {
        /// No rule matches.
        NoRule => "no_rule",
        /// Nobody is signed in, and the rule asks for somebody.
        Unauthenticated => "unauthenticated",
        /// A role is missing.
        RoleRequired => "role_required",
        /// No role grants the permission.
        PermissionRequired => "permission_required",
        /// The resource is somebody else's.
        NotOwner => "not_owner",
        /// A second factor is missing.
        MfaRequired => "mfa_required",
        /// The last sign-in is too long ago.
        StepUpRequired => "step_up_required",
        /// The client's address is outside the allowed networks.
        NetworkDenied => "network_denied",
        /// The rule admits nobody.
        DeniedByRule => "denied_by_rule",
        /// A `not` applies to the caller.
        Excluded => "excluded",
    }
}
