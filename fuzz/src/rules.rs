//! Paths and rules: what a path means, and that the compiled rules agree with a slow reference.

#[path = "../../src/policy/reference.rs"]
mod reference;

use std::net::IpAddr;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use reference::{Answer, Asked, Model, Person, answer, decode};
use stagedoor::model::{AccountId, ClientIp, RoleName, Timestamp};
use stagedoor::policy::{Ask, Caller, Outcome, Policy, RoleSource, RouteSource, Severity, compile};
use stagedoor::policy::{PolicySource, RequirementSource, RuleSource};

/// What a path says once its escapes are read.
pub fn decoded(path: &str) -> Vec<u8> {
    decode(path.as_bytes())
}

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const WORDS: [&str; 8] = ["a", "b", "A", "a@b", "a;b", "%25", "me", "k"];
const ROLES: [&str; 3] = ["admin", "organizer", "guest"];

/// Reads any bytes as a path: no panic, a fixed point, one meaning under the ten readings.
pub fn path(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data) else { return };
    let Ok(path) = Policy::read_path(raw) else { return };
    let text = path.as_str();
    let again = Policy::read_path(text).expect("a canonical path is read");
    assert_eq!(again.as_str(), text);
    assert!(again.is_borrowed());
    assert_eq!(decode(text.as_bytes()), decode(raw.as_bytes()), "only escapes may change");
    let plain = decode(text.as_bytes());
    assert_eq!(decode(&plain), plain, "nothing is escaped twice");
    let exact = Model::Exact.segments(text);
    for model in Model::ALL {
        let segments = model.segments(text);
        // No reader sees more or fewer segments, an empty one or a dot segment.
        assert_eq!(segments.len(), exact.len(), "{model:?} of {text}");
        assert!(segments.iter().all(|s| !matches!(s.as_slice(), b"" | b"." | b"..")), "{model:?} of {text}");
    }
}

/// Decides for any small policy and request: never more lenient than the slow reference under any
/// reading, equal to it where there is only one reading, whatever the order of the rules.
pub fn decision(data: &[u8]) {
    // Too few bytes make no case.
    let _ = decide(&mut Unstructured::new(data));
}

fn decide(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let route = RouteSource { path: "/**".into(), allow_semicolon: u.arbitrary()?, ..RouteSource::default() };
    let mut rules = Vec::new();
    for _ in 0..u.int_in_range(0..=6)? {
        rules.push(rule(u)?);
    }
    let roles = vec![role("admin", "*"), role("organizer", "events.*"), role("guest", "events.view")];
    let source = PolicySource { roles, requirements: Vec::new(), routes: vec![route], rules };
    let asked = asked(u)?;
    let raw = raw_path(u)?;
    let (Some(policy), problems) = compile(&source) else { return Ok(()) };
    assert!(problems.iter().all(|p| p.severity == Severity::Warning));
    let Some((text, said)) = ask(&policy, &raw, &asked) else { return Ok(()) };
    let mut reversed = source.clone();
    reversed.rules.reverse();
    let other = compile(&reversed).0.expect("order does not decide what loads");
    assert_eq!(ask(&other, &raw, &asked), Some((text.clone(), said)), "order matters");
    for model in Model::ALL {
        let (rules, needed) = answer(&source, model, &model.segments(&text), &asked);
        assert!(needed <= said, "{model:?} of {text}: {needed:?} by {rules:?}, decided {said:?}");
    }
    let plain = |s: &str| !s.contains(|c: char| c == '%' || c == ';' || c.is_ascii_uppercase());
    if plain(&text) && source.rules.iter().all(|r| plain(&r.path)) {
        let needed = answer(&source, Model::Exact, &Model::Exact.segments(&text), &asked).1;
        assert_eq!(needed, said, "{text}");
    }
    Ok(())
}

fn role(name: &str, permission: &str) -> RoleSource {
    RoleSource { name: name.into(), permissions: vec![permission.into()] }
}

fn rule(u: &mut Unstructured<'_>) -> arbitrary::Result<RuleSource> {
    let mut path = String::new();
    for i in 0..u.int_in_range(0..=3)? {
        path.push('/');
        match u.int_in_range(0..=9)? {
            0 => path.push('*'),
            1 if i == 0 => path.push_str("{id}"),
            _ => path.push_str(u.choose(&WORDS)?),
        }
    }
    path.push_str(if u.arbitrary()? { "/**" } else { "/" });
    let methods: &[&str] = u.choose(&[&[][..], &["GET"][..], &["POST", "DELETE"][..]])?;
    let host = if u.ratio(1, 4)? { Some("a.org".to_owned()) } else { None };
    let methods = methods.iter().map(|m| (*m).to_owned()).collect();
    Ok(RuleSource { path, host, methods, allow: requirement(u, 3)? })
}

fn requirement(u: &mut Unstructured<'_>, depth: u8) -> arbitrary::Result<RequirementSource> {
    use RequirementSource as R;
    let role = |u: &mut Unstructured<'_>| u.choose(&ROLES).map(|r| (*r).to_owned());
    Ok(match u.int_in_range(0..=if depth == 0 { 10 } else { 13 })? {
        0 | 1 => R::Public,
        2 => R::Authenticated,
        3 => R::Deny,
        4 => R::Role(role(u)?),
        5 => R::AllRoles(vec![role(u)?, role(u)?]),
        6 => R::Permission((*u.choose(&["events.view", "events.edit", "users.view"])?).to_owned()),
        7 => R::Owner("id".into()),
        8 => R::Mfa,
        9 => R::MaxAge(Duration::from_secs(600)),
        10 => R::Network(vec![ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert([10, 0, 0, 0].into(), 8))]),
        11 => R::Not(Box::new(requirement(u, depth - 1)?)),
        12 => R::AnyOf(vec![requirement(u, depth - 1)?, requirement(u, depth - 1)?]),
        _ => R::AllOf(vec![requirement(u, depth - 1)?, requirement(u, depth - 1)?]),
    })
}

/// Who asks. Ages lie on both sides of the ten minutes that rules ask for.
#[derive(Arbitrary)]
struct Request {
    method: u8,
    special_host: bool,
    inside: bool,
    signed_in: bool,
    roles: [bool; 3],
    mfa: bool,
    old: bool,
}

fn asked(u: &mut Unstructured<'_>) -> arbitrary::Result<Asked> {
    let request = Request::arbitrary(u)?;
    let ip: [u8; 4] = if request.inside { [10, 0, 0, 1] } else { [192, 0, 2, 1] };
    let roles = ROLES.iter().zip(request.roles).filter(|(_, held)| *held).map(|(r, _)| (*r).to_owned());
    let person = Person {
        id: AccountId::from_bytes([7; 16]).to_string(),
        roles: roles.collect(),
        mfa: request.mfa,
        age: Duration::from_secs(if request.old { 601 } else { 600 }),
    };
    Ok(Asked {
        method: ["GET", "HEAD", "POST", "DELETE", "PROPFIND"][usize::from(request.method % 5)].into(),
        host: if request.special_host { "a.org" } else { "b.org" }.into(),
        ip: IpAddr::from(ip),
        person: request.signed_in.then_some(person),
    })
}

/// Words that rules know, with anything in between.
fn raw_path(u: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    let mut raw = String::new();
    for _ in 0..u.int_in_range(0..=3)? {
        raw.push('/');
        raw.push_str(u.choose(&WORDS)?);
        if u.ratio(1, 3)? {
            raw.push_str(u.choose(&[
                "%40b", "%3Bx", ";x", "%23", "%3f", "%61", "%41", ".", "%2e", "%2f", "%25", "/",
            ])?);
        }
    }
    if u.ratio(1, 4)? {
        raw.push_str(u.arbitrary()?);
    }
    Ok(if raw.is_empty() { "/".into() } else { raw })
}

/// The canonical path and the answer, if the request gets that far.
fn ask(policy: &Policy, raw: &str, asked: &Asked) -> Option<(String, Answer)> {
    let path = Policy::read_path(raw).ok()?;
    let route = policy.route(&asked.host, &path)?;
    route.admit(&path).ok()?;
    let caller = asked.person.as_ref().map(|person| {
        let roles: Vec<RoleName> = person.roles.iter().filter_map(|r| RoleName::parse(r).ok()).collect();
        Caller {
            id: AccountId::from_bytes([7; 16]),
            roles: policy.role_set(&roles),
            mfa: person.mfa,
            auth_time: NOW.before(person.age),
        }
    });
    let method = http::Method::from_bytes(asked.method.as_bytes()).ok()?;
    let client_ip = ClientIp::new(asked.ip);
    let ask = Ask { method: &method, host: &asked.host, path: &path, route, caller, client_ip, now: NOW };
    let said = match policy.decide(&ask).outcome {
        Outcome::Allowed { public: true } => Answer::Public,
        Outcome::Allowed { public: false } => Answer::Allowed,
        Outcome::NeedsElevation(_) => Answer::NeedsElevation,
        Outcome::NeedsSignIn(_) => Answer::NeedsSignIn,
        Outcome::Forbidden(_) => Answer::Forbidden,
    };
    Some((path.as_str().to_owned(), said))
}
