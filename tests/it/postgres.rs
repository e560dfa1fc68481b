//! The gateway on PostgreSQL, and PostgreSQL going away under it (5.6).

use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, Secret, SystemClock};
use stagedoor::store;

use crate::flows::{form, login};
use crate::flows_client::problem;
use crate::flows_mail::link_and_code;
use crate::smtp_stage::certificates;
use crate::support::{
    Answer, Browser, PASSWORD, PostgresServer, RawClient, Setup, TestApp, get, request, until,
};

/// Past the end of an access token, but not of the session.
const LATER: Duration = Duration::from_secs(11 * 60);

fn on(server: &PostgresServer) -> TestApp {
    let url = server.url();
    TestApp::with(|setup: &mut Setup| {
        let url = Secret::new(url.clone());
        let settings = store::PostgresSettings { url, ca: None, connections: 8 };
        setup.manual_clock().tweak(move |s| s.store = store::Settings::Postgres(settings));
    })
}

fn register(app: &TestApp, email: &str) -> Answer {
    app.post_json("/register/", "", &form(email))
}

fn refresh(app: &TestApp, token: &str) -> Answer {
    app.post_json("/token/refresh/", "", &json!({ "refresh": token }))
}

/// Makes an account the way people do.
fn join(app: &TestApp, email: &str) {
    assert_eq!(register(app, email).status, 202);
    let (link, _) = link_and_code(app, &app.mail_to(email, 0).text);
    let answer = app.ask(request("POST", &link, "", b""));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The tokens of an answer.
fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    (body["access"].as_str().unwrap().to_owned(), body["refresh"].as_str().unwrap().to_owned())
}

fn api(app: &TestApp, access: &str) -> u16 {
    app.ask(get("/api/x", &format!("Authorization: Bearer {access}\r\n"))).status
}

/// What the two probes say: of proxying, of accounts.
fn probes(app: &TestApp) -> (u16, u16) {
    let ask = |path: &str| {
        let mut client = RawClient::connect(app.admin_address());
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        client.answer().expect("an answer").status
    };
    (ask("/readyz"), ask("/readyz/accounts"))
}

#[track_caller]
fn assert_later(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.field("retry-after").is_some_and(|s| s.parse::<u32>().is_ok_and(|s| s > 0)), "{answer:?}");
    assert!(answer.all("set-cookie").is_empty(), "nobody is signed out");
}

#[test]
fn case_5_6_postgres_goes_away_and_comes_back() {
    let server = PostgresServer::start();
    let app = on(&server);
    let ada = "ada@example.org";
    join(&app, ada);
    let (_, first) = tokens(&login(&app, ada, PASSWORD));
    let (access, token) = tokens(&refresh(&app, &first));
    let grace = app.person("user");
    let mut browser = Browser::of(&app, &grace);
    assert_eq!((api(&app, &access), browser.visit("/api/page").status), (200, 200));
    until("it is ready", || (probes(&app) == (200, 200)).then_some(()));

    let wall = SystemClock::new();
    let stopped = wall.now();
    server.stop_at_once();
    for _ in 0..3 {
        assert_later(&refresh(&app, &token));
        assert_later(&login(&app, ada, PASSWORD));
        assert_later(&register(&app, "new@example.org"));
        assert_eq!(problem(&refresh(&app, &token)), "unavailable");
        assert_eq!((api(&app, &access), browser.visit("/api/page").status), (200, 200), "proxying goes on");
    }
    until("readiness tells", || match probes(&app) {
        (200, 503) => Some(()),
        other => {
            assert_eq!(other, (200, 200), "the node stays in service");
            None
        }
    });
    let detect = wall.now().since(stopped);
    // A browser whose access token has ended meanwhile is told to come back, and keeps its cookies.
    app.advance(LATER);
    assert_later(&browser.visit("/api/page"));
    assert_later(&browser.visit("/auth/resume/"));

    let started = wall.now();
    server.start_again();
    let (access, _) = until("refreshing works again", || {
        let answer = refresh(&app, &token);
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
        (answer.status == 200).then(|| tokens(&answer))
    });
    let recover = wall.now().since(started);
    assert_eq!((api(&app, &access), browser.visit("/api/page").status), (200, 200), "the sessions live");
    assert_eq!(app.metric("stagedoor_refreshes_total", "reused"), 0);
    assert_eq!((login(&app, ada, PASSWORD).status, register(&app, "new@example.org").status), (200, 202));
    app.mail_to("new@example.org", 0);
    until("it is ready", || (probes(&app) == (200, 200)).then_some(()));
    println!(
        "{}",
        json!({ "fault": "5.6 postgres stopped", "detect_ms": detect.as_millis(), "recover_ms": recover.as_millis() })
    );
}

/// A server that has become a replica answers, and nobody can sign in.
#[test]
fn case_5_6_a_server_that_takes_no_changes_is_not_ready() {
    let server = PostgresServer::start();
    let app = on(&server);
    let person = app.person("user");
    until("it is ready", || (probes(&app) == (200, 200)).then_some(()));
    // Its own session began before, and may go on changing things.
    let database = server.connect();
    database.run(
        "ALTER DATABASE postgres SET default_transaction_read_only = on;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> '' AND pid <> pg_backend_pid()",
    );
    assert_later(&refresh(&app, &person.refresh));
    until("readiness tells", || (probes(&app) == (200, 503)).then_some(()));
    assert_eq!(api(&app, &person.access), 200, "proxying goes on");
    database.run("ALTER DATABASE postgres RESET default_transaction_read_only");
    until("it is ready", || (probes(&app) == (200, 200)).then_some(()));
    tokens(&refresh(&app, &person.refresh));
}

/// A server that hangs accepts connections and answers nothing: it is given up as soon as a statement may last.
#[test]
fn case_5_7_a_server_that_hangs_is_given_up_soon() {
    let server = PostgresServer::start();
    let app = on(&server);
    let person = app.person("user");
    assert_eq!(api(&app, &person.access), 200);
    let wall = SystemClock::new();
    server.signal("STOP");
    let begun = wall.now();
    assert_later(&refresh(&app, &person.refresh));
    let given_up = wall.now().since(begun);
    assert_eq!(api(&app, &person.access), 200, "proxying goes on");
    server.signal("CONT");
    let (access, _) = until("refreshing works again", || {
        let answer = refresh(&app, &person.refresh);
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
        (answer.status == 200).then(|| tokens(&answer))
    });
    assert_eq!(api(&app, &access), 200);
    println!("{}", json!({ "fault": "5.7 postgres hangs", "given_up_ms": given_up.as_millis() }));
    assert!(given_up < Duration::from_secs(6), "{given_up:?}");
}

#[test]
fn several_hosts_are_tried_until_one_takes_changes() {
    let server = PostgresServer::start();
    let port = server.address().port();
    let url = format!("postgres://stagedoor@127.0.0.1:1,127.0.0.1:{port}/postgres?sslmode=disable");
    let app = TestApp::with(|setup: &mut Setup| {
        let settings = store::PostgresSettings { url: Secret::new(url.clone()), ca: None, connections: 8 };
        setup.tweak(move |s| s.store = store::Settings::Postgres(settings));
    });
    let person = app.person("user");
    assert_eq!((refresh(&app, &person.refresh).status, api(&app, &person.access)), (200, 200));
}

/// PostgreSQL's texts cannot hold the character NUL: whoever sends one must not look like an outage.
#[test]
fn a_text_with_a_nul_is_refused_and_no_outage() {
    let server = PostgresServer::start();
    let app = on(&server);
    let admin = app.person("admin");
    for path in [
        "users/?q=%00",
        "users/?cursor=%00",
        "attempts/?account=%00",
        "attempts/?address=%00",
        "attempts/?ip=%00",
        "attempts/?outcome=%00",
        "audit/?actor=%00",
        "audit/?target=%00",
        "audit/?action=%00",
        "mail/?state=%00",
    ] {
        let answer = app.ask(get(&format!("/auth/admin/{path}"), &admin.bearer()));
        assert!((200..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
    let nul = "a\u{0}b@example.org";
    for (path, body) in [
        ("/token/", json!({ "email": nul, "password": PASSWORD })),
        ("/register/", form(nul)),
        ("/password-reset/", json!({ "email": nul })),
        ("/verify-email/code/", json!({ "email": nul, "code": "123456" })),
        ("/token/refresh/", json!({ "refresh": "\u{0}" })),
        ("/token/verify-otp/", json!({ "challenge": "\u{0}", "code": "\u{0}" })),
    ] {
        let answer = app.post_json(path, "", &body);
        assert!((200..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
}

#[test]
fn a_server_that_does_not_prove_itself_is_not_asked() {
    let server = PostgresServer::start();
    let certificates = certificates();
    let dir = certificates.path();
    let open = |ca: bool| {
        let ca = ca.then(|| dir.join("ca.pem"));
        let settings = store::PostgresSettings { url: Secret::new(server.secure_url()), ca, connections: 2 };
        store::Store::open(&store::Settings::Postgres(settings)).map(drop).map_err(|e| e.to_string())
    };
    let refused = |ca: bool, why: &str| {
        let e = open(ca).unwrap_err();
        assert!(e.contains(why), "{why}: {e}");
    };
    refused(true, "TLS");
    for (shown, trusts, why) in [
        ("wrong", true, "certificate"),
        ("self", true, "certificate"),
        ("good", false, "certificate"),
        ("good", true, ""),
    ] {
        server.stop_at_once();
        server.show(dir, shown);
        server.start_again();
        if why.is_empty() { assert_eq!(open(trusts), Ok(())) } else { refused(trusts, why) }
    }
}
