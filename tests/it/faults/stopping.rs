//! SIGTERM while requests are under way (5.13): nobody who was let in goes without an answer.

use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, SystemClock};

use super::lone::{Lone, echoes};
use crate::flows_process::eventually;
use crate::support::h2::{H2, fields};
use crate::support::{RawClient, until};

const SHORT: usize = 130;
const LONG: usize = 40;
const STREAMS: usize = 30;
/// What a stop may take beyond its grace period.
const BEYOND: Duration = Duration::from_secs(5);

#[test]
fn case_5_13_a_stop_finishes_what_is_under_way() {
    let lone = Lone::start("  drain_delay: 3s\n  grace: 20s");
    let (node, clock) = (&lone.node, SystemClock::new());
    let mut kept: Vec<RawClient> = (0..10).map(|_| lone.keep()).collect();
    let mut websocket = lone.websocket();
    let before = lone.upstream.count();
    let short: Vec<_> = (0..SHORT).map(|n| lone.send(&format!("/api/slow/{n}"))).collect();
    let long: Vec<_> = (0..LONG).map(|n| lone.send(&format!("/api/slowest/{n}"))).collect();
    let mut h2 = H2::over(RawClient::connect(node.public()), 1 << 20);
    h2.patience(Duration::from_secs(30));
    let bearer = format!("Bearer {}", lone.tokens.access);
    let streams: Vec<u32> = (0..STREAMS)
        .map(|_| h2.open(&fields("/api/slowest/h2", &[("authorization", bearer.as_bytes())]), true))
        .collect();
    let all = SHORT + LONG + STREAMS;
    until("all under way", || (lone.upstream.count() >= before + all).then_some(()));

    let told = clock.monotonic();
    node.signal("TERM");
    eventually("readiness says so first", || (!node.is_ready()).then_some(()));
    assert!(!node.log().contains("finishing requests in flight"), "and nothing else has changed");
    assert!(lone.keep().is_open_and_quiet(), "who comes now is served, and the connection kept");
    eventually("the end begins", || node.log().contains("finishing requests in flight").then_some(()));
    // All before the first is read: they are let go a second later.
    kept.iter_mut().take(5).for_each(|client| lone.ask_further(client));
    let last_call = kept.iter_mut().take(5).filter_map(|client| client.answer().ok());
    let closing = last_call.map(|a| (a.status, a.field("connection") == Some("close"))).collect::<Vec<_>>();
    assert_eq!(closing, [(200, true); 5], "who asks once more is answered, and told");
    eventually("nobody is let in", || RawClient::try_connect(node.public()).is_err().then_some(()));

    assert_eq!(h2.told_to_leave(), 0, "GOAWAY");
    h2.ends_of(&streams);
    let answers = short.into_iter().chain(long).map(|mut client| client.answer().expect("an answer"));
    let answers: Vec<_> = answers.map(|a| (a.status, a.field("connection").map(str::to_owned))).collect();
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let told_so = answers.iter().filter(|(_, c)| c.as_deref() == Some("close")).count();
    assert!(told_so >= LONG, "those that come after the end has begun say that it is the end: {told_so}");
    assert!(kept.iter_mut().all(RawClient::is_closed), "idle connections are closed");

    assert!(echoes(&mut websocket), "a conversation goes on");
    assert!(node.is_running());
    drop(websocket);
    assert_eq!(node.exit_code(), Some(0));
    let took = clock.monotonic().saturating_sub(told);
    assert!(took < Duration::from_secs(20) + BEYOND, "{took:?}");
    println!(
        "{}",
        json!({
            "fault": "5.13 SIGTERM with requests under way", "lasted_ms": took.as_millis(), "violations": 0,
            "honest_ok_pct": 100.0, "in_flight": all, "failed": 0,
        })
    );
}

#[test]
fn case_5_13_what_the_system_has_let_in_is_answered_before_the_listener_closes() {
    let lone = Lone::start("  grace: 10s");
    // While it stands still the system goes on accepting for it; then everything comes at once.
    lone.node.signal("STOP");
    let waiting: Vec<RawClient> = (0..60).map(|n| lone.send(&format!("/api/waiting/{n}"))).collect();
    lone.node.signal("TERM");
    lone.node.signal("CONT");
    let answers: Vec<_> = waiting.into_iter().map(|mut c| c.answer().map(|a| a.status)).collect();
    assert_eq!(answers, vec![Ok(200); 60]);
    assert_eq!(lone.node.exit_code(), Some(0));
}

#[test]
fn case_5_13_the_grace_period_ends_and_a_second_signal_ends_it_at_once() {
    let clock = SystemClock::new();
    let lone = Lone::start("  grace: 1s");
    let mut open = lone.websocket();
    assert!(echoes(&mut open));
    let told = clock.monotonic();
    lone.node.signal("TERM");
    assert_eq!(lone.node.exit_code(), Some(0));
    let took = clock.monotonic().saturating_sub(told);
    assert!(took < Duration::from_secs(1) + BEYOND, "{took:?}");

    for (delay, what) in [("0s", "in the grace period"), ("10m", "in the delay before it")] {
        let lone = Lone::start(&format!("  grace: 10m\n  drain_delay: {delay}"));
        let mut open = lone.websocket();
        assert!(echoes(&mut open));
        lone.node.signal("TERM");
        eventually("it stops", || lone.node.log().contains("stopping: readiness").then_some(()));
        lone.node.signal("TERM");
        let told = clock.monotonic();
        assert_eq!(lone.node.exit_code(), Some(0), "{what}");
        assert!(clock.monotonic().saturating_sub(told) < BEYOND, "{what}");
    }
}
