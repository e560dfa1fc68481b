//! Devices, locks and sessions over HTTP: the mailed links, one's own lists.

use std::time::Duration;

use serde_json::{Value, json};

use crate::flows_client::problem;
use crate::support::{Answer, Browser, PASSWORD, Person, TestApp, get, request};

fn login(app: &TestApp, email: &str, password: &str) -> Answer {
    app.post_json("/token/", "", &json!({ "email": email, "password": password }))
}

fn call(app: &TestApp, person: &Person, method: &str, path: &str) -> Answer {
    app.ask(request(method, path, &person.bearer(), b""))
}

/// The path of the link in a mail.
fn link(app: &TestApp, text: &str, flow: &str) -> String {
    let start = format!("{}/auth{flow}", app.public_url());
    let found = text.split_whitespace().find(|w| w.starts_with(&start)).unwrap_or_else(|| panic!("{text}"));
    let path = found.strip_prefix(app.public_url()).unwrap().to_owned();
    app.canary("mailed link", path.trim_end_matches('/').rsplit('/').next().unwrap());
    path
}

fn sign_in(browser: &mut Browser, person: &Person) -> u16 {
    browser.post_form("/auth/login/", &[("email", &person.email), ("password", PASSWORD)]).status
}

#[test]
fn a_new_browser_is_told_and_not_me_throws_it_out() {
    let app = TestApp::start();
    let person = app.person("user");
    let (mut mine, mut thief) = (Browser::new(&app), Browser::new(&app));
    assert_eq!(sign_in(&mut mine, &person), 303);
    let device = mine.cookie("stagedoor_device").expect("a device cookie").to_owned();
    app.canary("device cookie", &device);
    let first = app.mail_to(&person.email, 0);
    mine.post_form("/auth/logout/", &[]);
    assert_eq!(mine.cookie("stagedoor_device"), Some(device.as_str()), "kept over a sign-out");
    assert_eq!(sign_in(&mut mine, &person), 303);
    assert_eq!(sign_in(&mut thief, &person), 303);
    let second = app.mail_to(&person.email, 1);
    assert_eq!(app.mails_to(&person.email).len(), 2, "nothing about the browser that came back");
    assert_ne!(link(&app, &first.text, "/not-me/"), link(&app, &second.text, "/not-me/"));
    let path = link(&app, &second.text, "/not-me/");
    app.ask(get(&path, ""));
    assert_eq!(thief.visit("/api/x").status, 200, "a scanner that opens the link changes nothing");
    let done = app.ask(request("POST", &path, "", b""));
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!((thief.visit("/api/x").status, mine.visit("/api/x").status), (303, 303));
    let refused = login(&app, &person.email, PASSWORD);
    assert_eq!((refused.status, problem(&refused).as_str()), (403, "password-reset-required"));
    let again = app.ask(request("POST", &path, "", b""));
    assert_eq!((again.status, problem(&again).as_str()), (400, "invalid-token"), "t_12");
}

#[test]
fn l_09_the_mailed_link_opens_a_locked_account_and_a_known_browser_never_was_locked() {
    let app = TestApp::start();
    let person = app.person("user");
    let mut mine = Browser::new(&app);
    assert_eq!(sign_in(&mut mine, &person), 303);
    app.mail_to(&person.email, 0);
    for _ in 0..5 {
        assert_eq!(login(&app, &person.email, "Wrong-Pass-1").status, 401);
    }
    assert_eq!(login(&app, &person.email, PASSWORD).status, 423);
    assert_eq!(sign_in(&mut mine, &person), 303);
    let path = link(&app, &app.mail_to(&person.email, 1).text, "/unlock/");
    app.ask(get(&path, ""));
    assert_eq!(login(&app, &person.email, PASSWORD).status, 423);
    assert_eq!(app.ask(request("POST", &path, "", b"")).status, 200);
    assert_eq!(login(&app, &person.email, PASSWORD).status, 200);
    assert_eq!(app.ask(request("POST", &path, "", b"")).status, 400);
}

#[test]
fn t_14_sessions_can_be_seen_and_ended_by_their_owner_only() {
    let app = TestApp::start();
    let (person, stranger) = (app.person("user"), app.person("user"));
    let other = app.sign_in(&person.email);
    let third = app.sign_in(&person.email);
    assert_eq!(app.ask(get("/auth/sessions/", "")).status, 401);
    let list = call(&app, &person, "GET", "/auth/sessions/").json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    for name in ["id", "current", "ip", "user_agent", "created_at", "last_seen_at", "expires_at", "amr"] {
        assert!(items.iter().all(|i| !i[name].is_null()), "{name}: {list}");
    }
    let current: Vec<_> = items.iter().filter(|i| i["current"] == json!(true)).map(|i| &i["id"]).collect();
    assert_eq!(current, [&json!(person.session.to_string())]);
    let path = format!("/auth/sessions/{}/", other.session);
    assert_eq!(call(&app, &person, "GET", &path).json()["ip"], json!("127.0.0.1"));
    for method in ["GET", "DELETE"] {
        for foreign in [&path, "/auth/sessions/00000000-0000-4000-8000-000000000000/", "/auth/sessions/x/"] {
            let answer = call(&app, &stranger, method, foreign);
            assert_eq!((answer.status, problem(&answer).as_str()), (404, "not-found"), "{method} {foreign}");
        }
    }
    assert_eq!(call(&app, &person, "DELETE", &path).status, 204);
    assert_eq!(call(&app, &person, "DELETE", &path).status, 404);
    assert_eq!(app.ask(get("/api/x", &other.bearer())).status, 401, "at once");
    assert_eq!(call(&app, &person, "DELETE", "/auth/sessions/").status, 204);
    assert_eq!(app.ask(get("/api/x", &third.bearer())).status, 401);
    assert_eq!(app.ask(get("/api/x", &person.bearer())).status, 200, "the one that asks lives on");
    let mut browser = Browser::of(&app, &person);
    let own = format!("/auth/sessions/{}/", person.session);
    assert_eq!(browser.fetch("DELETE", &own, "", b"").status, 204);
    assert_eq!((browser.cookie("stagedoor_access"), browser.cookie("stagedoor_refresh")), (None, None));
    assert_eq!(app.ask(get("/api/x", &stranger.bearer())).status, 200);
}

#[test]
fn devices_can_be_seen_and_forgotten_by_their_owner_only() {
    let app = TestApp::start();
    let (person, stranger) = (app.person("user"), app.person("user"));
    let list = call(&app, &person, "GET", "/auth/2fa/devices/").json();
    let device = &list["items"][0];
    assert_eq!((&device["current"], device.get("trusted_until")), (&json!(true), None), "{list}");
    let path = format!("/auth/2fa/devices/{}/", device["id"].as_str().unwrap());
    assert_eq!(call(&app, &stranger, "DELETE", &path).status, 404);
    assert_eq!(call(&app, &person, "DELETE", "/auth/2fa/devices/x/").status, 404);
    assert_eq!(call(&app, &person, "DELETE", &path).status, 204);
    assert_eq!(call(&app, &person, "DELETE", &path).status, 404);
    app.sign_in(&person.email);
    assert_eq!(call(&app, &person, "DELETE", "/auth/2fa/devices/").status, 204);
    assert_eq!(call(&app, &person, "GET", "/auth/2fa/devices/").json(), json!({ "items": [] }));
}

#[test]
fn l_13_t_17_the_history_comes_in_pages_and_shows_no_secret() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let person = app.person("user");
    for _ in 0..3 {
        app.advance(Duration::from_secs(1));
        assert_eq!(login(&app, &person.email, "Wrong-Pass-1").status, 401);
    }
    let mut reasons = Vec::new();
    let mut next = String::new();
    for _ in 0..3 {
        let page = call(&app, &person, "GET", &format!("/auth/activity/?limit=2&cursor={next}")).json();
        let items = page["items"].as_array().unwrap();
        reasons.extend(items.iter().map(|i| (i["outcome"].clone(), i["reason"].clone())));
        match page["next"].as_str() {
            Some(cursor) => next = cursor.to_owned(),
            None => break,
        }
    }
    let wrong = (json!("failure"), json!("wrong_credentials"));
    assert_eq!(reasons, [wrong.clone(), wrong.clone(), wrong, (json!("success"), json!("password"))]);
    let first: Value = call(&app, &person, "GET", "/auth/activity/").json();
    assert!(first["next"].is_null() && first["items"][0]["at"].as_str().unwrap().ends_with('Z'), "{first}");
    for query in ["cursor=1", "cursor='", "limit=0", "limit=1000", "limit=x", "sort=at", "limit=2&limit=3"] {
        let answer = call(&app, &person, "GET", &format!("/auth/activity/?{query}"));
        assert_eq!((answer.status, problem(&answer).as_str()), (400, "malformed-query"), "{query}");
    }
    for path in ["/auth/activity/", "/auth/sessions/", "/auth/2fa/devices/", "/auth/me/"] {
        let body = call(&app, &person, "GET", path).text();
        for secret in [&person.access, &person.refresh, PASSWORD, "$argon2"] {
            assert!(!body.contains(secret), "{path}");
        }
    }
}
