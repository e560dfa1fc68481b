//! What very many clients take from one gateway: idle connections and slow heads (5.24), heads that are far too large
//! (5.25), a flood of sign-ins (5.26), and all the files it may open (5.32). At full size: `benches/idle`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};
use stagedoor::model::{Clock as _, SystemClock};

use super::row::{print, violations};
use super::sqlite::House;
use super::stage::{ask, email};
use crate::flows_process::eventually;
use crate::support::crowd::{Crowd, Habit, kept_alive};
use crate::support::exchange::{Reply, bytes, exchange};
use crate::support::{Class, Load, Next, Node, PASSWORD, Report, until};

/// How long the load runs before and during each fault.
const CALM: Duration = Duration::from_secs(2);
/// A page of our own that costs nothing.
const KEYS: &str = "/auth/.well-known/jwks.json";
const OPEN: &str = "stagedoor_connections_open";
const SHED: &str = "stagedoor_connections_shed_total";

/// Four honest people at work.
fn load(house: &House) -> Load {
    let people: Vec<_> = (0..4).map(|_| (email(0), house.sign_in().expect("signed in"))).collect();
    let load = Load::start(vec![house.node.public()], people, Vec::new());
    load.run_for(CALM);
    load
}

fn millis(time: Duration) -> Value {
    json!(time.as_millis())
}

/// The load ends: nothing forbidden has passed, nobody got anything but an answer or a "later", and the process is well.
fn finish(
    name: &str,
    house: &House,
    load: Load,
    times: (Duration, Duration),
    more: Map<String, Value>,
) -> Report {
    eventually("all is well again", || {
        let report = load.report();
        report.is_well_since(times.1 + report.well_after(times.1), 1).then_some(())
    });
    let (report, _) = load.finish();
    let violations = violations(&report, &house.upstream);
    print(name, &report, times, violations.len(), more);
    assert_eq!(violations, Vec::<String>::new());
    assert_eq!(report.wrong(), Vec::<String>::new());
    let pages = report.good_percent(Class::Proxied);
    assert!((pages - 100.0).abs() < 0.01, "pages go on: {pages} %");
    house.node.assert_sound(&[("a password", PASSWORD.to_owned())]);
    report
}

fn p99(load: &Load) -> Duration {
    load.report().within(Class::Proxied, 99)
}

#[test]
fn case_5_24_idle_connections_and_slow_heads() {
    let house = House::with("  limits: { connections: 1250 }\n", "", Node::new);
    house.node.start();
    let load = load(&house);
    let (calm, empty, injected) = (p99(&load), house.node.memory(), load.now());
    let idle = Crowd::gather(house.node.public(), 1000, &Habit::Idle(kept_alive(KEYS)));
    idle.await_here(1000);
    let each = house.node.memory().saturating_sub(empty) / 1000;
    load.run_for(CALM);
    // One byte of a head every half second; and more of them than there are places.
    let head = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec();
    let slow = Crowd::gather(
        house.node.public(),
        400,
        &Habit::Trickle(Vec::new(), head, Duration::from_millis(500)),
    );
    slow.await_here(380);
    load.run_for(CALM);
    assert!(house.node.metric(SHED, "") >= 100.0, "who waits for longest makes room");
    assert!(house.node.metric(OPEN, "") <= 1260.0, "no more than there are places");
    let healed = load.now();
    drop((idle, slow));
    eventually("all have gone", || (house.node.metric(OPEN, "") < 100.0).then_some(()));
    let more = Map::from_iter([
        ("p99_before_ms".to_owned(), millis(calm)),
        ("bytes_per_idle_connection".to_owned(), json!(each)),
    ]);
    finish("5.24 1,000 idle, 400 slow heads, 1,250 places", &house, load, (injected, healed), more);
    // The goal is 32 KiB; a debug build has larger states.
    assert!(each <= 64 << 10, "{each} bytes for an idle connection");
}

#[test]
fn case_5_25_heads_that_are_far_too_large() {
    const CLIENTS: usize = 400;
    /// Each of them: a head up to its limit, what is read of it at once, and the little around it.
    const EACH: u64 = 128 << 10;
    let house = House::with("", "", Node::new);
    house.node.start();
    let load = load(&house);
    let (before, injected) = (house.node.memory(), load.now());
    let line =
        |n: usize| format!("GET /api/x HTTP/1.1\r\nHost: localhost\r\nX: {}", "a".repeat(n)).into_bytes();
    let public = house.node.public();
    let crowds = [
        Crowd::gather(public, CLIENTS, &Habit::Pour(line(1 << 20))),
        // Just below the limit, and never complete: as much as can be held.
        Crowd::gather(public, CLIENTS, &Habit::Trickle(Vec::new(), line(32_000), Duration::from_secs(3600))),
    ];
    let mut most = 0;
    eventually("some rounds of it", || {
        most = most.max(house.node.memory());
        (crowds[0].ended() >= 3 * CLIENTS).then_some(())
    });
    load.run_for(CALM);
    most = most.max(house.node.memory()).saturating_sub(before);
    let healed = load.now();
    drop(crowds);
    let lines = house.node.log().lines().filter(|l| l.contains("head_too_large")).count();
    let said = house.node.metric("stagedoor_denials_total", "head_too_large");
    let more = Map::from_iter([
        ("memory_grew_kb".to_owned(), json!(most / 1024)),
        ("refused".to_owned(), json!(said)),
        ("lines_about_them".to_owned(), json!(lines)),
    ]);
    let lasted = healed.saturating_sub(injected).as_secs() + 2;
    finish("5.25 heads of 1 MiB on 400 connections", &house, load, (injected, healed), more);
    assert!(most < 2 * CLIENTS as u64 * EACH, "{most} bytes more");
    // D-11: twenty lines a second about one reason, and one that says how many more there were.
    assert!(said >= 1000.0, "all are counted: {said}");
    assert!(lines as u64 <= 21 * lasted, "{lines} lines in {lasted} s");
}

/// What a flood has been told.
#[derive(Default)]
struct Told {
    refused: AtomicUsize,
    later: AtomicUsize,
    else_: AtomicUsize,
    over: AtomicBool,
}

impl Told {
    fn hear(&self, reply: &Reply) {
        let counter = match reply.status {
            401 => &self.refused,
            503 if reply.says_later() => &self.later,
            _ => &self.else_,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn case_5_26_a_flood_of_sign_ins() {
    const MEMORY: u64 = 46 << 20;
    let password = "password: { argon2: { memory: 46MiB, iterations: 2, workers: 1, queue: 4 } }";
    let house = House::with("", password, Node::new);
    house.node.start();
    let load = load(&house);
    let (calm, before, injected) = (p99(&load), house.node.memory(), load.now());
    let told = Arc::new(Told::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    for n in 0..40 {
        let (told, to) = (told.clone(), house.node.public());
        runtime.spawn(async move {
            for turn in 0.. {
                if told.over.load(Ordering::SeqCst) {
                    return;
                }
                // People whom nobody knows cost as much as others (D-13), and there is no end of them.
                let body =
                    json!({ "email": format!("nobody{n}.{turn}@example.org"), "password": "Wrong-Horse-9!" });
                let request = bytes("POST", "/auth/token/", "", Some(&body));
                if let Ok(reply) = exchange(to, &request, Duration::from_secs(20)).await {
                    told.hear(&reply);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    let mut most = 0;
    until("a flood", || {
        load.run_for(Duration::from_millis(100));
        most = most.max(house.node.memory());
        (told.later.load(Ordering::SeqCst) >= 300).then_some(())
    });
    load.run_for(CALM);
    let healed = load.now();
    told.over.store(true, Ordering::SeqCst);
    runtime.shutdown_background();
    let count = |counter: &AtomicUsize| json!(counter.load(Ordering::SeqCst));
    let grew = most.saturating_sub(before);
    let more = Map::from_iter([
        ("p99_before_ms".to_owned(), millis(calm)),
        ("hashed".to_owned(), count(&told.refused)),
        ("told_later".to_owned(), count(&told.later)),
        ("memory_grew_kb".to_owned(), json!(grew / 1024)),
    ]);
    finish("5.26 40 people guess passwords at once", &house, load, (injected, healed), more);
    assert!(told.refused.load(Ordering::SeqCst) > 0, "nobody got through");
    assert_eq!(told.else_.load(Ordering::SeqCst), 0, "401, or 503 with Retry-After");
    // One hash at a time, whoever asks: its memory, and something for the connections.
    assert!(grew < MEMORY + (32 << 20), "{grew} bytes more");
}

#[test]
fn case_5_32_d_09_all_files_are_open() {
    let house = House::with("", "", |folder, name, config| Node::new(folder, name, config).with_files(256));
    house.node.start();
    assert!(house.node.log().contains("fewer connections than configured"), "{}", house.node.log());
    let (free, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (gate, count) = (free.clone(), held.clone());
    house.upstream.script("/api/hold", move |_, stream| {
        count.fetch_add(1, Ordering::SeqCst);
        while !gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nheld");
        Next::KeepAlive
    });
    let tokens = house.sign_in().expect("signed in");
    let (clock, before) = (SystemClock::new(), house.node.open_files());
    // Each takes two files: one towards the client, one towards the application.
    let bearer = format!("Authorization: Bearer {}\r\n", tokens.access);
    let request = kept_alive("/api/hold");
    let request = [&request[..request.len() - 2], bearer.as_bytes(), b"\r\n"].concat();
    let crowd = Crowd::gather(house.node.public(), 400, &Habit::Idle(request));
    eventually("nearly all files are open", || (house.node.open_files() >= 245).then_some(()));
    // It waits, and does not spin.
    let (began, cpu) = (clock.monotonic(), house.node.cpu());
    std::thread::sleep(Duration::from_secs(3));
    let spent = house.node.cpu() - cpu;
    let share = u128::from(spent) * 1000 / clock.monotonic().saturating_sub(began).as_millis().max(1);
    let most = held.load(Ordering::SeqCst);
    free.store(true, Ordering::SeqCst);
    drop(crowd);
    let healed = clock.monotonic();
    let page = bytes("GET", "/api/x", &bearer, None);
    eventually("well again", || ask(house.node.public(), &page).ok().filter(|r| r.status == 200));
    let recovered = clock.monotonic().saturating_sub(healed);
    eventually("files are closed again", || (house.node.open_files() <= before + 140).then_some(()));
    println!(
        "{}",
        json!({
            "fault": "5.32 256 files, 400 clients whose requests hang", "recover_ms": recovered.as_millis(),
            "violations": 0, "cpu_percent": share, "requests_held": most,
        })
    );
    assert!(share < 50, "{share} % of a processor");
    assert!(recovered <= Duration::from_secs(5), "{recovered:?}");
    house.node.assert_sound(&[("a password", PASSWORD.to_owned())]);
    assert!(house.sign_in().is_some(), "the store works");
}
