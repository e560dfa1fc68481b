//! Being signed in, over HTTP: refreshing, signing out, who am I; and what each role gets.

use std::time::Duration;

use serde_json::json;

use crate::flows_client::problem;
use crate::support::{Answer, Browser, PASSWORD, Person, TestApp, get, request};

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn refresh(app: &TestApp, token: &str) -> Answer {
    app.post_json("/token/refresh/", "", &json!({ "refresh": token }))
}

fn text(answer: &Answer, member: &str) -> String {
    answer.json()[member].as_str().unwrap_or_else(|| panic!("no {member}: {}", answer.text())).to_owned()
}

fn may(app: &TestApp, access: &str) -> u16 {
    app.ask(get("/api/x", &format!("Authorization: Bearer {access}\r\n"))).status
}

#[test]
fn t_02_a_refresh_token_is_exchanged_and_within_ten_seconds_always_for_the_same() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let person = app.person("user");
    let first = refresh(&app, &person.refresh);
    assert_eq!((first.status, &first.json()["expires_in"]), (200, &json!(600)));
    assert_eq!(may(&app, &text(&first, "access")), 200);
    app.advance(Duration::from_millis(9_999));
    let again = refresh(&app, &person.refresh);
    assert_eq!((again.status, text(&again, "refresh")), (200, text(&first, "refresh")), "the same child");
    let second = refresh(&app, &text(&first, "refresh"));
    assert_eq!(second.status, 200);
    assert_ne!(text(&second, "refresh"), text(&first, "refresh"));
}

#[test]
fn t_02_parallel_uses_of_one_refresh_token_get_one_child() {
    let app = TestApp::start();
    let person = app.person("user");
    let mut children: Vec<String> = std::thread::scope(|scope| {
        let ask = || {
            let answer = refresh(&app, &person.refresh);
            assert_eq!(answer.status, 200, "{}", answer.text());
            text(&answer, "refresh")
        };
        let threads: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    children.dedup();
    assert_eq!(children.len(), 1, "one child for all");
    assert_eq!(refresh(&app, &children[0]).status, 200, "the family lives");
}

#[test]
fn t_01_later_reuse_ends_the_whole_family_and_is_told_to_the_owner() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let person = app.person("user");
    let other = app.sign_in(&person.email);
    let child = refresh(&app, &person.refresh);
    app.advance(TEN_SECONDS);
    let reused = refresh(&app, &person.refresh);
    assert_eq!((reused.status, problem(&reused).as_str()), (401, "invalid-refresh-token"));
    assert_eq!(refresh(&app, &text(&child, "refresh")).status, 401, "the child is dead");
    assert_eq!(may(&app, &text(&child, "access")), 401, "and its access token");
    assert_eq!(may(&app, &person.access), 401);
    app.mail_to(&person.email, 1);
    let mails = app.mails_to(&person.email);
    assert!(
        mails.iter().any(|m| m.subject.contains("ended one of your")),
        "besides the one about a new device"
    );
    assert_eq!(may(&app, &other.access), 200, "another sign-in lives on");
    assert_eq!(refresh(&app, &other.refresh).status, 200);
}

#[test]
fn t_05_a_bent_refresh_token_is_nobodys() {
    let app = TestApp::start();
    let person = app.person("user");
    let good = &person.refresh;
    let (head, last) = good.split_at(good.len() - 1);
    let bent = [
        head.to_owned(),
        good[..good.len() / 2].to_owned(),
        format!("{good}="),
        format!("{good}A"),
        good.to_uppercase(),
        format!("{head}{}", if last == "A" { "B" } else { "A" }),
        good.trim_start_matches("sdr_").to_owned(),
        String::new(),
        "sdr_".to_owned(),
    ];
    for token in &bent {
        assert_eq!(refresh(&app, token).status, 401, "{token}");
    }
    assert_eq!(refresh(&app, good).status, 200, "and none of them has harmed the session");
}

#[test]
fn t_07_sessions_end_when_idle_and_at_their_absolute_age() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
        setup.top("session: { idle_timeout: 30m, keep_idle_timeout: 40m, absolute_timeout: 1h }");
    });
    let minutes = Duration::from_mins;
    let (idle, busy) = (app.person("user"), app.person("user"));
    let mut token = busy.refresh;
    for passed in [20, 40, 59] {
        app.advance(minutes(if passed == 59 { 19 } else { 20 }));
        let answer = refresh(&app, &token);
        assert_eq!(answer.status, 200, "after {passed} minutes");
        token = text(&answer, "refresh");
    }
    assert_eq!(refresh(&app, &idle.refresh).status, 401, "idle for too long");
    app.advance(minutes(1));
    assert_eq!(refresh(&app, &token).status, 401, "an hour is an hour");
}

#[test]
fn t_09_signing_out_is_idempotent_and_ends_the_access_token_at_once() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let (person, other, third) = (app.person("user"), app.person("user"), app.person("user"));
    for _ in 0..2 {
        let answer = app.post_json("/logout/", &person.bearer(), &json!({ "refresh": person.refresh }));
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(may(&app, &person.access), 401);
        assert_eq!(refresh(&app, &person.refresh).status, 401);
    }
    assert_eq!(app.ask(request("POST", "/auth/logout/", "", b"")).status, 204, "without anything");
    assert_eq!(
        app.post_json("/logout/", "Authorization: Bearer nothing.like.it\r\n", &json!({})).status,
        204
    );
    assert_eq!(app.post_json("/logout/", "", &json!({ "refresh": "sdr_nonsense" })).status, 204);

    app.advance(Duration::from_secs(3600 / 4));
    assert_eq!(may(&app, &other.access), 401, "expired");
    assert_eq!(app.post_json("/logout/", &other.bearer(), &json!({})).status, 204);
    assert_eq!(refresh(&app, &other.refresh).status, 401, "an expired token still names the session to end");
    assert_eq!(app.post_json("/logout/", "", &json!({ "refresh": third.refresh })).status, 204);
    assert_eq!(refresh(&app, &third.refresh).status, 401, "so does a refresh token alone");
}

#[test]
fn me_says_who_asks_and_nothing_secret() {
    let app = TestApp::start();
    let person = app.person("staff");
    let me = app.case(None, get("/auth/me/", &person.bearer()));
    let body = me.answer().json();
    assert_eq!(body["id"], person.id.to_string());
    assert_eq!((&body["email"], &body["roles"]), (&json!(person.email), &json!(["staff"])));
    assert_eq!(body["permissions"], json!(["events.edit", "events.view"]));
    assert_eq!((&body["session"], &body["amr"]), (&json!(person.session.to_string()), &json!(["pwd"])));
    let nobody = app.ask(get("/auth/me/", ""));
    assert_eq!((nobody.status, problem(&nobody).as_str()), (401, "unauthenticated"));
    assert!(nobody.field("www-authenticate").is_some_and(|v| v.starts_with("Bearer")));
}

#[test]
fn cookie_mode_hands_out_cookies_only_and_refreshes_in_them() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let person = app.person("user");
    let mut browser = Browser::new(&app);
    let json = "Content-Type: application/json\r\n";
    let body = json!({ "email": person.email, "password": PASSWORD, "session": "cookie" }).to_string();
    let answer = browser.fetch("POST", "/auth/token/", json, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    for cookie in answer.all("set-cookie") {
        assert!(cookie.contains("; HttpOnly; SameSite=Lax") && cookie.contains("; Path=/;"), "{cookie}");
    }
    assert!(
        !answer.text().contains("\"access\"") && !answer.text().contains("\"refresh\""),
        "{}",
        answer.text()
    );
    assert_eq!(browser.visit("/api/x").status, 200);
    let before = browser.cookie("stagedoor_refresh").expect("a cookie").to_owned();
    let answer = browser.fetch("POST", "/auth/token/refresh/", json, b"{}");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_ne!(browser.cookie("stagedoor_refresh"), Some(before.as_str()));
    assert_eq!(browser.visit("/api/x").status, 200);
    let answer = browser.fetch("POST", "/auth/logout/", "", b"");
    assert_eq!((answer.status, browser.cookie("stagedoor_access")), (204, None));
    assert!(answer.field("clear-site-data").is_some_and(|v| v.contains("\"storage\"")));
}

#[test]
fn each_role_gets_what_the_rules_give() {
    let app = TestApp::with(|setup| {
        setup.rule("{ path: /events/**, allow: { permission: events.view } }");
        setup.rule("{ path: /events/**, methods: [POST, DELETE], allow: { permission: events.edit } }");
        setup.rule("{ path: \"/people/{who}/**\", allow: { any_of: [{ owner: who }, { role: admin }] } }");
    });
    let [user, staff, admin] = ["user", "staff", "admin"].map(|role| app.person(role));
    let strong = app.with_mfa(&user);
    let own = format!("/people/{}/tickets", user.id);
    let table: [(&str, &str, [u16; 5]); 9] = [
        // nobody, user, user with a second factor, staff, admin
        ("GET", "/public/x", [200, 200, 200, 200, 200]),
        ("GET", "/api/x", [401, 200, 200, 200, 200]),
        ("GET", "/admin/x", [401, 403, 403, 403, 200]),
        ("GET", "/mfa/x", [401, 401, 200, 401, 401]),
        ("GET", "/events/7", [401, 200, 200, 200, 200]),
        ("POST", "/events/7", [401, 403, 403, 200, 200]),
        ("DELETE", "/events/7", [401, 403, 403, 200, 200]),
        ("GET", &own, [401, 200, 200, 403, 200]),
        ("GET", "/nothing", [403; 5]),
    ];
    let people: [Option<&Person>; 5] = [None, Some(&user), Some(&strong), Some(&staff), Some(&admin)];
    for (method, path, expected) in table {
        for (person, status) in people.into_iter().zip(expected) {
            let bearer = person.map(Person::bearer).unwrap_or_default();
            let before = app.upstream().count();
            let answer = app.ask(request(method, path, &bearer, b""));
            let who = person.map(|p| (&p.roles, &p.amr));
            assert_eq!(answer.status, status, "{method} {path} as {who:?}: {}", answer.text());
            let forwarded = app.upstream().since(before);
            assert_eq!(forwarded.len(), usize::from(status == 200), "{method} {path} as {who:?}");
            let seen = forwarded.first().and_then(|r| r.field("x-auth-user-id"));
            assert!(status != 200 || seen == person.map(|p| p.id.to_string()), "{seen:?} is not {who:?}");
        }
    }
}
