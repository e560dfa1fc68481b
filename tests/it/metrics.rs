//! The metrics of a real gateway that has seen traffic: read by promtool, and without a growing number of series (D-12).

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{TestApp, get, until};

/// One value of the page.
fn value(app: &TestApp, start: &str) -> Option<f64> {
    let page = app.metrics();
    let line = page.lines().find(|l| l.starts_with(start))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn series(app: &TestApp) -> Vec<String> {
    let page = app.metrics();
    let names = page.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.rsplit_once(' '));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Some of everything.
fn traffic(app: &TestApp) {
    let person = app.person("user");
    app.case(Some(&person), get("/api/x", &person.bearer())).allowed();
    assert_eq!(app.ask(get("/admin/x", &person.bearer())).status, 403);
    assert_eq!(app.ask(get("/nowhere", "")).status, 403);
    let wrong = json!({ "email": person.email, "password": "not this one" });
    assert_eq!(app.post_json("/token/", "", &wrong).status, 401);
    assert_eq!(app.post_json("/password-reset/", "", &json!({ "email": "x" })).status / 100, 4);
}

#[test]
fn promtool_has_nothing_to_say_about_the_page() {
    let app = TestApp::start();
    traffic(&app);
    until("levels", || value(&app, "process_resident_memory_bytes ").filter(|v| *v > 0.0));
    let page = app.metrics();
    let promtool = std::env::var("STAGEDOOR_TEST_PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let mut child = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| {
            panic!(
                "{promtool}: {e}; Debian's package `prometheus` carries it, or set STAGEDOOR_TEST_PROMTOOL"
            )
        });
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}\n{page}", String::from_utf8_lossy(&said));
}

#[test]
fn what_happened_is_counted_by_rule_and_reason() {
    let app = TestApp::start();
    traffic(&app);
    // The rules of the stage: /public, /api, /admin, …, counted from 1.
    assert_eq!(value(&app, "stagedoor_proxied_requests_total{rule=\"2\",status=\"2xx\"}"), Some(1.0));
    let denied = |reason: &str| {
        let page = app.metrics();
        page.lines().any(|l| l.starts_with(&format!("stagedoor_denials_total{{reason=\"{reason}\"")))
    };
    assert!(denied("no_rule"), "{}", app.metrics());
    assert_eq!(app.metric("stagedoor_denials_total", "rule=\"3\",status=\"4xx\""), 1);
    assert_eq!(app.metric("stagedoor_logins_total", "outcome=\"failure\",reason=\"wrong_credentials\""), 1);
    assert!(app.metric("stagedoor_hash_duration_seconds_count", "") >= 2);
    assert!(app.metric("stagedoor_store_duration_seconds_count", "operation=\"transaction\"") >= 2);
    assert_eq!(app.metric("stagedoor_store_errors_total", ""), 0);
    until("a round of the jobs", || {
        (app.metric("stagedoor_job_runs_total", "job=\"gauges\",outcome=\"done\"") > 0).then_some(())
    });
    assert_eq!(app.metric("stagedoor_upstream_healthy", "upstream=\"app\""), 1);
    assert_eq!(app.metric("stagedoor_build_info", env!("CARGO_PKG_VERSION")), 1);
    assert_eq!(app.metric("stagedoor_config_reload_success", ""), 1);
    assert_eq!(
        app.metric("stagedoor_job_runs_total", "failed") + app.metric("stagedoor_job_runs_total", "panicked"),
        0
    );
}

#[test]
fn d_12_a_thousand_paths_and_people_make_no_series() {
    let app = TestApp::start();
    traffic(&app);
    let mut open = app.connect();
    let mut ask = |n: usize| {
        let path = format!("/nowhere/{n}/person-{n}@example.org?n={n}");
        open.send(get(&path, &format!("User-Agent: agent-{n}\r\nX-Forwarded-For: 10.0.{}.1\r\n", n % 250)));
        open.answer().expect("an answer").status
    };
    assert_eq!(ask(0), 403);
    for n in 0..20 {
        let stranger = json!({ "email": format!("s{n}@example.org"), "password": "not this one" });
        assert_eq!(app.post_json("/token/", "", &stranger).status, 401);
    }
    until("a round of the jobs", || {
        (app.metric("stagedoor_job_runs_total", "job=\"gauges\",outcome=\"done\"") > 0).then_some(())
    });
    let before = series(&app);
    for n in 1..1000 {
        assert_eq!(ask(n), 403);
    }
    for n in 20..60 {
        let stranger = json!({ "email": format!("s{n}@example.org"), "password": "not this one" });
        assert_eq!(app.post_json("/token/", "", &stranger).status, 401);
    }
    // Jobs go on meanwhile; theirs is a fixed set, too.
    let unlike_jobs =
        |all: Vec<String>| -> Vec<String> { all.into_iter().filter(|s| !s.contains("job=")).collect() };
    assert_eq!(unlike_jobs(series(&app)), unlike_jobs(before));
    assert!(!app.metrics().contains("example.org"), "INV-4: no address in a label");
}
