//! Bodies in both directions, upgrades, and upstreams that are down or slow.

use std::io::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use crate::flows_process::Ports;
use crate::support::h2::{self, End, H2};
use crate::support::{Next, TestApp, client_frame, get, request, server_frame, until};

const LARGE: usize = 20 * 1000 * 1000;

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Bytes without a period that a buffer could hide.
fn noise(n: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(n).collect()
}

fn large_app() -> TestApp {
    TestApp::with(|setup| {
        setup.route("{ path: /api/large/**, upstream: app, max_body: 32MiB }");
        setup.route("{ path: /public/large/**, upstream: app, max_body: 32MiB }");
    })
}

#[test]
fn a_large_upload_arrives_byte_for_byte() {
    let app = large_app();
    let user = app.person("user");
    let body = noise(LARGE);
    let mut client = app.connect();
    client.send(request("POST", "/api/large/x", &user.bearer(), &body));
    let answer = client.answer().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = app.judge_since(0, Some(&user), "upload").remove(0);
    assert_eq!((seen.body_bytes, seen.complete), (LARGE, true));
    assert_eq!(seen.body_hash, digest(&SHA256, &body).as_ref());
}

#[test]
fn a_large_chunked_upload_arrives_byte_for_byte() {
    let app = large_app();
    let body = noise(LARGE);
    let mut client = app.connect();
    client.send("POST /public/large/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in body.chunks(77_777) {
        client.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    client.send("0\r\n\r\n");
    let answer = client.answer().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = app.judge_since(0, None, "upload").remove(0);
    assert_eq!((seen.body_bytes, seen.body_hash.as_slice()), (LARGE, digest(&SHA256, &body).as_ref()));
}

#[test]
fn a_large_download_arrives_byte_for_byte() {
    let app = large_app();
    let body = noise(LARGE);
    let served = body.clone();
    app.upstream().script("/public/length", move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", served.len());
        let done = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&served));
        if done.is_ok() { Next::KeepAlive } else { Next::Close }
    });
    let served = body.clone();
    app.upstream().script("/public/chunked", move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in served.chunks(99_999) {
            let _ = stream.write_all(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        let _ = stream.write_all(b"0\r\n\r\n");
        Next::KeepAlive
    });
    let served = body.clone();
    app.upstream().script("/public/close", move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").and_then(|()| stream.write_all(&served));
        Next::Close
    });
    for path in ["/public/length", "/public/chunked", "/public/close"] {
        let answer = app.ask(get(path, ""));
        assert_eq!((answer.status, answer.body.len()), (200, LARGE), "{path}");
        assert!(answer.body == body, "{path}: other bytes");
    }
}

#[test]
fn bodies_have_a_limit() {
    let app = large_app();
    let mut client = app.connect();
    // Announced: refused before the body is sent.
    client.send("POST /public/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, &answer.json()["reason"]), (413, &"body_too_large".into()));
    assert!(client.is_closed());
    assert_eq!(app.upstream().count(), 0);
    app.case(None, request("POST", "/public/x", "", &noise(1 << 20))).allowed();
    // Not announced: refused on the way; the upstream never sees the end.
    let mut client = app.connect();
    client.send("POST /public/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let piece = [&b"10000\r\n"[..], &b"a".repeat(0x10000), b"\r\n"].concat();
    for _ in 0..20 {
        client.send(&piece);
    }
    assert_eq!(client.answer().map(|a| a.status), Ok(413));
    let cut = until("the upstream to notice", || app.upstream().since(1).pop());
    assert!(!cut.complete);
    // Ours have one of their own.
    let seen = app.case(
        None,
        request("POST", "/auth/token/", "Content-Type: application/json\r\n", &b" ".repeat(70_000)),
    );
    assert_eq!(seen.answer().status, 413);
}

#[test]
fn events_come_one_by_one() {
    let app = TestApp::start();
    let user = app.person("user");
    let (tick, ticks) = mpsc::channel::<String>();
    let ticks = std::sync::Mutex::new(ticks);
    app.upstream().script("/api/events", move |_, stream| {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        while let Ok(text) = ticks.lock().unwrap().recv_timeout(Duration::from_secs(10)) {
            let event = format!("data: {text}\n\n");
            let _ = stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
        }
        let _ = stream.write_all(b"0\r\n\r\n");
        Next::KeepAlive
    });
    let mut client = app.connect();
    client.send(get("/api/events", &user.bearer()));
    let head = client.head().expect("the head comes before the first event");
    assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
    for n in 0..5 {
        // Nothing is sent before this line: whatever arrives now was not waited for.
        tick.send(format!("event {n}")).unwrap();
        let event = client.through(b"\n\n\r\n").expect("an event at once");
        assert!(String::from_utf8_lossy(&event).contains(&format!("data: event {n}")), "{event:?}");
    }
    drop(tick);
    assert_eq!(client.through(b"0\r\n\r\n"), Ok(b"0\r\n\r\n".to_vec()));
}

#[test]
fn a_websocket_passes_both_ways() {
    let app = TestApp::start();
    let user = app.person("user");
    app.case(None, get("/ws", UPGRADE)).denied();
    let mut client = app.connect();
    client.send(get("/ws", &format!("{UPGRADE}{}", user.bearer())));
    let answer = client.answer().expect("an answer");
    assert_eq!(
        (answer.status, answer.field("sec-websocket-accept")),
        (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    );
    app.judge_since(0, Some(&user), "upgrade");
    for (opcode, payload) in
        [(1, noise(5)), (2, noise(126)), (2, noise(70_000)), (9, b"ping".to_vec()), (2, noise(500_000))]
    {
        client.send(client_frame(opcode, &payload));
        let expected = server_frame(opcode, &payload);
        assert!(
            client.exactly(expected.len()) == Ok(expected),
            "{} bytes came back differently",
            payload.len()
        );
    }
    client.send(client_frame(8, &[0x03, 0xe8]));
    assert_eq!(client.exactly(4), Ok(server_frame(8, &[0x03, 0xe8])));
    assert!(client.is_closed());
}

/// What flows after the upgrade is no request body.
#[test]
fn a_websocket_outlives_the_body_limit() {
    let app = TestApp::start();
    let user = app.person("user");
    let mut client = app.connect();
    client.send(get("/ws", &format!("{UPGRADE}{}", user.bearer())));
    assert_eq!(client.answer().map(|a| a.status), Ok(101));
    let payload = noise(100_000);
    for turn in 0..15 {
        client.send(client_frame(2, &payload));
        let expected = server_frame(2, &payload);
        assert!(client.exactly(expected.len()) == Ok(expected), "closed after {turn} messages of 100 kB");
    }
}

#[test]
fn an_upgrade_with_cookies_takes_our_own_site() {
    let app = TestApp::start();
    let user = app.person("user");
    for site in ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "Origin: null\r\n", ""]
    {
        app.case(Some(&user), get("/ws", &format!("{UPGRADE}{site}{}", user.cookies()))).denied();
    }
    let own = format!("Origin: {}\r\n", app.public_url());
    let seen = app.case(Some(&user), get("/ws", &format!("{UPGRADE}{own}{}", user.cookies())));
    assert_eq!(seen.answer().status, 101);
}

#[test]
fn an_upstream_may_say_no_to_an_upgrade() {
    let app = TestApp::start();
    let user = app.person("user");
    app.upstream().canned("/ws", "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 4\r\n\r\nnope");
    let seen = app.case(Some(&user), get("/ws", &format!("{UPGRADE}{}", user.bearer())));
    assert_eq!((seen.answer().status, seen.answer().text().as_str()), (426, "nope"));
}

#[test]
fn http_2_bodies_pass_both_ways() {
    let app = large_app();
    let user = app.person("user");
    let token = format!("Bearer {}", user.access);
    let mut fields = h2::fields("/api/large/x", &[("authorization", token.as_bytes())]);
    fields[0].1 = b"POST";
    let mut connection = H2::connect(&app);
    let stream = connection.open(&fields, false);
    // Below the initial window of 65,535 bytes, so that no flow control is needed.
    let body = noise(60_000);
    let pieces: Vec<&[u8]> = body.chunks(16_000).collect();
    for (at, piece) in pieces.iter().enumerate() {
        connection.data(stream, piece, at + 1 == pieces.len());
    }
    let End::Answer(200, echo) = connection.end_of(stream) else { panic!("no 200") };
    assert!(serde_json::from_slice::<serde_json::Value>(&echo).is_ok());
    let seen = app.judge_since(0, Some(&user), "HTTP/2 upload").remove(0);
    assert_eq!(seen.body, body);
}

#[test]
fn an_upstream_that_is_down_is_a_fast_502() {
    let ports = Ports::lease(1);
    let nobody = ports.address(0);
    let app = TestApp::with(move |setup| {
        setup.upstream_at(nobody);
    });
    let mut client = app.connect();
    client.send(get("/public/x", ""));
    let answer = client.answer().expect("fast");
    assert_eq!((answer.status, answer.field("content-type")), (502, Some("application/problem+json")));
    assert_eq!(answer.json()["reason"], "upstream_down");
    assert!(answer.field("retry-after").is_some());
    let page = app.ask(get("/public/x", "Accept: text/html\r\n"));
    assert_eq!((page.status, page.field("content-type")), (502, Some("text/html; charset=utf-8")));
    assert!(!page.text().contains(&nobody.to_string()), "the page tells where the upstream is");
    // Nobody else is hurt: ours go on, and refusals are still refusals.
    assert_eq!(app.ask(get("/auth/login/", "")).status, 200);
    app.case(None, get("/api/x", "")).denied();
    let upload = app.ask(request("POST", "/public/x", "", &noise(100_000)));
    assert_eq!(upload.status, 502);
}

#[test]
fn an_upstream_that_hangs_is_a_504() {
    let app = TestApp::with(|setup| {
        setup.upstream_option("timeouts: { read: 2s }");
    });
    let (release, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    app.upstream().script("/public/hang", move |_, _| {
        let _ = gate.lock().unwrap().recv_timeout(Duration::from_secs(8));
        Next::Close
    });
    let answer = app.ask(get("/public/hang", ""));
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(answer.json()["reason"], "upstream_timed_out");
    assert_eq!(app.upstream().count(), 1, "a request that may have been carried out is not sent again");
    app.expect_unanswered(1);
    drop(release);
    assert_eq!(app.ask(get("/public/x", "")).status, 200);
}

#[test]
fn an_upstream_that_breaks_off_is_not_taken_for_whole() {
    let app = TestApp::start();
    app.upstream().script("/public/half", |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        Next::Close
    });
    app.upstream().script("/public/chunk", |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        Next::Close
    });
    app.upstream().script("/public/nothing", |_, _| Next::Close);
    app.upstream().script("/public/garbage", |_, stream| {
        let _ = stream.write_all(b"I am no HTTP server\r\n\r\n");
        Next::Close
    });
    for path in ["/public/half", "/public/chunk"] {
        let whole = app.try_ask(get(path, ""));
        assert!(whole.as_ref().map_or(true, |a| a.status >= 500), "{path}: {whole:?}");
    }
    let before = app.upstream().count();
    for path in ["/public/nothing", "/public/garbage"] {
        assert_eq!(app.ask(get(path, "")).status, 502, "{path}");
    }
    // A POST is never tried twice.
    let posted = app.upstream().count();
    assert_eq!(app.ask(request("POST", "/public/nothing", "", b"once")).status, 502);
    assert_eq!(app.upstream().count(), posted + 1);
    app.expect_unanswered(app.upstream().count() - before);
}
