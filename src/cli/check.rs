//! `stagedoor check`: reads a configuration, reports every problem, runs the `tests:` of its rules, and
//! with `--against` lists the decisions that differ from those of another file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::Method;
use serde::Serialize;

use crate::config::{self, Actor, Report, RuleTest, Settings};
use crate::model::{AccountId, ClientIp, RoleName, Timestamp};
use crate::policy::{Ask, Caller, Outcome, Policy, WhenUnknown};

/// Check a configuration without starting anything.
///
/// Example: stagedoor check --against config.old.yaml
#[derive(Args, Clone, Debug, Default)]
pub struct CheckArgs {
    /// List the decisions that differ from those of this file.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a check found.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// Whether the configuration loads and all tests of rules hold.
    pub ok: bool,
    /// Problems of the file, and of the other file if there is one.
    pub problems: Vec<config::Problem>,
    /// How many tests of rules ran.
    pub tests: usize,
    /// Those that do not hold.
    pub failed: Vec<FailedTest>,
    /// Decisions that differ, with `--against`.
    pub changes: Vec<Change>,
}

/// A test of a rule that does not hold.
#[derive(Debug, Serialize)]
pub struct FailedTest {
    /// Where it stands.
    pub at: String,
    /// The request in words.
    pub request: String,
    /// What it says.
    pub expected: &'static str,
    /// What is decided.
    pub got: String,
}

/// A decision that differs.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The request in words.
    pub request: String,
    /// What the other file decides.
    pub old: String,
    /// What this file decides.
    pub new: String,
}

/// Prints what was found. Exit code: 0 when the file loads (warnings and changes allowed) and its tests
/// hold, 1 when a test fails, 2 when a file does not load.
#[must_use]
pub fn run(config: &Path, args: &CheckArgs) -> i32 {
    let findings = check(config, args.against.as_deref());
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings).unwrap_or_default());
    } else {
        print_findings(config, &findings, args.against.is_some());
    }
    if findings.ok { 0 } else { 1 + i32::from(findings.failed.is_empty()) }
}

/// Reads, tests and compares.
#[must_use]
pub fn check(config: &Path, against: Option<&Path>) -> Findings {
    let (new, report) = config::load_with_report(config);
    let mut problems = report.problems().to_vec();
    let old = against.map(|path| {
        let (old, report) = config::load_with_report(path);
        problems.extend(report.errors().cloned());
        old
    });
    let (mut failed, mut changes, mut tests) = (Vec::new(), Vec::new(), 0);
    if let Some(new) = &new {
        tests = new.rule_tests.len();
        failed = new.rule_tests.iter().filter_map(|test| failed_test(new, test)).collect();
        if let Some(Some(old)) = &old {
            changes = compare(old, new);
        }
    }
    let loads = new.is_some() && !matches!(old, Some(None));
    Findings { ok: loads && failed.is_empty(), problems, tests, failed, changes }
}

fn print_findings(config: &Path, findings: &Findings, compared: bool) {
    if !findings.problems.is_empty() {
        println!("{}", Report::new(findings.problems.clone()));
    }
    for test in &findings.failed {
        println!("{}: {}: expected {}, got {}", test.at, test.request, test.expected, test.got);
    }
    for change in &findings.changes {
        println!("{}: {} -> {}", change.request, change.old, change.new);
    }
    if compared {
        println!("{} decision(s) change", findings.changes.len());
    }
    let held = findings.tests - findings.failed.len();
    let word = if findings.ok { "good" } else { "not good" };
    println!("{}: {word}; {held} of {} tests of rules hold", config.display(), findings.tests);
}

/// The host of the public URL, with its port.
#[must_use]
pub fn public_host(settings: &Settings) -> &str {
    settings.gate.public_url.split("://").nth(1).unwrap_or_default()
}

/// One request by one actor.
struct Probe<'a> {
    actor: &'a Actor,
    method: &'a Method,
    host: &'a str,
    path: &'a str,
    mfa: bool,
    age: Duration,
    ip: ClientIp,
}

/// What one file says to a request.
struct Decided {
    words: String,
    /// Whether it also passes while it is not known which sign-ins have ended.
    grace: bool,
}

impl Decided {
    fn deny(why: &str) -> Self {
        Self { words: format!("deny ({why})"), grace: false }
    }

    fn passes(&self) -> bool {
        self.words == "allow"
    }

    /// For a comparison in which only that differs.
    fn at_length(self) -> String {
        let word = if self.grace { WhenUnknown::Grace } else { WhenUnknown::Deny }.word();
        if self.passes() { format!("allow (on_revocation_unknown: {word})") } else { self.words }
    }
}

/// Ages are counted back from here; the zero point itself does not matter.
const NOW: Timestamp = Timestamp::from_secs(1 << 40);

/// The account that probes ask as.
const ME: [u8; 16] = [0x5a; 16];

impl Probe<'_> {
    fn decide(&self, policy: &Policy) -> Decided {
        let me = AccountId::from_bytes(ME);
        let raw = self.path.replace("{me}", &me.to_string());
        let path = match Policy::read_path(&raw) {
            Ok(path) => path,
            Err(refusal) => return Decided::deny(&format!("path refused: {}", refusal.id())),
        };
        let Some(route) = policy.route(self.host, &path) else { return Decided::deny("no route") };
        if let Err(refusal) = route.admit(&path) {
            return Decided::deny(&format!("path refused: {}", refusal.id()));
        }
        let caller = match self.actor {
            Actor::Anonymous => None,
            Actor::SignedIn(roles) => {
                let roles = policy.role_set(roles);
                Some(Caller { id: me, roles, mfa: self.mfa, auth_time: NOW.before(self.age) })
            }
        };
        let (method, host, client_ip) = (self.method, self.host, self.ip);
        let ask = Ask { method, host, path: &path, route, caller, client_ip, now: NOW };
        let decision = policy.decide(&ask);
        let grace = caller.is_none() || decision.when_unknown(route) == WhenUnknown::Grace;
        match decision.outcome {
            Outcome::Allowed { .. } => Decided { words: "allow".into(), grace },
            other => Decided::deny(other.reason().map(|r| r.id()).unwrap_or_default()),
        }
    }

    /// What differs for this request, if one file lets it pass and the other does not, always or while it is not known
    /// which sign-ins have ended.
    fn change(&self, old: &Settings, new: &Settings) -> Option<Change> {
        let (old, new) = (self.decide(&old.policy), self.decide(&new.policy));
        let request = || self.words();
        if old.passes() != new.passes() {
            return Some(Change { request: request(), old: old.words, new: new.words });
        }
        (old.grace != new.grace).then(|| Change {
            request: request(),
            old: old.at_length(),
            new: new.at_length(),
        })
    }

    fn words(&self) -> String {
        let who = match self.actor {
            Actor::Anonymous => "anonymous".to_owned(),
            Actor::SignedIn(roles) => roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join("+"),
        };
        let mfa = if self.mfa { " with mfa" } else { "" };
        format!("{who}{mfa} {} {}{}", self.method, self.host, self.path)
    }
}

fn failed_test(settings: &Settings, test: &RuleTest) -> Option<FailedTest> {
    let host = test.host.as_deref().unwrap_or_else(|| public_host(settings));
    let RuleTest { actor, method, path, mfa, age, ip, .. } = test;
    let probe = Probe { actor, method, host, path, mfa: *mfa, age: *age, ip: *ip };
    let got = probe.decide(&settings.policy);
    let expected = if test.allowed { "allow" } else { "deny" };
    let holds = got.passes() == test.allowed;
    (!holds).then(|| FailedTest { at: test.at.clone(), request: probe.words(), expected, got: got.words })
}

/// Who passes in one file and not in the other, over samples of every pattern of both files, the usual methods, and nobody or
/// one person for each role, with and without a second factor.
fn compare(old: &Settings, new: &Settings) -> Vec<Change> {
    let mut actors = BTreeSet::new();
    let mut places = BTreeSet::new();
    for settings in [old, new] {
        actors.extend(settings.account.roles.iter().map(|r| r.name.clone()));
        for rule in settings.policy.rules() {
            let host = rule.host.as_deref().unwrap_or_else(|| public_host(new));
            places.extend(samples(&rule.path).into_iter().map(|path| (host.to_owned(), path)));
        }
    }
    let signed_in = actors.into_iter().map(|role| Actor::SignedIn(vec![role]));
    let actors: Vec<Actor> = std::iter::once(Actor::Anonymous).chain(signed_in).collect();
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let mut changes = BTreeSet::new();
    for (host, path) in &places {
        for (method, actor) in methods.iter().flat_map(|m| actors.iter().map(move |a| (m, a))) {
            let ip = ClientIp::new([127, 0, 0, 1].into());
            let plain = Probe { actor, method, host, path, mfa: false, age: Duration::ZERO, ip };
            // The second factor is worth a line only where it makes a difference.
            let change = plain.change(old, new);
            let change =
                change.or_else(|| Probe { mfa: *actor != Actor::Anonymous, ..plain }.change(old, new));
            changes.extend(change);
        }
    }
    changes.into_iter().collect()
}

/// Paths that a pattern matches: somebody else's, one's own, and for `**` the top and something below.
fn samples(pattern: &str) -> Vec<String> {
    let fill = |captured: &str| {
        let segment = |s: &str| match s {
            "*" => "sample".to_owned(),
            s if s.starts_with('{') => captured.to_owned(),
            s => s.to_owned(),
        };
        pattern.trim_end_matches("/**").split('/').map(segment).collect::<Vec<_>>().join("/")
    };
    let mut paths = vec![fill("sample"), fill("{me}")];
    if pattern.ends_with("/**") {
        paths.extend([format!("{}/below", fill("sample")), format!("{}/below", fill("{me}"))]);
    }
    let rooted = |p: String| if p.is_empty() { "/".to_owned() } else { p };
    paths.into_iter().map(rooted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(file: &str) -> PathBuf {
        let root = std::path::absolute(file!()).unwrap();
        root.ancestors().nth(3).unwrap().join(file)
    }

    const OPEN: &str = "
server: { public_url: http://localhost:8080 }
roles: { user: { registration: open, default: true } }
upstreams: { app: { servers: [\"http://127.0.0.1:3000\"] } }
routes: [{ path: /**, upstream: app }]
rules:
  - { path: /a/**, allow: public }
  - { path: \"/users/{u}\", allow: { owner: u }, tests: [{ as: user, path: \"/users/{me}\", expect: deny }] }
";

    #[test]
    fn tests_of_rules_run_and_changes_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old.yaml"), dir.path().join("new.yaml"));
        std::fs::write(&old, OPEN).unwrap();
        std::fs::write(&new, OPEN.replace("/a/**, allow: public", "/a/**, allow: authenticated")).unwrap();
        let findings = check(&new, Some(&old));
        assert_eq!(findings.problems, []);
        assert_eq!(findings.failed.len(), 1, "the test in the text expects the wrong thing");
        assert_eq!(findings.failed[0].at, "rules[1].tests[0]");
        let changes: Vec<&str> = findings.changes.iter().map(|c| c.request.as_str()).collect();
        assert!(changes.contains(&"anonymous GET localhost:8080/a"), "{changes:?}");
        assert!(changes.iter().all(|c| c.starts_with("anonymous")), "{changes:?}");
        assert_eq!(run(&new, &CheckArgs::default()), 1);
        let strict = "{ path: /**, upstream: app, on_revocation_unknown: deny }";
        std::fs::write(&new, OPEN.replace("{ path: /**, upstream: app }", strict)).unwrap();
        let changes = check(&new, Some(&old)).changes;
        assert!(
            changes.iter().any(|c| {
                (c.old.as_str(), c.new.as_str())
                    == ("allow (on_revocation_unknown: grace)", "allow (on_revocation_unknown: deny)")
            }),
            "{changes:?}"
        );
        assert!(!changes.iter().any(|c| c.request.starts_with("anonymous")), "{changes:?}");
        assert_eq!(run(&dir.path().join("none.yaml"), &CheckArgs { json: true, against: None }), 2);
    }

    #[test]
    fn the_shipped_configurations_hold_their_own_tests() {
        for file in [
            "config.yaml",
            "examples/roles/admin-user.yaml",
            "examples/roles/admin-manager-employee-auditor.yaml",
        ] {
            let findings = check(&repository(file), None);
            assert!(findings.ok && findings.problems.is_empty(), "{file}: {findings:?}");
            assert!(findings.tests > 5, "{file}");
        }
    }

    #[test]
    fn samples_fit_their_pattern() {
        assert_eq!(samples("/"), ["/", "/"]);
        assert_eq!(samples("/a/{b}/**"), ["/a/sample", "/a/{me}", "/a/sample/below", "/a/{me}/below"]);
        assert_eq!(samples("/**"), ["/", "/", "/below", "/below"]);
    }
}
