//! What configuration hands over: names are still text, nothing is checked yet.

use std::fmt;
use std::time::Duration;

use ipnet::IpNet;

use super::sensitivity::WhenUnknown;

/// Everything a policy is made of, in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PolicySource {
    /// The operator's roles.
    pub roles: Vec<RoleSource>,
    /// Named requirements: name, meaning.
    pub requirements: Vec<(String, RequirementSource)>,
    /// Which upstream serves what.
    pub routes: Vec<RouteSource>,
    /// Who may do what.
    pub rules: Vec<RuleSource>,
}

/// One role.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoleSource {
    /// Its name.
    pub name: String,
    /// What it grants; `events.*` and `*` are wildcards.
    pub permissions: Vec<String>,
}

/// One route.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteSource {
    /// A path pattern.
    pub path: String,
    /// One exact host name; `None`: every host.
    pub host: Option<String>,
    /// The name of the upstream.
    pub upstream: String,
    /// Whether a `;` may occur in a segment.
    pub allow_semicolon: bool,
    /// Whether the upstream takes `/A` and `/a` for the same.
    pub case_insensitive: bool,
    /// Whether the caller's token is passed on.
    pub forward_token: bool,
    /// Largest request body in bytes; `None`: the server's limit.
    pub max_body: Option<u64>,
    /// What happens where it is not known whether a token has ended; `None`: the rule decides.
    pub on_revocation_unknown: Option<WhenUnknown>,
    /// The beginning of the path that the upstream does not see.
    pub strip_prefix: Option<String>,
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleSource {
    /// A path pattern.
    pub path: String,
    /// One exact host name; `None`: every host.
    pub host: Option<String>,
    /// Upper-case method names; empty: every method.
    pub methods: Vec<String>,
    /// What the caller must fulfil.
    pub allow: RequirementSource,
}

/// A requirement as written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequirementSource {
    /// Everyone, signed in or not.
    Public,
    /// Everyone who is signed in.
    Authenticated,
    /// Nobody.
    Deny,
    /// Holders of the role.
    Role(String),
    /// Holders of at least one of the roles.
    AnyRole(Vec<String>),
    /// Holders of all the roles.
    AllRoles(Vec<String>),
    /// Holders of a role that grants the permission.
    Permission(String),
    /// Holders of a role that grants at least one of the permissions.
    AnyPermission(Vec<String>),
    /// Whoever is named by the captured segment.
    Owner(String),
    /// Whoever proved a second factor.
    Mfa,
    /// Whoever signed in no longer ago than this.
    MaxAge(Duration),
    /// Clients whose address lies in one of the networks.
    Network(Vec<IpNet>),
    /// At least one must hold.
    AnyOf(Vec<Self>),
    /// All must hold.
    AllOf(Vec<Self>),
    /// Must not hold. Never admits an anonymous caller because of something unknown about them.
    Not(Box<Self>),
    /// The requirement of that name.
    Named(String),
}

/// The one-line form of the configuration, for listings: `any_role: [admin, organizer]`.
impl fmt::Display for RequirementSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Deny => f.write_str("deny"),
            Self::Role(r) => write!(f, "role: {r}"),
            Self::AnyRole(rs) => list(f, "any_role", rs),
            Self::AllRoles(rs) => list(f, "all_roles", rs),
            Self::Permission(p) => write!(f, "permission: {p}"),
            Self::AnyPermission(ps) => list(f, "any_permission", ps),
            Self::Owner(capture) => write!(f, "owner: {capture}"),
            Self::Mfa => f.write_str("mfa: true"),
            Self::MaxAge(age) => write!(f, "max_age: {}", Brief(*age)),
            Self::Network(nets) => list(f, "network", nets),
            Self::AnyOf(parts) => nested(f, "any_of", parts),
            Self::AllOf(parts) => nested(f, "all_of", parts),
            Self::Not(inner) => write!(f, "not: {{ {inner} }}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, key: &str, items: &[T]) -> fmt::Result {
    write!(f, "{key}: [")?;
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str("]")
}

fn nested(f: &mut fmt::Formatter<'_>, key: &str, parts: &[RequirementSource]) -> fmt::Result {
    write!(f, "{key}: [")?;
    for (i, part) in parts.iter().enumerate() {
        write!(f, "{}{{ {part} }}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str("]")
}

/// A duration in the largest unit that is exact: `90s`, `10m`, `2h`, `30d`.
struct Brief(Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        if self.0.subsec_nanos() != 0 {
            return write!(f, "{}ms", self.0.as_millis());
        }
        match [(86_400, 'd'), (3_600, 'h'), (60, 'm')]
            .iter()
            .find(|(n, _)| secs > 0 && secs.is_multiple_of(*n))
        {
            Some((n, unit)) => write!(f, "{}{unit}", secs / n),
            None => write!(f, "{secs}s"),
        }
    }
}
