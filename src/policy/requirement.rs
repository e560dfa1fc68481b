//! Requirements with all names resolved, and what a caller fulfils of them.
//!
//! Three-valued, because nothing about the identity of an anonymous caller can be known: it is neither
//! true nor false that they hold a role. A `not` around something unknown stays unknown, so it never
//! lets an anonymous caller in.

use std::time::Duration;

use ipnet::IpNet;

use super::decision::{Caller, Reason};
use super::roles::RoleSet;
use crate::model::{AccountId, ClientIp, Timestamp};

/// A requirement and the text it was written as.
#[derive(Clone, Debug)]
pub(super) struct Requirement {
    pub(super) text: Box<str>,
    pub(super) kind: Kind,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Public,
    Authenticated,
    Deny,
    /// One of the roles; the reason tells whether a role or a permission was asked for.
    AnyRole(RoleSet, Reason),
    AllRoles(RoleSet),
    /// The segment of the path that names the owner.
    Owner(usize),
    Mfa,
    MaxAge(Duration),
    Network(Box<[IpNet]>),
    AnyOf(Box<[Requirement]>),
    AllOf(Box<[Requirement]>),
    Not(Box<Requirement>),
}

/// What is known about a request.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) caller: Option<Caller>,
    pub(super) client_ip: ClientIp,
    pub(super) now: Timestamp,
    /// The path in the reading that is being judged.
    pub(super) path: &'a [u8],
}

impl Facts<'_> {
    /// The same with a second factor, a fresh sign-in, or both.
    pub(super) fn elevated(&self, mfa: bool, fresh: bool) -> Self {
        let raise = |c: Caller| Caller {
            mfa: c.mfa || mfa,
            auth_time: if fresh { self.now } else { c.auth_time },
            ..c
        };
        Self { caller: self.caller.map(raise), ..*self }
    }
}

/// What came of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// It holds.
    Holds,
    /// Nobody is signed in, so it cannot be known.
    Unknown,
    /// It does not hold.
    Fails(Reason),
}

impl Finding {
    fn severity(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Unknown => 1,
            Self::Fails(_) => 2,
        }
    }

    fn from(holds: bool, reason: Reason) -> Self {
        if holds { Self::Holds } else { Self::Fails(reason) }
    }

    fn negated(self) -> Self {
        match self {
            Self::Holds => Self::Fails(Reason::Excluded),
            Self::Unknown => Self::Unknown,
            Self::Fails(_) => Self::Holds,
        }
    }
}

impl Requirement {
    /// Whether the facts fulfil it.
    pub(super) fn check(&self, facts: &Facts<'_>) -> Finding {
        match &self.kind {
            Kind::Public => Finding::Holds,
            Kind::Deny => Finding::Fails(Reason::DeniedByRule),
            Kind::Network(nets) => {
                let ip = facts.client_ip.addr();
                Finding::from(nets.iter().any(|net| net.contains(&ip)), Reason::NetworkDenied)
            }
            // Kleene's AND and OR: one failure settles the first, one success the second.
            Kind::AllOf(parts) => pick(parts, facts, |new, old| new > old),
            Kind::AnyOf(parts) => pick(parts, facts, |new, old| new < old),
            Kind::Not(inner) => inner.check(facts).negated(),
            identity => match facts.caller {
                Some(caller) => identity.check_caller(&caller, facts),
                None => Finding::Unknown,
            },
        }
    }

    /// Whether it could hold for an anonymous caller.
    pub(super) fn concerns_anyone(&self) -> bool {
        match &self.kind {
            Kind::Public | Kind::Network(_) | Kind::Not(_) => true,
            Kind::AnyOf(parts) | Kind::AllOf(parts) => parts.iter().any(Self::concerns_anyone),
            _ => false,
        }
    }
}

impl Kind {
    fn check_caller(&self, caller: &Caller, facts: &Facts<'_>) -> Finding {
        match self {
            Self::AnyRole(roles, reason) => Finding::from(caller.roles.intersects(*roles), *reason),
            Self::AllRoles(roles) => Finding::from(caller.roles.contains_all(*roles), Reason::RoleRequired),
            Self::Owner(position) => Finding::from(is_owner(caller, facts.path, *position), Reason::NotOwner),
            Self::Mfa => Finding::from(caller.mfa, Reason::MfaRequired),
            Self::MaxAge(age) => {
                Finding::from(facts.now.since(caller.auth_time) <= *age, Reason::StepUpRequired)
            }
            _ => Finding::Holds,
        }
    }
}

fn pick(parts: &[Requirement], facts: &Facts<'_>, better: fn(u8, u8) -> bool) -> Finding {
    let mut findings = parts.iter().map(|part| part.check(facts));
    // Empty lists are refused at load; nothing is the safe answer all the same.
    let first = findings.next().unwrap_or(Finding::Fails(Reason::DeniedByRule));
    findings.fold(first, |old, new| if better(new.severity(), old.severity()) { new } else { old })
}

/// Whether the segment is `me` or the caller's id, in the one form ids are written.
fn is_owner(caller: &Caller, path: &[u8], position: usize) -> bool {
    let segment = path.split(|b| *b == b'/').nth(position + 1).unwrap_or_default();
    let text = std::str::from_utf8(segment).unwrap_or_default();
    text == "me" || text.parse::<AccountId>().is_ok_and(|id| id == caller.id)
}
