//! The commands of the real binary and its exit codes; how it starts, stops and survives.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::json;

use crate::flows_process::{PASSWORD, PATIENCE, Server, Site, eventually};
use crate::support::RawClient;
use crate::support::h2::{End, H2, fields};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command and expects this exit code and these words.
fn expect(site: &Site, args: &[&str], code: i32, words: &[&str]) {
    let output = site.run(args, PASSWORD);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?} does not say {word:?}: {said}");
    }
    assert!(!said.contains(PASSWORD) && !said.contains("panicked"), "{said}");
}

/// The activation link in a mail file: quoted-printable, in the plain text.
pub fn link_in(mail: &str, url: &str) -> String {
    let text = mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let start = text.find(&format!("{url}/auth/verify-email/")).unwrap_or_else(|| panic!("no link: {text}"));
    text[start + url.len()..].split_whitespace().next().unwrap().to_owned()
}

/// A worker that was killed while it handed a mail over holds that mail for a minute; nobody waits for it here.
fn let_a_minute_pass(site: &Site) {
    let store = rusqlite::Connection::open(site.path("site.db")).unwrap();
    store.busy_timeout(PATIENCE).unwrap();
    store.execute("UPDATE outbox SET leased_until = 0 WHERE state = 'waiting'", []).unwrap();
}

#[test]
fn kill_nine_right_after_the_answer_loses_no_mail() {
    let site = Site::new();
    for round in 0..4 {
        let email = format!("person{round}@example.org");
        let server = site.serve();
        let body = json!({
            "name": "Robin Roe", "email": email, "password": PASSWORD, "password_confirm": PASSWORD,
        });
        let answer = site.client().post_json("/auth/register/", &body);
        server.kill();
        assert_eq!(answer.status, 202, "{answer:?}");

        let_a_minute_pass(&site);
        let server = site.serve();
        let mail = eventually("the mail arrives", || site.mails().into_iter().find(|m| m.contains(&email)));
        let link = link_in(&mail, &site.url());
        let client = site.client();
        assert_eq!(client.post_json(&link, &json!({})).status, 200, "{link}");
        let login = client.post_json("/auth/token/", &json!({ "email": email, "password": PASSWORD }));
        assert_eq!(login.status, 200, "{login:?}");
        server.kill();
    }
}

#[test]
fn user_create_makes_one_account_that_can_sign_in() {
    let site = Site::new();
    let create = |email: &'static str, role: &'static str| {
        ["user", "create", "--email", email, "--name", "Robin Roe", "--role", role, "--password-stdin"]
    };
    let id = site.create_user("robin@example.org", "admin");
    assert_eq!(id.len(), 36, "{id}");
    expect(&site, &create("Robin@Example.org", "admin"), 1, &["email"]);
    expect(&site, &create("kim@example.org", "nobody"), 1, &["role"]);
    expect(&site, &create("no address", "admin"), 1, &["email"]);
    expect(&site, &["user", "create", "--email", "kim@example.org"], 2, &["--name", "--password-stdin"]);
    let weak = site.run(&create("kim@example.org", "admin"), "short");
    assert_eq!(weak.status.code(), Some(1), "{}", said(&weak));

    let _server = site.serve();
    let client = site.client();
    let answer =
        client.post_json("/auth/token/", &json!({ "email": "robin@example.org", "password": PASSWORD }));
    assert_eq!((answer.status, &answer.json()["user"]["id"]), (200, &json!(id)));
    assert_eq!(answer.json()["user"]["roles"], json!(["admin"]));
}

#[test]
fn check_says_yes_no_or_cannot() {
    expect(&Site::new(), &["check"], 0, &[]);
    let wrong_test = Site::changed("path: /api/x, expect: deny", "path: /api/x, expect: allow");
    expect(&wrong_test, &["check"], 1, &["/api/x"]);
    let faulty = Site::changed("threads: 1", "thraeds: 1\n  auth_prefix: nothing");
    expect(&faulty, &["check"], 2, &["thraeds", "threads", "auth_prefix", "config.yaml:"]);
    expect(&Site::new(), &["check", "--config", "missing.yaml"], 2, &["missing.yaml"]);
}

#[test]
fn explain_says_allowed_refused_or_cannot() {
    let site = Site::new();
    expect(&site, &["explain", "--path", "/public/x"], 0, &["/public/**"]);
    expect(&site, &["explain", "--path", "/api/x"], 1, &["unauthenticated"]);
    expect(&site, &["explain", "--path", "/admin/x", "--role", "user"], 1, &["role_required"]);
    expect(&site, &["explain", "--path", "/admin/x", "--role", "admin"], 0, &[]);
    expect(&site, &["explain", "--path", "/public/../admin"], 1, &["dot_segment"]);
    expect(&Site::changed("threads: 1", "threads: many"), &["explain", "--path", "/"], 2, &["threads"]);
}

#[test]
fn a_busy_port_and_bad_settings_stop_the_start_with_a_reason() {
    let site = Site::new();
    let taken = TcpListener::bind(site.public()).unwrap();
    expect(&site, &["serve"], 2, &[&format!("cannot listen on {}", site.public())]);
    drop(taken);
    let _admin = TcpListener::bind(site.ports.address(1)).unwrap();
    expect(&site, &["serve"], 2, &[&format!("cannot listen on {}", site.ports.address(1))]);

    expect(&Site::changed("threads: 1", "threads: many"), &["serve"], 2, &["server.threads", "config.yaml:"]);
    expect(&Site::new(), &["serve", "--config", "missing.yaml"], 2, &["missing.yaml"]);

    let site = Site::new();
    std::fs::write(site.path("stagedoor.secret"), "8oNed6ZMYIdWLKTkBMUVJjYScXGlrisxPx20oGA3xvI=").unwrap();
    std::fs::set_permissions(site.path("stagedoor.secret"), PermissionsExt::from_mode(0o644)).unwrap();
    expect(&site, &["serve"], 2, &["open to everyone", "chmod 600"]);
}

#[test]
fn a_store_made_with_another_secret_is_not_opened() {
    let site = Site::new();
    site.create_user("robin@example.org", "admin");
    std::fs::remove_file(site.path("stagedoor.secret")).unwrap();
    expect(
        &site,
        &["serve"],
        2,
        &["sealed with another secret", "start with the secret this store was made with"],
    );
}

/// A full disk, or a collector that is gone: nothing can be said, and everything else goes on.
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let site = Site::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut server = Server(site.command(&["serve"]).stderr(full).spawn().unwrap());
    eventually("the gateway answers", || {
        assert!(server.0.try_wait().unwrap().is_none(), "it stopped");
        let mut stream = std::net::TcpStream::connect(site.public()).ok()?;
        // A refusal, which is a line.
        stream.write_all(b"GET /admin/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 401").then_some(())
    });
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn sigterm_lets_a_request_in_flight_finish_and_exits_with_zero() {
    let site = Site::new();
    let upstream = TcpListener::bind(site.upstream()).unwrap();
    let server = site.serve();
    let mut visitor = RawClient::connect(site.public());
    visitor.patience(PATIENCE);
    visitor.send(site.client().request("GET", "/public/slow", None));
    let (mut held, _) = upstream.accept().unwrap();
    let mut head = [0; 1024];
    assert!(held.read(&mut head).unwrap() > 0);

    server.signal("TERM");
    let readiness = || {
        let mut operator = RawClient::connect(site.ports.address(1));
        operator.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        operator.answer().ok().filter(|a| a.status == 503)
    };
    eventually("the gateway says that it stops", readiness);

    held.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nquiet").unwrap();
    let answer = visitor.answer().expect("the answer of before");
    assert_eq!((answer.status, answer.text().as_str()), (200, "quiet"));
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn sigterm_says_goodbye_over_http_2_and_finishes_the_stream() {
    let site = Site::changed("  threads: 1\n", "  threads: 1\n  h2c: true\n");
    let upstream = TcpListener::bind(site.upstream()).unwrap();
    let server = site.serve();
    let mut connection = H2::over(RawClient::connect(site.public()), 1 << 20);
    let stream = connection.open(&fields("/public/slow", &[]), true);
    let (mut held, _) = upstream.accept().unwrap();
    let mut head = [0; 1024];
    assert!(held.read(&mut head).unwrap() > 0);
    server.signal("TERM");
    assert_eq!(connection.told_to_leave(), 0);
    held.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nquiet").unwrap();
    assert_eq!(connection.end_of(stream), End::Answer(200, b"quiet".to_vec()));
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn migrate_makes_the_schema_says_so_and_leaves_a_newer_one_alone() {
    let site = Site::new();
    expect(&site, &["migrate"], 0, &["the schema was 0 and is "]);
    expect(&site, &["migrate"], 0, &["the schema is up to date: "]);
    let output = site.run(&["migrate", "--json"], "");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["from"] == told["to"] && told["to"].as_i64().is_some_and(|n| n > 0), "{told}");
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (9999, 'later', '2030-01-01T00:00:00Z', '1')";
    rusqlite::Connection::open(site.path("site.db")).unwrap().execute(newer, []).unwrap();
    expect(&site, &["migrate"], 2, &["schema 9999", "run the newer release"]);
    std::fs::write(site.path("config.yaml"), "server: 5\n").unwrap();
    expect(&site, &["migrate"], 2, &["server"]);
}
