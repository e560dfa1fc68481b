//! Named cases of the security page that this part decides, and properties over random policies.

mod cases;
mod paths;
mod properties;
mod random;

use std::time::Duration;

use http::Method;

use super::*;
use crate::model::{AccountId, ClientIp, RoleName, Timestamp};

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(super) fn id() -> AccountId {
    AccountId::from_bytes([0xab; 16])
}

pub(super) fn roles() -> Vec<RoleSource> {
    let role = |name: &str, ps: &[&str]| RoleSource {
        name: name.into(),
        permissions: ps.iter().map(|p| (*p).to_owned()).collect(),
    };
    vec![role("admin", &["*"]), role("organizer", &["events.*"]), role("guest", &["events.view"])]
}

pub(super) fn rule(path: &str, methods: &[&str], allow: RequirementSource) -> RuleSource {
    let methods = methods.iter().map(|m| (*m).to_owned()).collect();
    RuleSource { path: path.into(), host: None, methods, allow }
}

pub(super) fn source(rules: Vec<RuleSource>) -> PolicySource {
    let route = RouteSource { path: "/**".into(), upstream: "up".into(), ..RouteSource::default() };
    PolicySource { roles: roles(), requirements: Vec::new(), routes: vec![route], rules }
}

pub(super) fn compiled(source: &PolicySource) -> Policy {
    let (policy, problems) = compile(source);
    policy.unwrap_or_else(|| panic!("{problems:?}"))
}

/// The sample policy of the security page.
pub(super) fn sample() -> PolicySource {
    use RequirementSource as R;
    source(vec![
        rule("/public/**", &[], R::Public),
        rule("/api/**", &[], R::Authenticated),
        rule("/admin/**", &[], R::Role("admin".into())),
        rule("/mfa/**", &[], R::Mfa),
        rule("/ws", &["GET"], R::Authenticated),
    ])
}

pub(super) fn person(policy: &Policy, roles: &[&str]) -> Caller {
    let names: Vec<RoleName> = roles.iter().map(|r| RoleName::parse(r).unwrap()).collect();
    Caller { id: id(), roles: policy.role_set(&names), mfa: false, auth_time: NOW }
}

/// What the policy says to `GET raw`; a refusal of the path as its id.
pub(super) fn get(policy: &Policy, raw: &str, caller: Option<Caller>) -> Result<Outcome, &'static str> {
    asked(policy, &Method::GET, "localhost", raw, caller)
}

pub(super) fn asked(
    policy: &Policy,
    method: &Method,
    host: &str,
    raw: &str,
    caller: Option<Caller>,
) -> Result<Outcome, &'static str> {
    let path = Policy::read_path(raw).map_err(PathRefusal::id)?;
    let route = policy.route(host, &path).ok_or("no_route")?;
    route.admit(&path).map_err(PathRefusal::id)?;
    let client_ip = ClientIp::new([127, 0, 0, 1].into());
    Ok(policy.decide(&Ask { method, host, path: &path, route, caller, client_ip, now: NOW }).outcome)
}

pub(super) fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}
