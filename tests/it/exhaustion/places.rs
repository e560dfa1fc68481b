//! Connections that only sit there: they end in time, and when all places are taken they make room (D-01).

use std::time::Duration;

use crate::support::crowd::{Crowd, Habit, kept_alive};
use crate::support::h2::{H2, fields};
use crate::support::{RawClient, TestApp, get, until};

const OPEN: &str = "stagedoor_connections_open";
const SHED: &str = "stagedoor_connections_shed_total";

/// A gateway with so many places, all of which one address may take.
fn small(places: usize) -> TestApp {
    let app = TestApp::with(move |setup| {
        setup.tweak(move |settings| settings.proxy.limits.connections = places);
    });
    app.await_no_connection();
    app
}

/// Keeps a connection after one request.
fn idle(app: &TestApp) -> RawClient {
    let mut client = app.connect();
    client.send(get("/public/x", ""));
    assert_eq!(client.answer().map(|a| a.status), Ok(200));
    // It rests when its request has ended, and that is a moment after the answer.
    app.await_nothing_in_flight();
    client
}

#[test]
fn d_01_silent_and_trickling_connections_end_in_time_and_harm_nobody() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| {
            settings.proxy.limits.head_timeout = Duration::from_secs(1);
            settings.proxy.limits.idle_timeout = Duration::from_secs(2);
        });
    });
    let beat = Duration::from_millis(100);
    let trickle = |ask: Vec<u8>, first: &[u8], every| {
        Crowd::gather(app.address(), 50, &Habit::Trickle(ask, first.to_vec(), every))
    };
    let head = b"GET /public/x HTTP/1.1\r\nX: ";
    let crowds = [
        trickle(Vec::new(), b"", Duration::from_secs(3600)),
        trickle(Vec::new(), head, beat),
        // After a request that was answered, too: there the library itself has no time limit.
        trickle(kept_alive("/public/x"), head, beat),
        Crowd::gather(app.address(), 50, &Habit::Idle(kept_alive("/public/x"))),
    ];
    for crowd in &crowds {
        crowd.await_here(40);
    }
    until("each was thrown out once", || {
        assert_eq!(app.ask(get("/public/honest", "Connection: close\r\n")).status, 200);
        crowds.iter().all(|crowd| crowd.ended() >= 50).then_some(())
    });
    drop(crowds);
    app.await_no_connection();
    app.settle();
}

#[test]
fn d_01_the_longest_idle_makes_room() {
    let app = small(8);
    let mut held: Vec<RawClient> = (0..8).map(|_| idle(&app)).collect();
    // The first becomes the last.
    held[0].send(get("/public/x", ""));
    assert_eq!(held[0].answer().map(|a| a.status), Ok(200));
    let mut newcomers: Vec<RawClient> = (0..3).map(|_| idle(&app)).collect();
    assert_eq!(app.metric(SHED, ""), 3);
    for (n, client) in held.iter_mut().enumerate() {
        if (1..=3).contains(&n) {
            assert!(client.is_closed(), "{n}");
        } else {
            client.send(get("/public/x", ""));
            assert_eq!(client.answer().map(|a| a.status), Ok(200), "{n}");
        }
    }
    for client in &mut newcomers {
        client.send(get("/public/x", ""));
        assert_eq!(client.answer().map(|a| a.status), Ok(200));
    }
    until("eight are open", || (app.metric(OPEN, "") == 8).then_some(()));
}

#[test]
fn d_01_unfinished_heads_and_silent_http2_connections_make_room_as_well() {
    let app = small(3);
    let mut silent = app.connect();
    until("it is here", || (app.metric(OPEN, "") == 1).then_some(()));
    let mut half = app.connect();
    half.send("GET /public/x HTTP/1.1\r\nHos");
    until("it is here", || (app.metric(OPEN, "") == 2).then_some(()));
    let mut connection = H2::connect(&app);
    let stream = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(stream).status(), Some(200));
    app.await_nothing_in_flight();
    let _others: Vec<RawClient> = (0..3).map(|_| idle(&app)).collect();
    assert!(silent.is_closed() && half.is_closed());
    // With a word of farewell, so that its client tries elsewhere.
    assert_eq!(connection.told_to_leave(), 0, "NO_ERROR");
    assert_eq!(app.metric(SHED, ""), 3);
}

#[test]
fn d_01_a_request_under_way_is_not_cut_for_a_newcomer() {
    let app = small(2);
    let (tell, told) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    app.upstream().script("/public/hold", move |_, stream| {
        let _ = tell.send(());
        let _ = wait.lock().unwrap().recv();
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nheld");
        crate::support::Next::KeepAlive
    });
    let mut busy: Vec<RawClient> = (0..2).map(|_| app.connect()).collect();
    for client in &mut busy {
        client.send(get("/public/hold", ""));
        told.recv_timeout(Duration::from_secs(8)).expect("under way");
    }
    assert!(app.connect().is_closed(), "everybody is being served");
    assert_eq!(app.metric("stagedoor_denials_total", "gateway_full"), 1);
    assert_eq!(app.metric(SHED, ""), 0);
    go.send(()).expect("held");
    go.send(()).expect("held");
    for client in &mut busy {
        assert_eq!(client.answer().map(|a| a.text()), Ok("held".to_owned()));
    }
    // Whoever is done may be shown out again.
    let mut next = until("a place", || {
        let mut client = app.connect();
        client.send(get("/public/x", ""));
        client.answer().ok().map(|_| client)
    });
    next.send(get("/public/x", ""));
    assert_eq!(next.answer().map(|a| a.status), Ok(200));
}
