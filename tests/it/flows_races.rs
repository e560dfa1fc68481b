//! Groups L, R and T of the security cases where several act at once, or somebody sends what no form sends.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::flows::{form, login};
use crate::flows_client::problem;
use crate::flows_mail::link_and_code;
use crate::support::{Browser, PASSWORD, TestApp, get, request};

/// Runs `act` on many threads at once; the statuses, sorted.
fn at_once(times: usize, act: impl Fn(usize) -> u16 + Sync) -> Vec<u16> {
    let statuses = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for n in 0..times {
            let (act, statuses) = (&act, &statuses);
            scope.spawn(move || {
                let status = act(n);
                statuses.lock().unwrap().push(status);
            });
        }
    });
    let mut statuses = statuses.into_inner().unwrap();
    statuses.sort_unstable();
    statuses
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|s| **s == status).count()
}

#[test]
fn l_06_parallel_guesses_get_no_more_tries_than_single_ones() {
    let app = TestApp::start();
    let person = app.person("user");
    let statuses = at_once(60, |n| login(&app, &person.email, &format!("Wrong-Pass-{n}")).status);
    assert_eq!((count(&statuses, 401), count(&statuses, 423)), (5, 55), "{statuses:?}");
    assert_eq!(login(&app, &person.email, PASSWORD).status, 423);
    app.mail_to(&person.email, 0);
    assert_eq!(app.mails_to(&person.email).len(), 1, "one lock, one mail");
}

#[test]
fn l_07_parallel_right_passwords_all_succeed() {
    let app = TestApp::start();
    let person = app.person("user");
    let statuses = at_once(15, |_| login(&app, &person.email, PASSWORD).status);
    assert_eq!(count(&statuses, 200), 15, "{statuses:?}");
}

#[test]
fn l_05_an_address_is_counted_in_one_form() {
    let app = TestApp::start();
    let person = app.person("user");
    let spellings = [
        person.email.to_uppercase(),
        format!(" {} ", person.email),
        person.email.replace("example", "EXAMPLE"),
        person.email.clone(),
        person.email.replace("user", "User"),
    ];
    for spelling in &spellings {
        assert_eq!(login(&app, spelling, "Wrong-Pass-1").status, 401, "{spelling}");
    }
    assert_eq!(login(&app, &person.email, PASSWORD).status, 423, "five failures under five spellings");
}

#[test]
fn l_12_l_14_what_no_form_sends_is_refused() {
    let app = TestApp::start();
    let person = app.person("user");
    for body in [
        json!({ "email": [person.email, "a@example.org"], "password": PASSWORD }),
        json!({ "email": { "$ne": 1 }, "password": PASSWORD }),
        json!({ "email": person.email, "password": null }),
        json!({ "email": person.email, "password": true }),
        json!({ "email": person.email, "password": [PASSWORD] }),
        json!({ "email": person.email, "password": PASSWORD, "role": "admin" }),
        json!([person.email, PASSWORD]),
        json!(null),
    ] {
        assert_eq!(app.post_json("/token/", "", &body).status, 400, "{body}");
    }
    for member in ["roles", "is_admin", "email_verified", "id", "permissions", "password_hash", "created_at"]
    {
        let mut body = form("mallory@example.org");
        body[member] = json!("admin");
        assert_eq!(app.post_json("/register/", "", &body).status, 400, "{member}");
    }
    assert_eq!(login(&app, "mallory@example.org", PASSWORD).status, 401, "nobody was registered");
}

#[test]
fn l_18_a_planted_session_is_replaced_at_sign_in() {
    let app = TestApp::start();
    let (victim, attacker) = (app.person("user"), app.person("user"));
    let mut browser = Browser::of(&app, &attacker);
    let done = browser.post_form("/auth/login/", &[("email", &victim.email), ("password", PASSWORD)]);
    assert_eq!(done.status, 303);
    assert_ne!(browser.cookie("stagedoor_access"), Some(attacker.access.as_str()));
    assert_ne!(browser.cookie("stagedoor_refresh"), Some(attacker.refresh.as_str()));
    let me = browser.fetch("GET", "/auth/me/", "", b"").json();
    assert_eq!(me["email"], json!(victim.email));
    assert_ne!(me["session"], json!(attacker.session.to_string()));
}

#[test]
fn r_02_of_parallel_clicks_on_one_link_one_counts() {
    let app = TestApp::start();
    app.post_json("/register/", "", &form("nora@example.org"));
    let (link, _) = link_and_code(&app, &app.mail_to("nora@example.org", 0).text);
    let statuses = at_once(20, |_| app.ask(request("POST", &link, "", b"")).status);
    assert_eq!((count(&statuses, 200), count(&statuses, 400)), (1, 19), "{statuses:?}");
    app.mail_to("nora@example.org", 1);
    assert_eq!(app.mails_to("nora@example.org").len(), 2, "one welcome");
}

#[test]
fn r_09_who_proves_the_address_owns_the_account() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let mut of_attacker = form("victim@example.org");
    (of_attacker["password"], of_attacker["password_confirm"]) =
        ("Attack-Pass-1!".into(), "Attack-Pass-1!".into());
    assert_eq!(app.post_json("/register/", "", &of_attacker).status, 202);
    let (attackers_link, _) = link_and_code(&app, &app.mail_to("victim@example.org", 0).text);
    app.advance(std::time::Duration::from_mins(2));
    assert_eq!(app.post_json("/register/", "", &form("victim@example.org")).status, 202);
    let (link, _) = link_and_code(&app, &app.mail_to("victim@example.org", 1).text);
    assert_eq!(app.ask(request("POST", &attackers_link, "", b"")).status, 400, "the older link is dead");
    assert_eq!(app.ask(request("POST", &link, "", b"")).status, 200);
    assert_eq!(login(&app, "victim@example.org", "Attack-Pass-1!").status, 401);
    assert_eq!(login(&app, "victim@example.org", PASSWORD).status, 200);
}

#[test]
fn r_13_parallel_registrations_of_one_address_make_one_account_and_one_mail() {
    let app = TestApp::start();
    let statuses = at_once(20, |_| app.post_json("/register/", "", &form("nora@example.org")).status);
    assert_eq!(count(&statuses, 202), 20, "{statuses:?}");
    let (link, _) = link_and_code(&app, &app.mail_to("nora@example.org", 0).text);
    assert_eq!(app.ask(request("POST", &link, "", b"")).status, 200);
    let rows = app.wait_for(app.store().read("SELECT id FROM accounts", Vec::new())).unwrap();
    assert_eq!(rows.len(), 1);
    assert!(app.mail_to("nora@example.org", 1).subject.contains("Welcome"), "one mail until then");
}

#[test]
fn t_10_after_a_sign_out_no_refresh_has_survived() {
    let app = TestApp::start();
    let first = app.person("user");
    for round in 0..12 {
        let person = app.sign_in(&first.email);
        let tokens = Mutex::new(vec![(person.access.clone(), person.refresh.clone())]);
        at_once(2, |n| {
            if n == 0 {
                return app.post_json("/logout/", &person.bearer(), &json!({})).status;
            }
            let answer = app.post_json("/token/refresh/", "", &json!({ "refresh": person.refresh }));
            if answer.status == 200 {
                let text = |member: &str| answer.json()[member].as_str().unwrap().to_owned();
                tokens.lock().unwrap().push((text("access"), text("refresh")));
            }
            answer.status
        });
        for (access, refresh) in tokens.into_inner().unwrap() {
            let answer = app.ask(get("/api/x", &format!("Authorization: Bearer {access}\r\n")));
            assert_eq!(answer.status, 401, "round {round}: an access token lives");
            let answer = app.post_json("/token/refresh/", "", &json!({ "refresh": refresh }));
            assert_eq!(answer.status, 401, "round {round}: a refresh token lives");
        }
    }
}

#[test]
fn t_11_at_most_twenty_sessions_and_the_oldest_goes() {
    let app = TestApp::start();
    let first = app.person("user");
    let others: Vec<_> = (0..20).map(|_| app.sign_in(&first.email)).collect();
    assert_eq!(app.ask(get("/api/x", &first.bearer())).status, 401);
    let answer = app.post_json("/token/refresh/", "", &json!({ "refresh": first.refresh }));
    assert_eq!((answer.status, problem(&answer).as_str()), (401, "invalid-refresh-token"));
    for person in others.iter().step_by(5) {
        assert_eq!(app.ask(get("/api/x", &person.bearer())).status, 200);
    }
}

#[test]
fn t_16_a_refresh_is_a_post_from_our_own_pages() {
    let app = TestApp::start();
    let person = app.person("user");
    assert_eq!(app.ask(get("/auth/token/refresh/", &person.cookies())).status, 405);
    let browser = Browser::of(&app, &person);
    for metadata in ["", "Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n"] {
        let fields = format!("Content-Type: application/json\r\n{metadata}");
        assert_eq!(
            app.ask(browser.bytes("POST", "/auth/token/refresh/", &fields, b"{}")).status,
            403,
            "{metadata}"
        );
    }
    let answer = app.post_json("/token/refresh/", "", &json!({ "refresh": person.refresh }));
    assert_eq!(answer.status, 200, "it was not used up");
}

#[test]
fn t_17_no_page_shows_a_token() {
    let app = TestApp::start();
    let person = app.person("user");
    let mut browser = Browser::of(&app, &person);
    for page in
        ["/auth/", "/auth/me/", "/auth/logout/", "/auth/login/?next=/&mac=x", "/auth/nothing/", "/admin/x"]
    {
        let shown: Value = browser.visit(page).text().into();
        for secret in [&person.access, &person.refresh, PASSWORD] {
            assert!(!shown.to_string().contains(secret), "{page}");
        }
    }
    let metrics = app.metrics();
    assert!(!metrics.contains(&person.email) && !metrics.contains(&person.id.to_string()), "D-12");
}
