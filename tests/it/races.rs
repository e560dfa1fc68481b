//! Groups L, T and R of the security cases where many do the same thing at once, over real connections that are all open
//! before the first byte is sent.

use std::sync::{Barrier, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use stagedoor::model::{Clock as _, SystemClock};

use crate::support::{Answer, PASSWORD, RawClient, TestApp, get, request, until};

/// Sends each of these requests on its own connection, all at the same moment; the answers.
fn at_once(app: &TestApp, requests: Vec<Vec<u8>>) -> Vec<Answer> {
    let barrier = Barrier::new(requests.len());
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for bytes in requests {
            let (barrier, answers) = (&barrier, &answers);
            let mut client: RawClient = app.connect();
            client.patience(Duration::from_secs(60));
            scope.spawn(move || {
                barrier.wait();
                client.send(bytes);
                let answer = client.answer().expect("an answer");
                answers.lock().unwrap().push(answer);
            });
        }
    });
    answers.into_inner().unwrap()
}

fn post(path: &str, body: &Value) -> Vec<u8> {
    let json = "Content-Type: application/json\r\n";
    request("POST", &format!("/auth{path}"), json, body.to_string().as_bytes())
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|a| a.status == status).count()
}

/// As many connections from here as the test needs.
fn app() -> TestApp {
    TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.connections_per_address = 1000);
    })
}

#[test]
fn l_06_two_hundred_guesses_at_once_compare_five_hashes() {
    let app = app();
    let person = app.person("user");
    let wrong = |n| post("/token/", &json!({ "email": person.email, "password": format!("Wrong-Pass-{n}") }));
    let answers = at_once(&app, (0..200).map(wrong).collect());
    assert_eq!((count(&answers, 401), count(&answers, 423)), (5, 195));
    let failures = "SELECT id FROM attempts WHERE reason = 'wrong_credentials'";
    assert_eq!(app.wait_for(app.store().read(failures, Vec::new())).unwrap().len(), 5, "five were compared");
}

#[test]
fn t_02_fifty_uses_of_a_refresh_token_at_once_have_one_child() {
    let app = app();
    let person = app.person("user");
    let use_it = || post("/token/refresh/", &json!({ "refresh": person.refresh }));
    let answers = at_once(&app, (0..50).map(|_| use_it()).collect());
    assert_eq!(count(&answers, 200), 50);
    let mut children: Vec<String> =
        answers.iter().map(|a| a.json()["refresh"].as_str().expect("a token").to_owned()).collect();
    children.sort_unstable();
    children.dedup();
    assert_eq!(children.len(), 1, "one child");
    assert_ne!(children[0], person.refresh);
    assert_eq!(app.metric("stagedoor_refreshes_total", "rotated"), 1);
    let child = app.post_json("/token/refresh/", "", &json!({ "refresh": children[0] }));
    assert_eq!(child.status, 200, "the family is alive");
}

#[test]
fn r_02_of_fifty_uses_of_a_reset_link_at_once_one_counts() {
    let app = app();
    let person = app.person("user");
    assert_eq!(app.post_json("/password-reset/", "", &json!({ "email": person.email })).status, 202);
    let start = format!("{}/auth/password-reset/", app.public_url());
    let text = app.mail_to(&person.email, 0).text.clone();
    let link = text.split_whitespace().find(|w| w.starts_with(&start)).expect("a link");
    let mut parts = link[start.len()..].trim_matches('/').split('/');
    let (uid, token) = (parts.next().expect("uid"), parts.next().expect("token"));
    let password = |n: usize| format!("Another-Act-{n}!");
    let confirm = |n: usize| {
        let new = password(n);
        post(
            "/password-reset/confirm/",
            &json!({ "uid": uid, "token": token, "new_password": new, "new_password_confirm": new }),
        )
    };
    let answers = at_once(&app, (0..50).map(confirm).collect());
    assert_eq!((count(&answers, 200), count(&answers, 400)), (1, 49));
    let works = |n: &usize| {
        let body = json!({ "email": person.email, "password": password(*n) });
        // Each guess from a state without failures: this counts passwords, not tries.
        app.wait_for(app.store().write("DELETE FROM lockouts", Vec::new())).unwrap();
        app.post_json("/token/", "", &body).status == 200
    };
    assert_eq!((0..50).filter(works).count(), 1, "one password was set");
    until("the notice", || app.mails_to(&person.email).get(1).cloned());
    let notices = "SELECT id FROM outbox WHERE kind = 'reset_done'";
    assert_eq!(app.wait_for(app.store().read(notices, Vec::new())).unwrap().len(), 1);
}

/// The path of the link with `flow` in it, in a mail to somebody.
fn link(app: &TestApp, email: &str, flow: &str) -> String {
    let start = format!("{}/auth{flow}", app.public_url());
    let find = |text: &str| text.split_whitespace().find(|w| w.starts_with(&start)).map(str::to_owned);
    let found = until("a link", || app.mails_to(email).iter().find_map(|m| find(&m.text)));
    found[app.public_url().len()..].to_owned()
}

/// What nothing but the link itself keeps from happening twice.
#[test]
fn r_02_of_thirty_clicks_at_once_on_what_opens_or_closes_an_account_one_counts() {
    let app = app();
    for (flow, action) in [("/unlock/", "account.unlocked"), ("/not-me/", "account.not_me")] {
        let person = app.person("user");
        app.sign_in(&person.email);
        if flow == "/unlock/" {
            let body = json!({ "email": person.email, "password": "Wrong-Pass-1" });
            (0..5).for_each(|_| assert_eq!(app.post_json("/token/", "", &body).status, 401));
        }
        let link = link(&app, &person.email, flow);
        let answers = at_once(&app, (0..30).map(|_| request("POST", &link, "", b"")).collect());
        assert_eq!((count(&answers, 200), count(&answers, 400)), (1, 29), "{flow}");
        let lines = "SELECT id FROM audit WHERE action = $1";
        assert_eq!(
            app.wait_for(app.store().read(lines, vec![action.into()])).unwrap().len(),
            1,
            "INV-7: {flow}"
        );
    }
}

/// Pairs of a sign-out and a refresh for five seconds, at least fifty of them.
#[test]
fn t_10_no_refresh_outlives_a_sign_out() {
    let app = app();
    let first = app.person("user");
    let clock = SystemClock::new();
    let begin = clock.now();
    let mut pairs = 0;
    let mut refreshed = 0;
    while pairs < 50 || clock.now().since(begin) < Duration::from_secs(5) {
        let person = app.sign_in(&first.email);
        let refresh = post("/token/refresh/", &json!({ "refresh": person.refresh }));
        let out = match pairs % 3 {
            0 => request("POST", "/auth/logout/", &person.bearer(), b""),
            1 => post("/logout/", &json!({ "refresh": person.refresh })),
            _ => post("/logout/", &json!({ "refresh": person.refresh, "all": true })),
        };
        let answers = at_once(&app, vec![out, refresh.clone(), refresh]);
        assert_eq!(count(&answers, 204), 1, "{answers:?}");
        let mut tokens = vec![(person.access.clone(), person.refresh.clone())];
        for answer in answers.iter().filter(|a| a.status == 200) {
            let text = |member: &str| answer.json()[member].as_str().expect(member).to_owned();
            tokens.push((text("access"), text("refresh")));
            refreshed += 1;
        }
        for (access, refresh) in tokens {
            let bearer = format!("Authorization: Bearer {access}\r\n");
            assert_eq!(app.ask(get("/api/x", &bearer)).status, 401, "pair {pairs}");
            let answer = app.post_json("/token/refresh/", "", &json!({ "refresh": refresh }));
            assert_eq!(answer.status, 401, "pair {pairs}");
        }
        pairs += 1;
    }
    let sessions = "SELECT id FROM sessions WHERE ended_at IS NULL AND account_id = $1";
    let live = app.wait_for(app.store().read(sessions, vec![first.id.to_string().into()])).unwrap().len();
    assert!(live <= 1, "{live} sessions are open after {pairs} pairs, {refreshed} refreshed");
}

/// One password for many accounts, from one address and over HTTP: the limit of the address stops it, and somebody else's
/// limit is not used up.
#[test]
fn l_21_one_password_for_many_accounts_is_stopped() {
    let app = TestApp::with(|setup| {
        setup.manual_clock().server("trusted_proxies: [127.0.0.1]");
        setup.tweak(|settings| {
            settings.account.rate_limits.login =
                stagedoor::limiter::Quota { limit: 5, window: Duration::from_secs(60) };
        });
    });
    let person = app.person("user");
    let from = |ip: &str, email: &str, password: &str| {
        let fields = format!("X-Forwarded-For: {ip}\r\n");
        app.post_json("/token/", &fields, &json!({ "email": email, "password": password })).status
    };
    let guesses: Vec<u16> =
        (0..200).map(|n| from("203.0.113.9", &format!("p{n}@example.org"), "Summer-2026!")).collect();
    assert_eq!(guesses.iter().filter(|s| **s == 401).count(), 5);
    assert_eq!(guesses.iter().filter(|s| **s == 429).count(), 195);
    assert_eq!(from("203.0.113.9", &person.email, PASSWORD), 429);
    assert_eq!(from("198.51.100.7", &person.email, PASSWORD), 200, "somebody else");
}
