//! The configuration file: whatever it says, it is either read or refused with a place; and what was read decides as
//! `explain` says.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use http::Method;
use stagedoor::config::{self, Report};
use stagedoor::model::{AccountId, ClientIp, RoleName, Timestamp};
use stagedoor::policy::{Ask, Caller, Described, Outcome, Policy, Question, Verdict, explain};

/// So many rules and routes are asked about; more would only be slow.
const ASKED: usize = 6;
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECRET: &str = "q9Jd3rV0nTz6mB1xWc8yLk5hGf2sEa7uPi4oR+Nv/Ms=";
/// An ordinary beginning, so that an input need not be a whole configuration.
const BASE: &str = r#"server: { public_url: "https://events.example.org" }
secret: "${SECRET}"
roles: { admin: { permissions: ["*"] }, user: { permissions: [notes.view], registration: open, default: true } }
upstreams: { app: { servers: ["http://127.0.0.1:3000"] } }
"#;

/// Any text, as a whole configuration and behind an ordinary beginning.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for whole in [text.to_owned(), format!("{BASE}{text}")] {
        let (settings, report) = config::parse(&whole, "fuzz.yaml", Path::new("/nowhere"), &env);
        assert_places(&report, &whole);
        assert_eq!(settings.is_some(), !report.has_errors(), "{report}");
        if let Some(settings) = settings {
            assert!(!settings.policy_source.rules.is_empty() || settings.policy.rules().is_empty());
            explained(&settings.policy, &settings.policy_source);
        }
        // The same text for a service that enforces rules by itself.
        if let Err(report) = config::rules(&whole, "fuzz.yaml") {
            assert_places(&report, &whole);
            assert!(report.has_errors(), "{report}");
        }
    }
}

fn env(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some(SECRET.into()),
        "EMPTY" => Some(String::new()),
        "SAMPLE" => Some("changeme".into()),
        _ => None,
    }
}

/// Every problem can be found, says something, and keeps the secret to itself.
fn assert_places(report: &Report, text: &str) {
    // What YAML 1.1 takes for the end of a line.
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    for p in report.problems() {
        assert!((1..=lines + 1).contains(&p.line) && p.column >= 1, "{p}");
        assert!(!p.message.is_empty() && p.file == "fuzz.yaml", "{p}");
        assert!(!p.to_string().contains(SECRET), "a secret in {p}");
    }
    if report.has_errors() {
        assert!(report.to_string().contains("error"), "{report}");
    }
}

/// `explain` and the decision say the same, for the paths that rules and routes speak of.
fn explained(policy: &Policy, source: &stagedoor::policy::PolicySource) {
    let rules = source.rules.iter().map(|r| (&r.path, &r.host));
    let routes = source.routes.iter().map(|r| (&r.path, &r.host));
    let roles: Vec<String> = source.roles.iter().map(|r| r.name.clone()).collect();
    let callers = [
        None,
        Some(Described { age: Duration::from_secs(60), ..Described::default() }),
        Some(Described { id: Some(AccountId::from_bytes([7; 16])), roles, mfa: true, age: Duration::ZERO }),
    ];
    for (pattern, host) in rules.take(ASKED).chain(routes.take(ASKED)) {
        let path = pattern.replace("**", "a/B").replace('*', "c%41").replace(['{', '}'], "");
        for caller in &callers {
            for method in [Method::GET, Method::DELETE] {
                let host = host.as_deref().unwrap_or("events.example.org");
                same(
                    policy,
                    &Question {
                        method: &method,
                        host,
                        path: &path,
                        caller: caller.clone(),
                        client_ip: ClientIp::new(Ipv4Addr::new(10, 0, 0, 1).into()),
                    },
                );
            }
        }
    }
}

fn same(policy: &Policy, question: &Question<'_>) {
    let told = explain(policy, question);
    assert!(!told.to_string().is_empty());
    let expected = decided(policy, question);
    match told.verdict {
        Verdict::Decided { outcome, rule } => {
            assert_eq!(Some((outcome, rule.clone())), expected, "{question:?}");
            let deciding = told.candidates.iter().filter(|c| c.decides).count();
            assert_eq!(deciding, usize::from(rule.is_some()), "{question:?}: {:?}", told.candidates);
        }
        Verdict::Refused(_) | Verdict::NoRoute => assert_eq!(expected, None, "{question:?}"),
    }
}

/// The answer of the compiled policy, with the place of the rule.
fn decided(policy: &Policy, question: &Question<'_>) -> Option<(Outcome, Option<String>)> {
    let path = Policy::read_path(question.path).ok()?;
    let route = policy.route(question.host, &path)?;
    route.admit(&path).ok()?;
    let caller = question.caller.as_ref().map(|c| {
        let roles: Vec<RoleName> = c.roles.iter().filter_map(|r| RoleName::parse(r).ok()).collect();
        Caller {
            id: c.id.unwrap_or(AccountId::from_bytes([0; 16])),
            roles: policy.role_set(&roles),
            mfa: c.mfa,
            auth_time: NOW.before(c.age),
        }
    });
    let (method, host, client_ip) = (question.method, question.host, question.client_ip);
    let decision = policy.decide(&Ask { method, host, path: &path, route, caller, client_ip, now: NOW });
    Some((decision.outcome, decision.rule.map(|r| r.label.clone())))
}
