//! A new process in the place of the old one (5.14): the listeners handed over, and gateways restarted one after the
//! other behind a balancer. Nobody may notice either.

use serde_json::json;

use super::lone::{Lone, echoes};
use super::stage::{ask, email};
use super::{Plan, Stage};
use crate::flows_process::eventually;
use crate::support::exchange::bytes;
use crate::support::{Ask, Fared, Haproxy, RawClient, Steady, Tokens};

const SOCKET: &str = "  upgrade_socket: run/upgrade.sock\n  grace: 20s";

/// How often, and at how many requests a second: small in the suite, whole where the variable says so.
fn size() -> (usize, u32) {
    if std::env::var_os("STAGEDOOR_TEST_FULL").is_some() { (10, 500) } else { (3, 200) }
}

fn report(name: &str, times: usize, rate: u32, fared: &Fared) {
    println!(
        "{}",
        json!({
            "fault": name, "honest_ok_pct": if fared.failed.is_empty() { 100.0 } else { 0.0 }, "violations": 0,
            "p99_ms": fared.p99.as_millis(), "slowest_ms": fared.slowest.as_millis(), "requests": fared.good,
            "times": times, "rate": rate, "failed": fared.failed.len(), "sent_again": fared.again,
        })
    );
    assert_eq!(fared.failed, Vec::<String>::new(), "{name}");
    assert!(fared.good > times * 10, "{name}: {fared:?}");
}

/// INV-6: nobody without a token has reached the application.
fn assert_no_probe_passed(lone: &Lone) {
    assert!(lone.upstream.since(0).iter().all(|r| !r.path().contains("/probe")), "INV-6");
}

#[test]
fn case_5_14_the_listeners_are_handed_over_and_nobody_notices() {
    let (times, rate) = size();
    let lone = Lone::start(SOCKET);
    let load = Steady::start(lone.node.public(), rate, lone.asks());
    load.await_more(50);
    for turn in 0..times {
        let former = lone.node.upgrade();
        assert!(lone.node.is_ready(), "{turn}: the operators' listener as well");
        load.await_more(100);
        assert_eq!(former.exit_code(), Some(0), "{turn}: it ends by itself");
    }
    report("5.14 listeners handed over", times, rate, &load.finish());
    assert_no_probe_passed(&lone);
    lone.node.assert_sound(&[("a refresh token", lone.tokens.refresh.clone())]);
    lone.upstream.assert_readings_agree(false);
}

#[test]
fn case_5_14_what_the_old_process_has_open_goes_on_and_ends_when_it_must() {
    let lone = Lone::start(SOCKET);
    let mut slow = lone.send("/api/slower/x");
    let leaver = lone.sign_in();
    let (mut websocket, mut doomed) = (lone.websocket(), lone.websocket_of(&leaver));
    let second = lone.sign_in();
    let (head, last) = half_a_sign_out(&second);
    let mut half = RawClient::connect(lone.node.public());
    half.send(head);
    let former = lone.node.upgrade();
    assert!(echoes(&mut websocket) && echoes(&mut doomed), "conversations go on in the old process");
    former.signal("TERM");
    assert!(echoes(&mut websocket), "which knows already that it is to end");
    assert_eq!(slow.answer().map(|a| a.status), Ok(200));

    // Signed out at the old process, which has had half of the request: the new one has to hear of it.
    let other = format!("Authorization: Bearer {}\r\n", second.access);
    let hers = || ask(lone.node.public(), &bytes("GET", "/api/x", &other, None)).map(|r| r.status);
    assert_eq!(hers(), Ok(200));
    half.send(last);
    assert_eq!(half.answer().map(|a| a.status), Ok(204));
    eventually("INV-6: it is refused in the new process too", || (hers() == Ok(401)).then_some(()));

    // Signed out at the new process: the old one has to hear of it.
    let bearer = format!("Authorization: Bearer {}\r\n", leaver.access);
    let said = |request: &[u8]| ask(lone.node.public(), request).map(|r| r.status);
    let page = |path| said(&bytes("GET", path, &bearer, None));
    assert_eq!(page("/api/x"), Ok(200));
    let out = bytes("POST", "/auth/logout/", &bearer, Some(&json!({ "refresh": leaver.refresh })));
    assert_eq!(said(&out), Ok(204));
    assert_eq!(page("/api/x"), Ok(401), "at once where it was decided");
    eventually("INV-6: it is cut in the old process too", || (!echoes(&mut doomed)).then_some(()));
    assert!(echoes(&mut websocket), "and nobody else");
    drop(websocket);
    assert_eq!(former.exit_code(), Some(0));
    eventually("which is told", || lone.node.log().contains("the former process has ended").then_some(()));
    assert_eq!(page("/api/x"), Ok(401));
}

/// A sign-out without its last byte, and that.
fn half_a_sign_out(who: &Tokens) -> (Vec<u8>, Vec<u8>) {
    let bearer = format!("Authorization: Bearer {}\r\n", who.access);
    let mut all = bytes("POST", "/auth/logout/", &bearer, Some(&json!({ "refresh": who.refresh })));
    let last = all.split_off(all.len() - 1);
    (all, last)
}

#[test]
fn case_5_14_a_process_that_cannot_take_over_changes_nothing() {
    let lone = Lone::start(SOCKET);
    let good = std::fs::read_to_string(lone.node.file("yaml")).expect("the configuration");
    let refused = |text: &str, code, why: &str| {
        std::fs::write(lone.node.file("yaml"), text).expect("written");
        let done = lone.node.run(&["serve", "--upgrade"], "");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(said.contains(why), "{said}");
        drop(lone.keep());
    };
    let load = Steady::start(lone.node.public(), 100, lone.asks());
    refused(&good[..good.len() / 2], 2, "");
    refused(&good.replace("upstream: app", "upstream: gone"), 2, "gone");
    refused(&good.replace("  upgrade_socket: run/upgrade.sock\n", ""), 2, "upgrade_socket");
    // Another address for the operator that is taken: it fails between asking and taking over.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let admin = format!("admin_listen: 127.0.0.1:{}", lone.node.admin().port());
    refused(&good.replace(&admin, &format!("admin_listen: 127.0.0.1:{port}")), 2, "cannot listen");
    std::fs::write(lone.node.file("yaml"), &good).expect("written");
    assert!(lone.node.is_ready() && !lone.node.log().contains("another process has taken over"));
    let former = lone.node.upgrade();
    assert_eq!(former.exit_code(), Some(0), "and then it works");
    assert_eq!(load.finish().failed, Vec::<String>::new());
}

#[test]
fn case_5_14_without_a_process_to_take_over_from_it_begins_by_itself_and_says_so() {
    let lone = Lone::start(SOCKET);
    lone.node.kill();
    lone.node.start_anew();
    assert!(lone.node.log().contains("there is nobody to take over from"), "{}", lone.node.log());
    assert_eq!(lone.node.upgrade().exit_code(), Some(0), "the file that the dead one has left is replaced");
}

#[test]
fn case_5_14_gateways_restart_one_after_the_other_and_nobody_notices() {
    let (times, rate) = size();
    let plan = Plan { server: "  drain_delay: 1s\n".into(), ..Plan::default() };
    let stage = Stage::start(&plan);
    let balancer = Haproxy::start(&stage.nodes);
    stage.nodes.iter().for_each(|node| balancer.await_up(node, true));
    let tokens = stage.sign_in(&email(0), 0).expect("signed in");
    let load = Steady::start(balancer.address(), rate, asks(&tokens.access));
    load.await_more(50);
    for turn in 0..times {
        let node = &stage.nodes[turn % 2];
        node.signal("TERM");
        assert_eq!(node.exit_code(), Some(0));
        balancer.await_up(node, false);
        node.start();
        balancer.await_up(node, true);
        load.await_more(50);
    }
    report("5.14 rolling restart behind HAProxy", times, rate, &load.finish());
    stage.nodes.iter().for_each(|node| node.assert_sound(&stage.secrets()));
}

fn asks(access: &str) -> Vec<Ask> {
    let fields = format!("Authorization: Bearer {access}\r\n");
    let good = Ask { path: "/api/steady".into(), fields, status: 200 };
    let bad = Ask { path: "/api/probe".into(), fields: String::new(), status: 401 };
    vec![good.clone(), good.clone(), good.clone(), good, bad]
}
