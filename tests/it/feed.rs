//! What ends on one node ends on the other, by the database alone.

use std::time::Duration;

use serde_json::json;

use crate::feed_stage::{Nodes, asks, call, node, sign_out, time_until_refused};
use crate::own_account::{ask_reset, confirm, parts};
use crate::support::{PASSWORD, Person, PostgresServer, RawClient, TestApp, get, until};

const BETTER: &str = "Second-Act-43!";
/// What the documentation promises without Redis, and a margin for a machine that does much else.
const PROMISED: Duration = Duration::from_secs(2);

#[test]
fn j_19_a_sign_out_on_one_node_ends_the_token_on_the_other() {
    let server = PostgresServer::start();
    let a = node(&server.url(), None, |_| {});
    let b = node(&server.url(), Some(&a), |_| {});
    let mut lags = Vec::new();
    for _ in 0..5 {
        let (person, bystander) = (a.person("user"), b.person("user"));
        let mut open = RawClient::connect(b.address());
        let mut on_open = |who: &Person| {
            open.send(get("/api/x", &who.bearer()));
            open.answer().expect("an answer").status
        };
        assert_eq!((asks(&b, &person, "/api/x").status, on_open(&person)), (200, 200));
        sign_out(&a, &person);
        assert_eq!(asks(&a, &person, "/api/x").status, 401, "at once where it was decided");
        assert_eq!(
            call(&b, "GET", "/profile/", &person, &json!({})).status,
            401,
            "our own API asks the database"
        );
        lags.push(time_until_refused(&b, &person));
        assert_eq!(on_open(&person), 401, "on a connection that was open, too");
        assert_eq!(
            (asks(&b, &bystander, "/api/x").status, asks(&a, &bystander, "/api/x").status),
            (200, 200)
        );
    }
    let worst = lags.iter().max().expect("some");
    println!(
        "{}",
        json!({ "case": "J-19 by the database", "lag_ms": lags.iter().map(Duration::as_millis).collect::<Vec<_>>() })
    );
    assert!(*worst < PROMISED, "{lags:?}");
    let by_poll = "stagedoor_revocation_lag_seconds_count{way=\"poll\"}";
    assert!(b.metric(by_poll, "") > 0 && a.metric("stagedoor_revocation_feed_current", "") == 1);
}

/// The mail with a link to `path`, by whichever node it was sent.
fn mailed(nodes: [&TestApp; 2], email: &str, path: &str) -> String {
    let text = until("a mail", || {
        let mails = nodes.iter().flat_map(|app| app.mails_to(email));
        mails.map(|mail| mail.text.clone()).find(|text| text.contains(path))
    });
    let link = text.lines().find(|line| line.starts_with("http") && line.contains(path)).expect("a link");
    link[link.find(path).expect("found")..].to_owned()
}

/// Refused by both, and no new token either.
fn assert_ended(nodes: [&TestApp; 2], person: &Person, what: &str) {
    for app in nodes {
        until(what, || (asks(app, person, "/api/x").status == 401).then_some(()));
        let again = app.post_json("/token/refresh/", "", &json!({ "refresh": person.refresh }));
        assert_eq!(again.status, 401, "{what}");
    }
}

#[test]
fn t_08_what_ends_sessions_on_one_node_ends_them_on_the_other() {
    let server = PostgresServer::start();
    let a = node(&server.url(), None, |_| {});
    let b = node(&server.url(), Some(&a), |_| {});
    let admin = a.person("admin");
    let two = |app: &TestApp| {
        let person = app.person("user");
        (b.sign_in(&person.email), person)
    };

    let (other, person) = two(&a);
    let body =
        json!({ "current_password": PASSWORD, "new_password": BETTER, "new_password_confirm": BETTER });
    let changed = call(&a, "POST", "/change-password/", &person, &body);
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_ended([&a, &b], &other, "another password ends the other session");
    assert_eq!(asks(&b, &person, "/api/x").status, 200, "and not the one in use");

    let (other, person) = two(&a);
    assert_eq!(ask_reset(&a, &person.email).status, 202);
    let (uid, token) = parts(&mailed([&a, &b], &person.email, "/password-reset/"));
    assert_eq!(confirm(&a, json!({ "uid": uid, "token": token }), BETTER).status, 200);
    for ended in [&person, &other] {
        assert_ended([&a, &b], ended, "a reset ends every session");
    }

    let (other, person) = two(&a);
    assert_eq!(call(&a, "POST", "/logout/", &person, &json!({ "all": true })).status, 204);
    for ended in [&person, &other] {
        assert_ended([&a, &b], ended, "signing out everywhere");
    }

    let (other, person) = two(&a);
    let path = format!("/admin/users/{}/deactivate/", person.id);
    assert_eq!(call(&a, "POST", &path, &admin, &json!({})).status, 200);
    for ended in [&person, &other] {
        assert_ended([&a, &b], ended, "j_18: switching off");
    }
}

/// J-17: the token says `staff`; the account no longer does.
fn strip(a: &TestApp, admin: &Person, person: &Person) {
    let path = format!("/admin/users/{}/roles/", person.id);
    let answer = call(a, "PUT", &path, admin, &json!({ "roles": ["user"] }));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn j_17_j_18_t_15_roles_and_accounts_taken_away_count_on_nodes_whose_clocks_differ() {
    for (ahead_a, ahead_b) in [(0, 0), (0, 2), (2, 0)] {
        let nodes = Nodes::with(|setup| {
            setup.rule("{ path: /staff/**, allow: { role: staff } }");
        });
        let (a, b) = (&nodes.a, &nodes.b);
        a.advance(Duration::from_secs(ahead_a));
        b.advance(Duration::from_secs(ahead_b));
        let admin = a.person("admin");
        let person = a.person("staff");
        // Made by the node whose clock may be ahead, in the last moment.
        let (here, there) = (a.sign_in(&person.email), b.sign_in(&person.email));
        for (app, token) in [(a, &here), (a, &there), (b, &here), (b, &there)] {
            assert_eq!(asks(app, token, "/staff/x").status, 200);
        }
        strip(a, &admin, &person);
        for token in [&here, &there] {
            for app in [a, b] {
                until("the old role is gone", || (asks(app, token, "/staff/x").status == 401).then_some(()));
            }
        }
        for app in [a, b] {
            let fresh = app.post_json("/token/refresh/", "", &json!({ "refresh": there.refresh }));
            let fresh = fresh.json();
            let token = fresh["access"].as_str().unwrap_or_else(|| panic!("no token: {fresh}"));
            for app in [a, b] {
                let status =
                    |path: &str| app.ask(get(path, &format!("Authorization: Bearer {token}\r\n"))).status;
                assert_eq!(
                    (status("/api/x"), status("/staff/x")),
                    (200, 403),
                    "good at once, without the role"
                );
            }
        }
        let (here, there) = (a.sign_in(&person.email), b.sign_in(&person.email));
        let path = format!("/admin/users/{}/deactivate/", person.id);
        assert_eq!(call(a, "POST", &path, &admin, &json!({})).status, 200);
        for ended in [&here, &there] {
            assert_ended([a, b], ended, "switched off");
        }
    }
}

#[test]
fn a_node_that_starts_knows_what_ended_before() {
    let server = PostgresServer::start();
    let a = node(&server.url(), None, |_| {});
    let person = a.person("user");
    sign_out(&a, &person);
    let b = node(&server.url(), Some(&a), |_| {});
    assert_eq!(asks(&b, &person, "/api/x").status, 401, "with its first request");
}
