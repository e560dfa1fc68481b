//! Requirements: checks of what is written, then the form with all names resolved.

use ahash::{AHashMap, AHashSet};
use ipnet::{IpNet, Ipv4Net};

use crate::model::Permission;
use crate::policy::decision::Reason;
use crate::policy::pattern::Pattern;
use crate::policy::problem::Problem;
use crate::policy::requirement::{Kind, Requirement};
use crate::policy::roles::{RoleSet, RoleTable};
use crate::policy::source::RequirementSource as Source;

/// How deep requirements may nest, names resolved.
const MAX_DEPTH: usize = 16;
/// How many parts a requirement may have, names resolved.
const MAX_SIZE: usize = 256;
/// How many networks one list may have.
const MAX_NETWORKS: usize = 1024;
/// Words that mean something in place of a name.
const RESERVED: [&str; 3] = ["public", "authenticated", "deny"];

/// The named requirements, checked.
pub(super) struct Requirements<'s> {
    roles: &'s RoleTable,
    order: Vec<&'s str>,
    /// `None`: cyclic or too large, which is reported already.
    named: AHashMap<&'s str, Option<&'s Source>>,
    used: AHashSet<&'s str>,
}

/// Depth and number of parts.
#[derive(Clone, Copy)]
struct Measure {
    depth: usize,
    size: usize,
}

impl Measure {
    fn with(self, part: Self) -> Self {
        Self { depth: self.depth.max(part.depth + 1), size: self.size.saturating_add(part.size) }
    }
}

/// The requirement that nobody fulfils.
pub(super) fn nobody() -> Requirement {
    Requirement { text: "deny".into(), kind: Kind::Deny }
}

impl<'s> Requirements<'s> {
    /// Checks the named requirements, each by itself and all together.
    pub(super) fn new(
        sources: &'s [(String, Source)],
        roles: &'s RoleTable,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut all = Self { roles, order: Vec::new(), named: AHashMap::new(), used: AHashSet::new() };
        for (name, source) in sources {
            let at = format!("requirements.{name}");
            check_name(name, &at, problems);
            if all.named.insert(name, Some(source)).is_some() {
                problems.push(Problem::error(at, format!("the requirement `{name}` is defined twice")));
            } else {
                all.order.push(name);
            }
        }
        for (name, source) in sources {
            all.check(source, &format!("requirements.{name}"), problems);
        }
        let bad: Vec<&str> = all.order.iter().copied().filter(|n| all.is_bad(n, problems)).collect();
        for name in bad {
            all.named.insert(name, None);
        }
        all
    }

    fn is_bad(&self, name: &'s str, problems: &mut Vec<Problem>) -> bool {
        let at = format!("requirements.{name}");
        let mut trail = vec![name];
        let Some(Some(source)) = self.named.get(name) else { return true };
        match self.measure(source, &mut trail) {
            Ok(measure) => {
                let size = too_large(measure);
                size.clone().into_iter().for_each(|message| problems.push(Problem::error(&at, message)));
                size.is_some()
            }
            Err(cycle) => {
                // Whoever only leads into a cycle is unusable, too; the cycle is reported by its members.
                if cycle.first() == Some(&name) {
                    let message = format!("is defined by itself: {}", cycle.join(" -> "));
                    problems.push(Problem::error(at, message));
                }
                true
            }
        }
    }

    /// Depth and size with names resolved; `Err` with the names of a cycle.
    fn measure(&self, source: &'s Source, trail: &mut Vec<&'s str>) -> Result<Measure, Vec<&'s str>> {
        let mut total = Measure { depth: 1, size: 1 };
        match source {
            Source::AnyOf(parts) | Source::AllOf(parts) => {
                for part in parts {
                    // Enough is known: without this, names of names of names would cost exponential work.
                    if total.size > MAX_SIZE {
                        break;
                    }
                    total = total.with(self.measure(part, trail)?);
                }
            }
            Source::Not(inner) => total = total.with(self.measure(inner, trail)?),
            Source::Named(name) => {
                if let Some((known, Some(meaning))) = self.named.get_key_value(name.as_str()) {
                    if let Some(start) = trail.iter().position(|n| n == known) {
                        return Err(trail[start..].iter().chain([known]).copied().collect());
                    }
                    // Deeper trails are too deep anyway; stopping here bounds the work.
                    if trail.len() > MAX_DEPTH {
                        return Ok(Measure { depth: MAX_DEPTH + 1, size: 1 });
                    }
                    trail.push(known);
                    total = total.with(self.measure(meaning, trail)?);
                    trail.pop();
                }
            }
            _ => {}
        }
        Ok(total)
    }

    /// Checks one requirement as written; what its names mean is checked where they are defined.
    pub(super) fn check(&mut self, source: &'s Source, at: &str, problems: &mut Vec<Problem>) {
        let below = |key: &str| format!("{at}.{key}");
        match source {
            Source::Role(role) => self.check_role(role, below("role"), problems),
            Source::AnyRole(roles) => self.check_roles(roles, &below("any_role"), problems),
            Source::AllRoles(roles) => self.check_roles(roles, &below("all_roles"), problems),
            Source::Permission(p) => self.check_permission(p, below("permission"), problems),
            Source::AnyPermission(ps) => {
                check_list(ps, &below("any_permission"), problems);
                for (i, p) in ps.iter().enumerate() {
                    self.check_permission(p, format!("{at}.any_permission[{i}]"), problems);
                }
            }
            Source::Network(nets) => check_networks(nets, &below("network"), problems),
            Source::AnyOf(parts) => self.check_parts(parts, &below("any_of"), problems),
            Source::AllOf(parts) => self.check_parts(parts, &below("all_of"), problems),
            Source::Not(inner) => self.check(inner, &below("not"), problems),
            Source::Named(name) => self.check_named(name, at, problems),
            _ => {}
        }
    }

    fn check_parts(&mut self, parts: &'s [Source], at: &str, problems: &mut Vec<Problem>) {
        check_list(parts, at, problems);
        for (i, part) in parts.iter().enumerate() {
            self.check(part, &format!("{at}[{i}]"), problems);
        }
    }

    fn check_roles(&self, roles: &[String], at: &str, problems: &mut Vec<Problem>) {
        check_list(roles, at, problems);
        for (i, role) in roles.iter().enumerate() {
            self.check_role(role, format!("{at}[{i}]"), problems);
        }
    }

    fn check_role(&self, role: &str, at: String, problems: &mut Vec<Problem>) {
        if self.roles.bit(role).is_none() {
            let problem = Problem::error(at, format!("there is no role `{role}`"));
            problems.push(problem.suggest(role, self.roles.names()));
        }
    }

    fn check_permission(&self, text: &str, at: String, problems: &mut Vec<Problem>) {
        match Permission::parse(text) {
            Err(bad) => problems.push(Problem::error(at, format!("`{text}`: {bad}"))),
            Ok(p) if p.is_wildcard() => problems.push(
                Problem::error(at, format!("`{text}` is a wildcard; a rule asks for one permission"))
                    .help("roles hold wildcards; use any_permission for several"),
            ),
            Ok(p) if self.roles.granting(&p).is_empty() => {
                let problem = Problem::warning(at, format!("no role grants `{text}`"));
                problems.push(problem.suggest(text, self.roles.granted()));
            }
            Ok(_) => {}
        }
    }

    fn check_named(&mut self, name: &'s str, at: &str, problems: &mut Vec<Problem>) {
        if self.named.contains_key(name) {
            self.used.insert(name);
            return;
        }
        let known = self.order.iter().copied().chain(RESERVED);
        let problem = Problem::error(at, format!("there is no requirement `{name}`"));
        problems.push(problem.suggest(name, known));
    }

    /// Warns of named requirements that nothing uses.
    pub(super) fn unused(&self, problems: &mut Vec<Problem>) {
        for name in self.order.iter().filter(|n| !self.used.contains(**n)) {
            let at = format!("requirements.{name}");
            problems.push(Problem::warning(at, format!("nothing uses the requirement `{name}`")));
        }
    }

    /// The requirement with all names resolved, for a rule with this pattern. `None` if something in it
    /// is wrong; what [`Self::check`] cannot see is reported here.
    pub(super) fn build(
        &self,
        source: &'s Source,
        pattern: &Pattern,
        at: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Requirement> {
        // Names that are unusable are skipped by `measure`, so no cycle is left.
        let measure = self.measure(source, &mut Vec::new()).ok()?;
        if let Some(message) = too_large(measure) {
            problems.push(Problem::error(at, message));
            return None;
        }
        let mut missing = Vec::new();
        let built = self.resolve(source, pattern, &mut missing);
        missing.sort_unstable();
        missing.dedup();
        for capture in missing {
            let problem =
                Problem::error(at, format!("`owner: {capture}`, but the path has no `{{{capture}}}`"));
            problems.push(problem.suggest(capture, pattern.captures()));
        }
        built
    }

    fn resolve(
        &self,
        source: &'s Source,
        pattern: &Pattern,
        missing: &mut Vec<&'s str>,
    ) -> Option<Requirement> {
        let mut parts = |parts: &'s [Source]| -> Option<Box<[Requirement]>> {
            // All of them, so that every missing capture is found.
            let built: Vec<_> = parts.iter().map(|p| self.resolve(p, pattern, missing)).collect();
            built.into_iter().collect()
        };
        let kind = match source {
            Source::Public => Kind::Public,
            Source::Authenticated => Kind::Authenticated,
            Source::Deny => Kind::Deny,
            Source::Role(role) => Kind::AnyRole(self.roles.bit(role)?, Reason::RoleRequired),
            Source::AnyRole(roles) => Kind::AnyRole(self.role_set(roles)?, Reason::RoleRequired),
            Source::AllRoles(roles) => Kind::AllRoles(self.role_set(roles)?),
            Source::Permission(p) => self.permissions(std::slice::from_ref(p))?,
            Source::AnyPermission(ps) => self.permissions(ps)?,
            Source::Owner(capture) => match pattern.position(capture) {
                Some(at) => Kind::Owner(at),
                None => {
                    missing.push(capture);
                    return None;
                }
            },
            Source::Mfa => Kind::Mfa,
            Source::MaxAge(age) => Kind::MaxAge(*age),
            Source::Network(nets) => Kind::Network(nets.iter().copied().map(unmapped).collect()),
            Source::AnyOf(list) => Kind::AnyOf(parts(list)?),
            Source::AllOf(list) => Kind::AllOf(parts(list)?),
            Source::Not(inner) => Kind::Not(Box::new(self.resolve(inner, pattern, missing)?)),
            Source::Named(name) => {
                Kind::AllOf(parts(std::slice::from_ref((*self.named.get(name.as_str())?)?))?)
            }
        };
        Some(Requirement { text: source.to_string().into(), kind })
    }

    fn role_set(&self, roles: &[String]) -> Option<RoleSet> {
        roles.iter().try_fold(RoleSet::EMPTY, |set, role| Some(set.union(self.roles.bit(role)?)))
    }

    fn permissions(&self, texts: &[String]) -> Option<Kind> {
        let granting = texts.iter().try_fold(RoleSet::EMPTY, |set, text| {
            Some(set.union(self.roles.granting(&Permission::parse(text).ok()?)))
        });
        Some(Kind::AnyRole(granting?, Reason::PermissionRequired))
    }
}

fn too_large(measure: Measure) -> Option<String> {
    if measure.depth > MAX_DEPTH {
        return Some(format!("nests deeper than {MAX_DEPTH} levels"));
    }
    (measure.size > MAX_SIZE).then(|| format!("has more than {MAX_SIZE} parts"))
}

fn check_name(name: &str, at: &str, problems: &mut Vec<Problem>) {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if RESERVED.contains(&name) {
        problems.push(Problem::error(at, format!("`{name}` has a meaning of its own and cannot be a name")));
    } else if !fits {
        let problem = Problem::error(at, format!("`{name}` is not a name for a requirement"));
        problems.push(problem.help("use lower-case letters, digits, `_` and `-`, a letter first"));
    }
}

fn check_list<T>(list: &[T], at: &str, problems: &mut Vec<Problem>) {
    if list.is_empty() {
        problems.push(Problem::error(at, "the list is empty").help("write `deny` to admit nobody"));
    }
}

fn check_networks(nets: &[IpNet], at: &str, problems: &mut Vec<Problem>) {
    check_list(nets, at, problems);
    if nets.len() > MAX_NETWORKS {
        problems.push(Problem::error(at, format!("the list has more than {MAX_NETWORKS} networks")));
    }
}

/// IPv4-mapped networks as IPv4, because client addresses are folded in the same way.
fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped().filter(|_| v6.prefix_len() >= 96);
    mapped.and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok()).map_or(net, IpNet::V4)
}
