//! `tests/python/journey.py`, a program of an outside developer that knows the contract and not the code, goes through
//! every flow of the API of the real binary.

use std::path::PathBuf;
use std::process::Command;

use crate::flows_process::{PASSWORD, Site};

/// What is the same for every site; the rest comes from `journey.py --config-notes`.
const FRAME: &str = r#"
server:
  listen: 127.0.0.1:PUBLIC
  admin_listen: 127.0.0.1:ADMIN
  public_url: http://localhost:PUBLIC
  threads: 2
store: { url: "sqlite:site.db" }
upstreams:
  things: { servers: ["http://127.0.0.1:UPSTREAM"] }
routes:
  - { path: /**, upstream: things }
"#;

/// As in the notes.
const ELEVATION: &str = "60";
const ADMIN: &str = "operator@example.org";

fn journey() -> Command {
    let python = std::env::var("STAGEDOOR_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/journey.py");
    let mut command = Command::new(python);
    command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The part of the configuration that the journey asks for.
fn notes() -> String {
    let output = journey().arg("--config-notes").output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the interpreter needs the packages of tests/python/requirements.txt; set STAGEDOOR_TEST_PYTHON: {said}"
    );
    String::from_utf8(output.stdout).expect("YAML in UTF-8")
}

#[test]
fn a_client_made_from_the_contract_gets_through_every_flow() {
    let site = Site::with(&format!("{FRAME}{}", notes()));
    site.create_user(ADMIN, "admin");
    std::fs::write(site.path("password"), PASSWORD).unwrap();
    let _server = site.serve();

    let mailbox = format!("http://{}/mailbox.json", site.ports.address(1));
    let mut command = journey();
    command.args(["--base", &site.url(), "--mailbox", &mailbox, "--elevation", ELEVATION]);
    command.args(["--admin-email", ADMIN, "--admin-password-file"]).arg(site.path("password"));
    let output = command.output().expect("python runs");

    let report = String::from_utf8_lossy(&output.stdout);
    let log = std::fs::read_to_string(site.path("log")).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}\n{log}");
    // A run without steps finds nothing either.
    assert!(report.lines().filter(|line| line.starts_with("ok  ")).count() > 200, "{report}");
    assert!(!log.contains("panicked"), "{log}");
}
