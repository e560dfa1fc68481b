//! A node that does not hear of ends (5.1, 5.4, 5.6): what asks for more than a sign-in waits, the rest goes on, and what
//! ended meanwhile is known before anything passes again.

use std::time::Duration;

use crate::feed_stage::{Nodes, asks, call, sign_out};
use crate::support::fault_proxy::Mode;
use crate::support::flow::{Flow, Kind, endless};
use crate::support::{Answer, Browser, TestApp, until};

/// Longer than what was heard is relied on.
const DEAF: Duration = Duration::from_secs(6);

/// Longer than the row of an end is kept.
const FORGOTTEN: Duration = Duration::from_secs(900);

fn reason(answer: &Answer) -> String {
    answer.json()["reason"].as_str().unwrap_or_default().to_owned()
}

/// 503 with a time to come back, for a program and for a person.
fn assert_waits(app: &TestApp, answer: &Answer) {
    assert_eq!((answer.status, reason(answer).as_str()), (503, "revocation_unknown"), "{}", answer.text());
    assert!(answer.field("retry-after").is_some_and(|s| s.parse::<u32>().is_ok_and(|s| s > 0)));
    assert!(answer.all("set-cookie").is_empty() && answer.field("www-authenticate").is_none());
    assert!(app.metric("stagedoor_denials_total", "reason=\"revocation_unknown\"") > 0);
}

#[test]
fn case_5_1_case_5_6_a_node_cut_off_lets_only_harmless_requests_pass_and_catches_up_first() {
    for mode in [Mode::Refuse, Mode::Blackhole] {
        let nodes = Nodes::start();
        let (a, b) = (&nodes.a, &nodes.b);
        let (admin, user, leaver) = (a.person("admin"), a.person("user"), a.person("admin"));
        let strong = a.with_mfa(&user);
        let mut browser = Browser::of(b, &admin);
        assert_eq!((asks(b, &leaver, "/admin/x").status, browser.visit("/admin/x").status), (200, 200));
        nodes.way.set(mode.clone());
        sign_out(a, &leaver);
        nodes.advance(DEAF);
        assert_waits(b, &asks(b, &admin, "/admin/x"));
        assert_waits(b, &asks(b, &leaver, "/admin/x"));
        assert_waits(b, &asks(b, &strong, "/mfa/x"));
        let page = browser.visit("/admin/x");
        assert_eq!(page.status, 503);
        assert!(page.text().contains("You are still signed in"), "{}", page.text());
        for person in [&user, &admin] {
            assert_eq!(asks(b, person, "/api/x").status, 200, "the rest goes on");
        }
        assert_eq!(asks(b, &leaver, "/auth/me/").status, 200, "what the token says");
        assert_eq!(asks(b, &user, "/admin/x").status, 403, "who may not is told so as ever");
        assert_eq!(
            call(b, "GET", "/profile/", &user, &serde_json::json!({})).status,
            503,
            "our own API needs the database"
        );
        until("the metric says so", || {
            (b.metric("stagedoor_revocation_feed_current", "") == 0).then_some(())
        });
        // Its clock was moved as well: it looks once before it knows again.
        until("the other node goes on", || (asks(a, &admin, "/admin/x").status == 200).then_some(()));
        assert_eq!(asks(a, &leaver, "/admin/x").status, 401);

        nodes.way.set(Mode::Pass);
        until("it catches up", || {
            let good = asks(b, &admin, "/admin/x").status;
            let ended = asks(b, &leaver, "/admin/x").status;
            // The second was asked later, so it may not be let in even then.
            assert!(matches!((good, ended), (503, 503 | 401) | (200, 401)), "{mode:?}: {good} {ended}");
            (good == 200).then_some(())
        });
        assert_eq!(asks(b, &leaver, "/api/x").status, 401);
    }
}

#[test]
fn case_5_6_without_the_database_both_nodes_wait_where_it_matters_and_come_back_by_themselves() {
    let nodes = Nodes::start();
    let (a, b) = (&nodes.a, &nodes.b);
    let admin = a.person("admin");
    nodes.server.stop_at_once();
    nodes.advance(DEAF);
    for app in [a, b] {
        until("it notices", || (asks(app, &admin, "/admin/x").status == 503).then_some(()));
        assert_waits(app, &asks(app, &admin, "/admin/x"));
        assert_eq!(asks(app, &admin, "/api/x").status, 200);
    }
    nodes.server.start_again();
    for app in [a, b] {
        until("it comes back", || (asks(app, &admin, "/admin/x").status == 200).then_some(()));
        until("and says so", || (app.metric("stagedoor_revocation_feed_current", "") == 1).then_some(()));
    }
}

#[test]
fn case_5_1_a_route_says_otherwise_and_a_public_page_is_shown_to_nobody_in_particular() {
    let nodes = Nodes::with(|setup| {
        setup.route("{ path: /public/strict/**, upstream: app, on_revocation_unknown: deny }");
        setup.route("{ path: /api/strict/**, upstream: app, on_revocation_unknown: deny }");
        setup.route("{ path: /admin/lax/**, upstream: app, on_revocation_unknown: grace }");
    });
    let (a, b) = (&nodes.a, &nodes.b);
    let admin = a.person("admin");
    let seen = |path: &str| {
        assert_eq!(asks(b, &admin, path).status, 200, "{path}");
        b.upstream().last().field("x-auth-user-id")
    };
    let id = Some(admin.id.to_string());
    assert_eq!(
        (seen("/public/strict/x"), seen("/public/x"), seen("/api/strict/x")),
        (id.clone(), id.clone(), id.clone())
    );
    nodes.way.set(Mode::Refuse);
    nodes.advance(DEAF);
    assert_waits(b, &asks(b, &admin, "/api/strict/x"));
    assert_eq!(seen("/admin/lax/x"), id);
    assert_eq!(seen("/public/x"), id, "a rule for everybody lets pass what may be good");
    assert_eq!(seen("/public/strict/x"), None, "as nobody's");
    for strict in ["/public/strict/x", "/public/x"] {
        assert_eq!(b.ask(crate::support::get(strict, "")).status, 200, "nobody is asked to wait for nothing");
    }
}

fn knows_again(app: &TestApp) {
    until("it knows again", || (app.metric("stagedoor_revocation_feed_current", "") == 1).then_some(()));
}

#[test]
fn j_19_case_5_1_a_stream_does_not_outlive_an_end_that_was_forgotten_before_the_node_came_back() {
    let nodes = Nodes::start();
    let (a, b) = (&nodes.a, &nodes.b);
    endless(b, "/public");
    let (leaver, other) = (a.person("user"), a.person("user"));
    let mut open = Flow::open(b, Kind::WebSocket, "/api", Some(&leaver));
    let mut nobodys = Flow::open(b, Kind::Events, "/public", None);

    let cut_off_for = |time: Duration| {
        nodes.way.set(Mode::Refuse);
        nodes.advance(time);
        until("it notices", || (b.metric("stagedoor_revocation_feed_current", "") == 0).then_some(()));
    };
    cut_off_for(FORGOTTEN / 3);
    nodes.way.set(Mode::Pass);
    knows_again(b);
    std::thread::sleep(Duration::from_secs(1));
    open.assert_goes_on();

    nodes.way.set(Mode::Refuse);
    sign_out(a, &leaver);
    cut_off_for(FORGOTTEN);
    open.assert_goes_on();
    nodes.way.set(Mode::Pass);
    open.assert_is_cut(b);
    assert_eq!(b.metric("stagedoor_streams_cut_total", "stream_revoked"), 1);
    nobodys.assert_goes_on();

    knows_again(b);
    let (here, there) = (b.sign_in(&other.email), b.sign_in(&other.email));
    let mut stays = Flow::open(b, Kind::WebSocket, "/api", Some(&here));
    let mut goes = Flow::open(b, Kind::WebSocket, "/api", Some(&there));
    sign_out(b, &there);
    goes.assert_is_cut(b);
    stays.assert_goes_on();
}
