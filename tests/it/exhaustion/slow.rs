//! Bodies that come, and answers that are taken, one byte at a time (D-02).

use std::io::Write as _;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::memory;
use crate::support::flow::{Flow, Kind, endless};
use crate::support::h2::{self, End, H2, fields};
use crate::support::{Next, RawClient, TestApp, get, until};

const BEAT: Duration = Duration::from_millis(50);
const DENIED: &str = "stagedoor_denials_total";

/// A grace that a test can wait for; the time for the next bytes is as long as ever.
fn impatient() -> TestApp {
    TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.rate_grace = Duration::from_millis(400));
    })
}

/// An endless answer below this path; a message each time the upstream was let go.
fn endless_download(app: &TestApp, path: &str) -> Receiver<()> {
    let (gone, left) = channel();
    app.upstream().script(path, move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
        while stream.write_all(&[b'a'; 8192]).is_ok() {}
        let _ = gone.send(());
        Next::Close
    });
    left
}

/// The upstream has seen the beginning of a body, and its end was an end of the connection.
fn assert_upstream_is_free(app: &TestApp) {
    let cut = until("the upstream to notice", || app.upstream().since(0).pop());
    assert!(!cut.complete, "half a body was taken for a whole one");
    until("no request is under way", || {
        (app.metric("stagedoor_upstream_in_flight", "app") == 0).then_some(())
    });
}

/// Sends a byte now and then until there is an answer.
fn trickle(client: &mut RawClient, piece: &[u8]) -> Option<u16> {
    client.patience(BEAT);
    (0..100).find_map(|_| {
        let _ = client.try_send(piece);
        client.answer().ok().map(|answer| {
            assert_eq!(answer.json()["reason"], "body_too_slow");
            answer.status
        })
    })
}

#[test]
fn d_02_a_body_of_one_byte_at_a_time_is_answered_408() {
    for (framing, piece) in
        [("Content-Length: 1000", &b"a"[..]), ("Transfer-Encoding: chunked", b"1\r\na\r\n")]
    {
        let app = impatient();
        let mut client = app.connect();
        client.send(format!("POST /public/slow HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n"));
        assert_eq!(trickle(&mut client, piece), Some(408), "{framing}");
        client.patience(Duration::from_secs(8));
        assert!(client.is_closed(), "{framing}");
        assert_eq!(app.metric(DENIED, "body_too_slow"), 1);
        assert_upstream_is_free(&app);
    }
}

#[test]
fn d_02_the_same_on_http2_ends_the_stream() {
    let app = impatient();
    let mut connection = H2::connect(&app);
    let mut post = fields("/public/slow", &[]);
    post[0].1 = b"POST";
    let stream = connection.open(&post, false);
    for _ in 0..40 {
        connection.data(stream, b"a", false);
        std::thread::sleep(BEAT);
    }
    let end = connection.end_of(stream);
    assert!(matches!(end, End::Reset(_) | End::Answer(408, _)), "{end:?}");
    assert_eq!(app.metric(DENIED, "body_too_slow"), 1);
    assert_upstream_is_free(&app);
    // The connection itself is fine.
    let other = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(other).status(), Some(200));
}

#[test]
fn d_02_whoever_is_fast_enough_is_left_alone() {
    let app = impatient();
    let mut client = app.connect();
    client.send("POST /public/fine HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2400\r\n\r\n");
    for _ in 0..24 {
        client.send([b'a'; 100]);
        std::thread::sleep(BEAT);
    }
    assert_eq!(client.answer().map(|a| a.status), Ok(200));
    // A stream of messages of gRPC may begin long before its answer.
    let mut connection = H2::connect(&app);
    let mut call = fields("/public/grpc", &[("content-type", b"application/grpc")]);
    call[0].1 = b"POST";
    let stream = connection.open(&call, false);
    for n in 0..20 {
        connection.data(stream, b"a", n == 19);
        std::thread::sleep(BEAT);
    }
    assert_eq!(connection.end_of(stream).status(), Some(200));
    assert_eq!(app.metric(DENIED, "body_too_slow"), 0);
}

#[test]
fn d_02_streams_that_have_nothing_to_say_are_left_alone() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| {
            settings.proxy.limits.rate_grace = Duration::from_millis(200);
            settings.proxy.limits.min_response_rate = 1 << 20;
        });
    });
    let user = app.person("user");
    endless(&app, "/api");
    // An event of nine bytes each 20 ms is far less than a megabyte a second, and nobody's fault.
    let mut open = Flow::open_all(&app, "/api", Some(&user));
    std::thread::sleep(Duration::from_secs(1));
    open.iter_mut().for_each(Flow::assert_goes_on);
    assert_eq!(open.len(), Kind::ALL.len());
    drop(open);
    app.settle();
}

#[test]
fn d_02_an_answer_that_is_hardly_read_is_cut() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.body_timeout = Duration::from_secs(1));
    });
    let left = endless_download(&app, "/public/large");
    let mut client = app.connect();
    client.send(get("/public/large", ""));
    assert_eq!(client.head().map(|head| head.status), Ok(200));
    let reader = std::thread::spawn(move || {
        // One byte at a time: to the network it is none at all.
        while client.exactly(1).is_ok() {
            std::thread::sleep(BEAT);
        }
    });
    left.recv_timeout(Duration::from_secs(20)).expect("the upstream is released");
    drop(reader);
    app.settle();
}

#[test]
fn d_02_an_answer_over_http2_that_trickles_is_reset() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| {
            settings.proxy.limits.rate_grace = Duration::from_millis(300);
            settings.proxy.limits.min_response_rate = 1 << 20;
        });
    });
    let left = endless_download(&app, "/public/large");
    let mut connection = H2::with_window(&app, 1);
    let stream = connection.open(&fields("/public/large", &[]), true);
    assert_eq!(connection.head_of(stream), 200);
    // A byte more, again and again: there always is some progress.
    let released = (0..200).any(|_| {
        connection.send(h2::WINDOW_UPDATE, 0, stream, &1_u32.to_be_bytes());
        left.recv_timeout(BEAT).is_ok()
    });
    assert!(released, "the upstream is held for a client that takes a byte at a time");
    let other = connection.open(&fields("/api/x", &[]), true);
    assert_eq!(connection.head_of(other), 401, "the connection itself is fine");
    app.settle();
}

/// The library has no time limit for writing a head; the listener's sockets have.
#[test]
fn d_02_answers_that_are_all_head_are_not_piled_up_for_ever() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.body_timeout = Duration::from_millis(500));
    });
    let fields: String = (0..30).map(|n| format!("X-Padding-{n}: {}\r\n", "a".repeat(1000))).collect();
    app.upstream().canned("/public/head", format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}\r\n"));
    app.await_no_connection();
    let mut client = app.connect();
    assert_eq!(client.send(get("/public/x", "")).answer().map(|a| a.status), Ok(200));
    let mut answered = 0;
    // Reads no more: at some time nothing fits anywhere, and the gateway gives up.
    while !gone_after(&app, &mut client) {
        answered += 1;
    }
    println!("{answered} answers are waiting");
    assert!(answered > 10, "so much fits into the buffers of any kernel");
    app.settle();
}

/// Asks once more: whether the connection was ended over it. If not, the answer has been written.
fn gone_after(app: &TestApp, client: &mut RawClient) -> bool {
    let before = app.upstream().count();
    client.send(get("/public/head", ""));
    until("an answer or an end", || {
        let gone = app.metric("stagedoor_connections_open", "") == 0;
        let done = app.upstream().count() > before && app.metric("stagedoor_upstream_in_flight", "") == 0;
        (gone || done).then_some(gone)
    })
}

#[test]
fn d_02_who_does_not_read_costs_little() {
    const READERS: usize = 60;
    /// What Pingora may hold at most: nine pieces of 64 KiB on their way and two buffers for reading; and the upstream of this
    /// test, which shares the process.
    const EACH: usize = 1 << 20;
    let app = TestApp::start();
    let left = endless_download(&app, "/public/large");
    assert_eq!(app.ask(get("/public/x", "")).status, 200);
    let before = memory();
    let mut readers: Vec<RawClient> = (0..READERS).map(|_| app.connect()).collect();
    for client in &mut readers {
        client.send(get("/public/large", ""));
        assert_eq!(client.head().map(|head| head.status), Ok(200));
    }
    // Until nothing moves any more, the kernel's buffers are full and ours as well.
    let (mut last, mut same) = (0, 0);
    until("all is full", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = memory();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same >= 5).then_some(())
    });
    let each = memory().saturating_sub(before) / READERS;
    println!("{each} bytes for each client that does not read");
    assert!(each <= EACH, "{each}");
    drop(readers);
    (0..READERS).for_each(|_| left.recv_timeout(Duration::from_secs(8)).expect("released"));
    app.settle();
}
