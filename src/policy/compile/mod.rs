//! Source -> [`Policy`], with all problems at once.
//!
//! - `requirements`  names, sizes, cycles; then each requirement with its names resolved
//! - `conflicts`     rules that tie, rules that nothing can reach, rules that differ in case only

mod conflicts;
mod requirements;
#[cfg(test)]
mod tests;

use super::matcher::host_name;
use super::method::{MethodSet, NAMED};
use super::pattern::{Pattern, Segment};
use super::problem::{Problem, Severity};
use super::roles::{RoleSet, RoleTable};
use super::sensitivity::is_sensitive;
use super::snapshot::{Policy, Route, Rule};
use super::source::{PolicySource, RoleSource, RouteSource, RuleSource};
use crate::model::{Permission, RoleName};
use conflicts::Place;
use requirements::Requirements;

/// Compiles a policy. Every problem of the source is reported; the policy is there if and only if none
/// of them is an error. Names of upstreams are not checked here.
#[must_use]
pub fn compile(source: &PolicySource) -> (Option<Policy>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut policy = Policy { roles: roles(&source.roles, &mut problems), ..Policy::default() };
    routes(source, &mut policy, &mut problems);
    rules(source, &mut policy, &mut problems);
    let usable = problems.iter().all(|p| p.severity == Severity::Warning);
    (usable.then_some(policy), problems)
}

fn roles(sources: &[RoleSource], problems: &mut Vec<Problem>) -> RoleTable {
    let mut table = RoleTable::default();
    for source in sources {
        let at = format!("roles.{}", source.name);
        let permissions = permissions(source, &at, problems);
        match RoleName::parse(&source.name) {
            Err(bad) => problems.push(Problem::error(at, format!("`{}`: {bad}", source.name))),
            Ok(name) => {
                if !table.add(name, permissions) && table.bit(&source.name).is_some() {
                    problems.push(Problem::error(at, format!("the role `{}` is defined twice", source.name)));
                }
            }
        }
    }
    if sources.len() > RoleSet::CAPACITY {
        let message = format!("{} roles, but a policy can have {}", sources.len(), RoleSet::CAPACITY);
        problems.push(Problem::error("roles", message));
    }
    table
}

fn permissions(source: &RoleSource, at: &str, problems: &mut Vec<Problem>) -> Vec<Permission> {
    let mut held = Vec::new();
    for (i, text) in source.permissions.iter().enumerate() {
        match Permission::parse(text) {
            Ok(permission) => held.push(permission),
            Err(bad) => {
                problems.push(Problem::error(format!("{at}.permissions[{i}]"), format!("`{text}`: {bad}")));
            }
        }
    }
    held
}

fn routes(source: &PolicySource, policy: &mut Policy, problems: &mut Vec<Problem>) {
    let mut places = Vec::new();
    for (id, route) in source.routes.iter().enumerate() {
        let at = format!("routes[{id}]");
        let host = host(route.host.as_deref(), &at, problems);
        let pattern = pattern(&route.path, &at, problems);
        let strip = strip(route, pattern.as_ref(), &at, problems);
        if let (Ok(host), Some(pattern)) = (host, pattern) {
            policy.route_index.of(host.as_deref()).slot(pattern.segments()).get_or_insert(id);
            places.push(Place { index: id, host, pattern, methods: MethodSet::default() });
        }
        policy.routes.push(Route {
            id,
            upstream: route.upstream.clone(),
            allow_semicolon: route.allow_semicolon,
            case_insensitive: route.case_insensitive,
            forward_token: route.forward_token,
            max_body: route.max_body,
            on_revocation_unknown: route.on_revocation_unknown,
            strip,
        });
    }
    conflicts::ties("routes", &places, problems);
    conflicts::unreachable("routes", &places, problems);
}

/// How many segments to cut off. A prefix that a path of the route might not have would be cut out of another path.
fn strip(route: &RouteSource, path: Option<&Pattern>, at: &str, problems: &mut Vec<Problem>) -> usize {
    let (Some(said), Some(path)) = (&route.strip_prefix, path) else { return 0 };
    let at = format!("{at}.strip_prefix");
    let prefix = match Pattern::parse(said) {
        Ok(prefix) => prefix,
        Err((message, help)) => {
            let problem = Problem::error(at, message);
            problems.push(Problem { help, ..problem });
            return 0;
        }
    };
    let segments = prefix.segments();
    let literal = segments.iter().all(|s| matches!(s, Segment::Literal(_)));
    if segments.is_empty() || !literal || !path.segments().starts_with(segments) {
        problems.push(
            Problem::error(at, format!("every path of `{}` must begin with the prefix `{said}`", route.path))
                .help(
                    "write whole segments of text with which the route's path begins: `/api` for `/api/**`",
                ),
        );
        return 0;
    }
    segments.len()
}

fn rules(source: &PolicySource, policy: &mut Policy, problems: &mut Vec<Problem>) {
    let mut requirements = Requirements::new(&source.requirements, &policy.roles, problems);
    let mut places = Vec::new();
    let mut rules = Vec::new();
    for (index, rule) in source.rules.iter().enumerate() {
        let at = format!("rules[{index}]");
        let host = host(rule.host.as_deref(), &at, problems);
        let methods = methods(&rule.methods, &at, problems);
        let pattern = pattern(&rule.path, &at, problems);
        let allow = format!("{at}.allow");
        requirements.check(&rule.allow, &allow, problems);
        let (Ok(host), Some(pattern)) = (host, pattern) else { continue };
        let built = requirements.build(&rule.allow, &pattern, &allow, problems);
        let place = Place { index, host, pattern, methods };
        if let Some(requirement) = built {
            let concerns_anyone = requirement.concerns_anyone();
            let sensitive = is_sensitive(&requirement, &policy.roles);
            rules.push(Rule {
                method_set: methods,
                requirement,
                concerns_anyone,
                sensitive,
                ..describe(rule, &place, at)
            });
        }
        places.push(place);
    }
    requirements.unused(problems);
    conflicts::ties("rules", &places, problems);
    conflicts::unreachable("rules", &places, problems);
    conflicts::case_only(&places, problems);
    index(policy, rules);
}

fn describe(rule: &RuleSource, place: &Place, label: String) -> Rule {
    Rule {
        id: place.index + 1,
        label,
        host: place.host.clone(),
        path: rule.path.clone(),
        methods: rule.methods.clone(),
        allow: rule.allow.to_string(),
        sensitive: false,
        pattern: place.pattern.clone(),
        method_set: MethodSet::default(),
        requirement: requirements::nobody(),
        concerns_anyone: false,
    }
}

fn index(policy: &mut Policy, rules: Vec<Rule>) {
    // Rules of one pattern share a leaf; the folded index takes whole leaves.
    for (at, rule) in rules.iter().enumerate() {
        let by_host = policy.rule_index.of(rule.host.as_deref());
        by_host.exact.slot(rule.pattern.segments()).get_or_insert_default().add(rule.method_set, at);
    }
    let mut seen = ahash::AHashSet::new();
    for rule in &rules {
        let by_host = policy.rule_index.of(rule.host.as_deref());
        let folded = rule.pattern.folded();
        policy.cased |= folded != rule.pattern.segments();
        if !seen.insert((rule.host.clone(), conflicts::shape(rule.pattern.segments()))) {
            continue;
        }
        let leaf = by_host.exact.slot(rule.pattern.segments()).clone().unwrap_or_default();
        by_host.folded.slot(&folded).get_or_insert_default().push(leaf);
    }
    policy.rules = rules;
}

/// The host in the form it is compared; `Err` once the problem is reported.
fn host(said: Option<&str>, at: &str, problems: &mut Vec<Problem>) -> Result<Option<String>, ()> {
    let Some(said) = said else { return Ok(None) };
    host_name(said).map(Some).ok_or_else(|| {
        problems.push(
            Problem::error(format!("{at}.host"), format!("`{said}` is not a host name"))
                .help("write one exact name without scheme and port, such as admin.example.org"),
        );
    })
}

fn pattern(said: &str, at: &str, problems: &mut Vec<Problem>) -> Option<Pattern> {
    let (message, help) = match Pattern::parse(said) {
        Ok(pattern) => return Some(pattern),
        Err(bad) => bad,
    };
    problems.push(Problem { help, ..Problem::error(format!("{at}.path"), message) });
    None
}

fn methods(said: &[String], at: &str, problems: &mut Vec<Problem>) -> MethodSet {
    let mut set = MethodSet::default();
    for (i, name) in said.iter().enumerate() {
        let at = format!("{at}.methods[{i}]");
        if said[..i].contains(name) {
            problems.push(Problem::warning(&at, format!("`{name}` is named twice")));
        }
        match MethodSet::one(name) {
            Some(one) => set = set.union(one),
            None => problems.push(bad_method(name, at)),
        }
    }
    if said.iter().any(|m| m == "HEAD") && !said.iter().any(|m| m == "GET") {
        let problem = Problem::error(format!("{at}.methods"), "HEAD follows GET and cannot be ruled alone");
        problems.push(problem.help("name GET"));
    }
    set
}

fn bad_method(name: &str, at: String) -> Problem {
    let problem = Problem::error(at, format!("`{name}` is not a method that rules can name"));
    let upper = name.to_ascii_uppercase();
    problem.suggest(&upper, NAMED.into_iter())
}
