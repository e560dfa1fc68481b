//! Several servers behind one name: who gets a request, who is left out, what is tried again, and how many may be under
//! way.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::flows_process::Ports;
use crate::support::h2::{self, H2};
use crate::support::{Next, RawClient, Setup, TestApp, Upstream, get, request, until};

/// A gateway whose `/public/pool/**` goes to these servers.
fn pool(servers: &[SocketAddr], more: &str) -> TestApp {
    pool_with(servers, more, |_| {})
}

fn pool_with(servers: &[SocketAddr], more: &str, choose: impl Fn(&mut Setup)) -> TestApp {
    let list: Vec<String> = servers.iter().map(|s| format!("\"http://{s}\"")).collect();
    let yaml = format!("{{ servers: [{}]{more} }}", list.join(", "));
    TestApp::with(|setup| {
        setup.upstream("pool", &yaml);
        setup.route("{ path: /public/pool/**, upstream: pool }");
        setup.route("{ path: /api/pool/**, upstream: pool }");
        choose(setup);
    })
    .with_other_upstreams()
}

/// Waits until nothing is under way any more.
fn all_free(app: &TestApp, upstream: &str) {
    until("the places to be free", || (in_flight(app, upstream) == 0).then_some(()));
}

fn in_flight(app: &TestApp, upstream: &str) -> usize {
    app.metric("stagedoor_upstream_in_flight", upstream)
}

#[test]
fn servers_take_turns() {
    let servers = [Upstream::start(), Upstream::start()];
    let app = pool(&[servers[0].address(), servers[1].address()], "");
    for _ in 0..10 {
        assert_eq!(app.ask(get("/public/pool/x", "")).status, 200);
    }
    assert_eq!((servers[0].count(), servers[1].count()), (5, 5));
    all_free(&app, "pool");
}

#[test]
fn a_person_stays_with_one_server() {
    let servers = [Upstream::start(), Upstream::start(), Upstream::start()];
    let addresses: Vec<_> = servers.iter().map(Upstream::address).collect();
    let app = pool(&addresses, ", balance: user_hash");
    let mut homes = BTreeSet::new();
    for _ in 0..12 {
        let person = app.person("user");
        let before: Vec<_> = servers.iter().map(Upstream::count).collect();
        for _ in 0..4 {
            assert_eq!(app.ask(get("/api/pool/x", &person.bearer())).status, 200);
        }
        let came: Vec<_> = servers.iter().zip(&before).map(|(s, b)| s.count() - b).collect();
        homes.insert(came.iter().position(|n| *n == 4).unwrap_or_else(|| panic!("spread: {came:?}")));
    }
    assert!(homes.len() > 1, "all on one server");
}

#[test]
fn the_idlest_server_is_asked() {
    let servers = [Upstream::start(), Upstream::start()];
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    for server in &servers {
        let held = held.clone();
        server.script("/public/pool/hold", move |_, stream| {
            let _ = held.lock().unwrap().recv_timeout(Duration::from_secs(8));
            let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            Next::KeepAlive
        });
    }
    let app = pool(&[servers[0].address(), servers[1].address()], ", balance: least_requests");
    let mut waiting = app.connect();
    waiting.send(get("/public/pool/hold", ""));
    until("the request to arrive", || (servers[0].count() + servers[1].count() == 1).then_some(()));
    let (busy, idle) =
        if servers[0].count() == 1 { (&servers[0], &servers[1]) } else { (&servers[1], &servers[0]) };
    // On one connection a request begins when the one before it has ended in every respect.
    let mut client = app.connect();
    for _ in 0..6 {
        client.send(get("/public/pool/x", ""));
        assert_eq!(client.answer().map(|a| a.status), Ok(200));
    }
    assert_eq!((busy.count(), idle.count()), (1, 6));
    drop(release);
    assert_eq!(waiting.answer().map(|a| a.status), Ok(200));
}

/// A connection that was refused has carried nothing, so any request may go to another server; and for a moment it is
/// not tried again.
#[test]
fn case_5_17_a_server_that_refuses_is_left_out() {
    let well = Upstream::start();
    let nobody = Ports::lease(1);
    // The clock stands still, so the server that is left out stays out.
    let app = pool_with(&[nobody.address(0), well.address()], "", |setup| {
        setup.manual_clock();
    });
    for n in 0..20 {
        let bytes =
            if n % 2 == 0 { get("/public/pool/x", "") } else { request("POST", "/public/pool/x", "", b"n") };
        assert_eq!(app.ask(bytes).status, 200);
    }
    assert_eq!(well.count(), 20);
    assert_eq!(app.metric("stagedoor_upstream_retries_total", "pool"), 1, "one try found it out");
    assert_eq!(app.metric("stagedoor_upstream_errors_total", "kind=\"connect\",upstream=\"pool\""), 1);
}

#[test]
fn case_5_17_nobody_there_is_a_fast_502() {
    let nobody = Ports::lease(2);
    let app = pool(&[nobody.address(0), nobody.address(1)], "");
    for _ in 0..5 {
        let mut client = app.connect();
        let answer = client.send(get("/public/pool/x", "")).answer().expect("an answer");
        assert_eq!((answer.status, &answer.json()["reason"]), (502, &"upstream_down".into()));
    }
    assert_eq!(app.ask(get("/public/x", "")).status, 200, "others are not hurt");
    all_free(&app, "pool");
}

/// A connection that breaks off before the answer: an idempotent request goes to another server, a POST to none.
#[test]
fn case_5_20_only_harmless_requests_are_tried_again() {
    let (bad, good) = (Upstream::start(), Upstream::start());
    bad.script("/", |_, _| Next::Close);
    let app = pool(&[bad.address(), good.address()], "");
    for _ in 0..4 {
        assert_eq!(app.ask(get("/public/pool/x", "")).status, 200);
        assert_eq!(app.ask(request("PUT", "/public/pool/x", "", b"same")).status, 200);
    }
    assert_eq!(good.last().body, b"same", "the body is sent again, too");
    let (before_bad, before_good) = (bad.count(), good.count());
    let statuses: Vec<u16> =
        (0..8).map(|_| app.ask(request("POST", "/public/pool/x", "", b"once")).status).collect();
    let (failed, done) = (bad.count() - before_bad, good.count() - before_good);
    assert_eq!((failed + done, done), (8, statuses.iter().filter(|s| **s == 200).count()), "{statuses:?}");
    assert!(failed > 0 && statuses.iter().all(|s| matches!(s, 200 | 502)), "{statuses:?}");
}

/// The server closes idle connections just when a POST is on its way: it may fail, but is never carried out twice.
#[test]
fn case_5_20_a_post_is_never_sent_twice() {
    const TRIALS: usize = 10_000;
    let app = TestApp::start();
    app.upstream().script("/public/once", |request, stream| {
        if request.in_connection > 0 && request.connection % 2 == 0 {
            return Next::Close;
        }
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        // Every other connection is closed behind an answer that promised to keep it.
        if request.connection % 4 == 1 { Next::Close } else { Next::KeepAlive }
    });
    let mut client = app.connect();
    let mut answered = 0;
    for n in 0..TRIALS {
        client.send(request("POST", "/public/once", "", n.to_string().as_bytes()));
        match client.answer() {
            Ok(answer) if answer.status == 200 => answered += 1,
            Ok(answer) => {
                assert_eq!(answer.status, 502);
                client = app.connect();
            }
            Err(_) => client = app.connect(),
        }
    }
    let mut bodies: Vec<_> = app.upstream().since(0).into_iter().map(|r| r.body).collect();
    let all = bodies.len();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), all, "a POST came twice");
    assert!(all <= TRIALS && answered > 0 && answered < all, "{answered} of {all} were answered");
    app.expect_unanswered(all - answered);
}

/// One upstream that hangs takes its own places only, and says so at once.
#[test]
fn case_5_18_a_full_upstream_refuses_at_once() {
    let slow = Upstream::start();
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    slow.script("/public/pool/hold", move |_, stream| {
        let _ = held.lock().unwrap().recv_timeout(Duration::from_secs(8));
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Next::KeepAlive
    });
    let app = pool(&[slow.address()], ", max_in_flight: 2");
    let mut waiting = [app.connect(), app.connect()];
    for client in &mut waiting {
        client.send(get("/public/pool/hold", ""));
    }
    until("both to be under way", || (slow.count() == 2 && in_flight(&app, "pool") == 2).then_some(()));
    let mut client = app.connect();
    let answer = client.send(get("/public/pool/x", "")).answer().expect("an answer");
    assert_eq!((answer.status, &answer.json()["reason"]), (503, &"upstream_busy".into()));
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(app.metric("stagedoor_upstream_errors_total", "kind=\"busy\""), 1);
    assert_eq!(app.ask(get("/auth/login/", "")).status, 200);
    assert_eq!(app.ask(get("/public/x", "")).status, 200);
    assert_eq!(slow.count(), 2);
    drop(release);
    for client in &mut waiting {
        assert_eq!(client.answer().map(|a| a.status), Ok(200));
    }
    all_free(&app, "pool");
    assert_eq!(app.ask(get("/public/pool/x", "")).status, 200);
}

#[test]
fn case_5_21_a_client_that_leaves_takes_its_request_along() {
    let slow = Upstream::start();
    let (gone, seen) = mpsc::channel::<bool>();
    slow.script("/public/pool/hold", move |_, stream| {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(8)));
        // The gateway closes the connection: reading ends.
        let ended = matches!(std::io::Read::read(stream, &mut [0]), Ok(0));
        let _ = gone.send(ended);
        Next::Close
    });
    slow.script("/public/pool/stream", |_, stream| {
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while std::io::Write::write_all(stream, b"4\r\nmore\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Next::Close
    });
    let app = pool(&[slow.address()], "");
    let free = || all_free(&app, "pool");
    // Before the answer, during the upload, during the download, and one stream of an HTTP/2 connection.
    let mut client = app.connect();
    client.send(get("/public/pool/hold", ""));
    until("it to arrive", || (in_flight(&app, "pool") == 1).then_some(()));
    client.abort();
    assert_eq!(seen.recv_timeout(Duration::from_secs(5)), Ok(true), "the upstream is told");
    free();
    let mut client = app.connect();
    client.send("POST /public/pool/up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf");
    until("it to arrive", || (in_flight(&app, "pool") == 1).then_some(()));
    client.abort();
    free();
    let mut client = app.connect();
    client.send(get("/public/pool/stream", ""));
    client.through(b"more").expect("it has begun");
    client.abort();
    free();
    let mut connection = H2::connect(&app);
    let stream = connection.open(&h2::fields("/public/pool/hold", &[]), true);
    until("it to arrive", || (in_flight(&app, "pool") == 1).then_some(()));
    connection.reset(stream);
    assert_eq!(seen.recv_timeout(Duration::from_secs(5)), Ok(true), "the upstream is told");
    free();
    assert!(slow.since(0).iter().all(|r| r.path() != "/public/pool/up" || !r.complete));
}

#[test]
fn a_health_check_decides_who_is_asked() {
    let servers = [Upstream::start(), Upstream::start()];
    servers[0].canned("/healthz", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let app =
        pool(&[servers[0].address(), servers[1].address()], ", health: { path: /healthz, interval: 1s }");
    let asked = |n: usize| servers[n].since(0).iter().filter(|r| r.path() == "/public/pool/x").count();
    until("the sick server to be found", || {
        let before = asked(0);
        (0..4).for_each(|_| assert_eq!(app.ask(get("/public/pool/x", "")).status, 200));
        (asked(0) == before).then_some(())
    });
    servers[0].canned("/healthz", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let before = asked(0);
    until("it to be asked again", || {
        assert_eq!(app.ask(get("/public/pool/x", "")).status, 200);
        (asked(0) > before).then_some(())
    });
}

/// 5.30: a name without an address keeps nobody else from being served.
#[test]
fn case_5_30_an_unknown_name_is_a_502_of_its_own() {
    let app = TestApp::with(|setup| {
        setup.upstream("lost", "{ servers: [\"http://nowhere.invalid:3000\"] }");
        setup.route("{ path: /public/lost/**, upstream: lost }");
    });
    let answer = app.ask(get("/public/lost/x", ""));
    assert_eq!((answer.status, &answer.json()["reason"]), (502, &"upstream_down".into()));
    assert_eq!(app.ask(get("/public/x", "")).status, 200);
    all_free(&app, "lost");
}

#[test]
fn names_are_resolved() {
    let server = Upstream::start();
    let yaml =
        format!("{{ servers: [\"http://localhost:{}\"], resolve_every: 1s }}", server.address().port());
    let app = TestApp::with(|setup| {
        setup.upstream("named", &yaml);
        setup.route("{ path: /public/named/**, upstream: named }");
    })
    .with_other_upstreams();
    for _ in 0..3 {
        // `localhost` may also be `::1`, where nobody listens.
        assert_eq!(app.ask(get("/public/named/x", "")).status, 200);
    }
    let mut client: RawClient = app.connect();
    client.send(get("/public/named/x", ""));
    assert_eq!(client.answer().map(|a| a.status), Ok(200));
}
