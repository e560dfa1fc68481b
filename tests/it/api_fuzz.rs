//! Schemathesis reads the description of the API and tries to prove it wrong: every documented value, its edges, and what
//! lies beyond them, as a signed-in user and as an administrator.
//!
//! `STAGEDOOR_TEST_FUZZ_EXAMPLES` (per operation; 5 if not set) makes a longer run. `tests/python/schemathesis.toml` says
//! what is checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::flows_process::{PASSWORD, Site};

/// Nothing limits the fuzzer but the rules that it is to find.
const CONFIG: &str = r#"
server:
  listen: 127.0.0.1:PUBLIC
  admin_listen: 127.0.0.1:ADMIN
  public_url: http://localhost:PUBLIC
  threads: 2
store: { url: "sqlite:site.db" }
mail: { transport: mailbox }
rate_limits:
  login: 1000000/1m
  register: 1000000/1m
  password_reset: 1000000/1m
  password_reset_account: 1000000/1m
  otp: 1000000/1m
  refresh: 1000000/1m
  resend: 1000000/1m
roles:
  admin: { permissions: ["*"] }
  user: { permissions: [things.view], registration: open, default: true }
  organizer: { permissions: [things.edit], registration: approval }
upstreams:
  things: { servers: ["http://127.0.0.1:UPSTREAM"] }
routes:
  - { path: /**, upstream: things }
rules:
  - { path: /public/**, allow: public }
"#;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name)
}

/// The interpreter, with schemathesis.
fn python() -> String {
    let python = std::env::var("STAGEDOOR_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import schemathesis"]).output();
    let there = probe.as_ref().is_ok_and(|o| o.status.success());
    assert!(
        there,
        "{python} has no schemathesis. Make an environment with `python3 -m venv DIR && DIR/bin/pip install -r \
         tests/python/requirements.txt` and set STAGEDOOR_TEST_PYTHON=DIR/bin/python (scripts/test does it): {probe:?}"
    );
    python
}

fn fuzz(site: &Site, role: &str) -> Output {
    let examples = std::env::var("STAGEDOOR_TEST_FUZZ_EXAMPLES").unwrap_or_else(|_| "5".into());
    let mut command = Command::new(python());
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(file("schemathesis.toml"));
    command.args(["run", &format!("{}/auth/openapi.json", site.url()), "--no-color"]);
    command.args(["--max-examples", &examples, "--generation-database", "none"]);
    command.current_dir(site.path("").as_path()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("SCHEMATHESIS_HOOKS", file("fuzz_hooks.py")).env("FUZZ_ORIGIN", site.url());
    command.env("FUZZ_ROLE", role).env("FUZZ_PASSWORD", PASSWORD);
    command.env("FUZZ_MAILBOX", format!("http://{}/mailbox.json", site.ports.address(1)));
    command.env("FUZZ_GATEWAY", env!("CARGO_BIN_EXE_stagedoor"));
    command.output().expect("python runs")
}

/// The operations that were asked, and those of them that succeeded at least once.
fn reach(site: &Site) -> (Vec<String>, Vec<String>) {
    let text = std::fs::read_to_string(site.path("reach.json")).expect("the hooks wrote it");
    let answers: BTreeMap<String, Vec<u16>> = serde_json::from_str(&text).unwrap();
    let succeeded = |statuses: &[u16]| statuses.iter().any(|status| (200..300).contains(status));
    let with_success = answers.iter().filter(|(_, statuses)| succeeded(statuses));
    (answers.keys().cloned().collect(), with_success.map(|(operation, _)| operation.clone()).collect())
}

/// `least`: how many operations have to succeed at least once. What is missing changes a little with what is drawn; a user
/// never gets to administration, and nobody to a second first administrator.
fn finds_nothing_as(role: &str, least: usize) {
    let site = Site::with(CONFIG);
    let _server = site.serve();
    let output = fuzz(&site, role);
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    // A run that reached nothing finds nothing either.
    let tested = report.lines().find_map(|line| line.trim().strip_prefix("Tested: ")).expect("a summary");
    let selected = report.lines().find_map(|line| line.trim().strip_prefix("Selected: ")).expect("a summary");
    assert!(selected.starts_with(&format!("{tested}/")), "{report}");
    let (asked, succeeded) = reach(&site);
    let missed: Vec<_> = asked.iter().filter(|operation| !succeeded.contains(operation)).collect();
    eprintln!("as {role}: {} of {} operations succeeded; never: {missed:?}", succeeded.len(), asked.len());
    assert!(succeeded.len() >= least, "only {} of {} succeeded: {missed:?}", succeeded.len(), asked.len());
    let log = std::fs::read_to_string(site.path("log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn c_13_a_fuzzer_finds_nothing_as_a_user() {
    finds_nothing_as("user", 36);
}

#[test]
fn c_13_a_fuzzer_finds_nothing_as_an_administrator() {
    finds_nothing_as("admin", 50);
}
