//! Requests over HTTP/2 that are none (Z-07 to Z-11), and what an HTTP/2 connection is like in general.

use std::time::Duration;

use crate::support::h2::{self, End, H2, fields, frame, literal};
use crate::support::{TestApp, until};

/// Said lengths and a body.
type Said<'a> = (&'a str, &'a [&'a [u8]], &'a [u8]);
type Fields<'a> = Vec<(&'a str, &'a [u8])>;
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Refused, and nothing has reached the upstream.
fn rejected(app: &TestApp, what: &str, end: &End) {
    assert!(end.is_rejection(), "{what}: {end:?}");
    let whole = app.upstream().since(0).iter().filter(|r| r.complete).count();
    assert_eq!(whole, 0, "{what} was forwarded");
}

/// The fields of a GET with one of them replaced.
fn with<'a>(name: &str, value: &'a [u8]) -> Fields<'a> {
    let mut all = fields("/public/x", &[]);
    all.iter_mut().filter(|(n, _)| *n == name).for_each(|field| field.1 = value);
    all
}

#[test]
fn z_07_malformed_requests_are_reset() {
    let app = TestApp::start();
    let plain = || fields("/public/x", &[]);
    let mut cases: Vec<(&str, Fields<'_>)> = vec![
        ("no scheme", plain().into_iter().filter(|(n, _)| *n != ":scheme").collect()),
        ("no method", plain().into_iter().filter(|(n, _)| *n != ":method").collect()),
        ("no path", plain().into_iter().filter(|(n, _)| *n != ":path").collect()),
        ("a late path", vec![plain()[0], plain()[1], plain()[2], ("x-a", b"1"), plain()[3]]),
    ];
    for (what, name, value) in [
        ("two methods", ":method", &b"GET"[..]),
        ("two paths", ":path", b"/admin/x"),
        ("an unknown pseudo field", ":secret", b"1"),
        ("a pseudo field of answers", ":status", b"200"),
        ("an upper-case name", "X-Upper", b"1"),
        ("a name with a space", "x y", b"1"),
        ("a name with a line end", "x\r\ny", b"1"),
        ("a name with a colon", "x:y", b"1"),
        ("an empty name", "", b"1"),
        ("a value with CR", "x-a", b"1\r2"),
        ("a value with LF", "x-a", b"1\n2"),
        ("a value with NUL", "x-a", b"1\x002"),
        ("connection", "connection", b"close"),
        ("keep-alive", "keep-alive", b"1"),
        ("proxy-connection", "proxy-connection", b"close"),
        ("upgrade", "upgrade", b"websocket"),
        ("a transfer coding", "transfer-encoding", b"chunked"),
        ("te", "te", b"gzip"),
    ] {
        let mut all = plain();
        // Pseudo fields belong in front.
        let at = if name.starts_with(':') { 4 } else { all.len() };
        all.insert(at, (name, value));
        cases.push((what, all));
    }
    for (what, all) in &cases {
        rejected(&app, what, &app.h2(all));
    }
    app.assert_alive();
    assert_eq!(app.h2(&plain()).status(), Some(200));
}

#[test]
fn z_07_z_08_lengths_that_are_not_true() {
    let app = TestApp::start();
    let smuggled = b"GET /admin/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let cases: [Said<'_>; 6] = [
        ("longer than said", &[b"3"], b"12345"),
        ("shorter than said", &[b"9"], b"12345"),
        ("two lengths", &[b"5", b"6"], b"12345"),
        ("a list of lengths", &[b"5, 6"], b"12345"),
        ("a sign", &[b"+5"], b"12345"),
        ("no number", &[b"five"], b"12345"),
    ];
    for (what, lengths, body) in cases {
        let mut all = with(":method", b"POST");
        all.extend(lengths.iter().map(|l| ("content-length", *l)));
        let mut connection = H2::connect(&app);
        let stream = connection.open(&all, false);
        connection.data(stream, body, true);
        rejected(&app, what, &connection.end_of(stream));
    }
    // The same with a coding that HTTP/2 does not have.
    let mut all = with(":method", b"POST");
    all.push(("transfer-encoding", b"chunked"));
    let mut connection = H2::connect(&app);
    let stream = connection.open(&all, false);
    connection.data(stream, &[b"0\r\n\r\n", &smuggled[..]].concat(), true);
    rejected(&app, "H2.TE", &connection.end_of(stream));
    // A length of nothing makes a whole request of the fields alone, and it may have been forwarded when the bytes come
    // that should not be there. They go nowhere.
    let mut all = with(":method", b"POST");
    all.push(("content-length", b"0"));
    let mut connection = H2::connect(&app);
    let stream = connection.open(&all, false);
    connection.data(stream, smuggled, true);
    let end = connection.end_of(stream);
    assert!(matches!(end, End::Answer(200, _) | End::Reset(_)), "{end:?}");
    app.settle();
    assert!(app.upstream().since(0).iter().filter(|r| r.complete).all(|r| r.body.is_empty()));
    let targets = app.upstream().since(0);
    assert!(targets.iter().all(|r| !r.target.contains("admin")), "smuggled: {targets:?}");
    app.assert_alive();
}

/// What HTTP/1 refuses in a target and in fields is refused here as well: the upstream would get it as HTTP/1.
#[test]
fn s_26_s_38_p_20_odd_targets_and_fields_get_the_same_answer_as_on_http_1() {
    let app = TestApp::start();
    let (long, longest) = ("x".repeat(255), "x".repeat(254));
    let odd: [(&str, Pairs<'_>, u16, &str); 9] = [
        ("/public/x?\u{e9}", &[], 400, "unescaped_character"),
        ("/public/x?a=<b>", &[], 400, "unescaped_character"),
        ("/public/x?a=\"", &[], 400, "unescaped_character"),
        ("/public/x", &[(&long, "1")], 400, "field_name"),
        ("/public/x", &[(&longest, "1")], 200, ""),
        ("/public/x", &[("expect", "200-ok")], 417, "expectation"),
        ("/public/x", &[("expect", "100-continue, x")], 417, "expectation"),
        ("/public/x", &[("expect", "100-continue"), ("expect", "x")], 417, "expectation"),
        ("/public/x", &[("expect", "x"), ("expect", "100-continue")], 417, "expectation"),
    ];
    for (path, more, status, reason) in odd {
        let lines: String = more.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
        let answer = app.ask(head);
        let said =
            if status == 200 { String::new() } else { answer.json()["reason"].as_str().unwrap().to_owned() };
        assert_eq!((answer.status, said.as_str()), (status, reason), "{path} {more:?}");
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let (told, body) = match app.h2(&fields(path, &more)) {
            End::Answer(told, body) => (told, body),
            // Some are no request to the library that reads the frames.
            end => {
                assert!(status != 200 && end.is_rejection(), "{path}: {end:?}");
                continue;
            }
        };
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = if status == 200 { "" } else { body["reason"].as_str().unwrap_or_default() };
        assert_eq!((told, said), (status, reason), "{path} over HTTP/2");
    }
}

/// One list of methods: what is said to them does not depend on the version.
#[test]
fn p_24_methods_get_the_same_answer_as_on_http_1() {
    let app = TestApp::start();
    let long = "A".repeat(33);
    for (method, status, reason) in [
        ("TRACE", 405, "method_not_allowed"),
        ("PROPFIND", 501, "method_unknown"),
        ("get", 400, "method_malformed"),
        ("M-SEARCH", 400, "method_malformed"),
        (&long, 400, "method_malformed"),
    ] {
        let line = format!("{method} /public/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = app.ask(line);
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (status, Some(reason)), "{method}");
        let End::Answer(told, body) = app.h2(&with(":method", method.as_bytes())) else {
            panic!("{method}: no answer over HTTP/2")
        };
        let body: serde_json::Value = serde_json::from_slice(&body).expect("a problem");
        assert_eq!((told, body["reason"].as_str()), (status, Some(reason)), "{method} over HTTP/2");
    }
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn z_09_nothing_in_a_field_becomes_another_line() {
    let app = TestApp::start();
    for (name, value) in [
        (":path", &b"/public/x HTTP/1.1\r\nHost: b"[..]),
        (":path", b"/public/x\r\nX-Auth-Roles: admin"),
        (":path", b"/public/x HTTP/1.1"),
        (":path", b"/public/x\0"),
        (":path", b"/public/x\ty"),
        (":method", b"GET /admin HTTP/1.1\r\nHost: b\r\n\r\nGET"),
        (":method", b"GET /admin HTTP/1.1"),
        (":method", b"get"),
        (":method", b""),
        (":authority", b"localhost\r\nX-Auth-Roles: admin"),
        (":authority", b"localhost x"),
        (":authority", b"user@localhost"),
        (":authority", b""),
        (":scheme", b"http://localhost/admin/x?"),
        (":scheme", b"ht tp"),
    ] {
        rejected(&app, &format!("{name} {:?}", String::from_utf8_lossy(value)), &app.h2(&with(name, value)));
    }
    app.assert_alive();
}

#[test]
fn z_10_odd_sequences_of_frames_end_nothing_but_themselves() {
    let app = TestApp::start();
    let post = with(":method", b"POST");
    // Trailers that do not end the stream.
    let mut connection = H2::connect(&app);
    let stream = connection.open(&post, false);
    connection.send(h2::HEADERS, h2::END_HEADERS, stream, &literal(b"x-trailer", b"1"));
    rejected(&app, "trailers without an end", &connection.end_of(stream));
    // A goodbye that goes on talking.
    let mut connection = H2::connect(&app);
    connection.send(h2::GOAWAY, 0, 0, &[0; 8]);
    connection.send(h2::SETTINGS, 0, 0, &[]);
    connection.send(h2::SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]);
    connection.goodbye();
    for (what, odd) in [
        ("data on stream 0", frame(h2::DATA, 0, 0, b"x")),
        ("fields on stream 0", frame(h2::HEADERS, 5, 0, b"")),
        ("data on an idle stream", frame(h2::DATA, 0, 99, b"x")),
        ("a reset of an idle stream", frame(h2::RST_STREAM, 0, 99, &[0; 4])),
        ("an even stream", frame(h2::HEADERS, 5, 2, &literal(b":method", b"GET"))),
        ("a promise", frame(5, 4, 1, &[0; 4])),
        ("a short PING", frame(h2::PING, 0, 0, &[0; 7])),
        ("a PING on a stream", frame(h2::PING, 0, 1, &[0; 8])),
        ("SETTINGS of five bytes", frame(h2::SETTINGS, 0, 0, &[0; 5])),
        ("an ACK with content", frame(h2::SETTINGS, h2::ACK, 0, &[0; 6])),
        ("a connection window that grows by nothing", frame(h2::WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a CONTINUATION of nothing", frame(h2::CONTINUATION, 4, 1, b"")),
        ("too much padding", frame(h2::DATA, 8, 1, &[200])),
        ("a frame larger than any", vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
    ] {
        let mut connection = H2::connect(&app);
        connection.burst(&odd);
        let end = connection.goodbye();
        assert!(matches!(end, End::GoAway(_) | End::Closed), "{what}: {end:?}");
        app.assert_alive();
    }
    let whole = app.upstream().since(0).iter().filter(|r| r.complete).count();
    assert_eq!(whole, 0);
}

/// Frames of all kinds with contents of chance; what counts is that nothing falls over (INV-5) and nothing gets through.
#[test]
fn z_10_frames_of_chance() {
    let app = TestApp::start();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let admin: Vec<u8> = fields("/admin/x", &[]).iter().flat_map(|(n, v)| literal(n.as_bytes(), v)).collect();
    let mut sent = 0;
    while sent < 100_000 {
        let mut connection = H2::connect(&app);
        connection.patience(Duration::from_secs(5));
        for _ in 0..40 {
            let mut piece = Vec::new();
            for _ in 0..25 {
                let [kind, flags, stream, length, bytes @ ..] = dice();
                let mut payload: Vec<u8> = if length & 1 == 0 { admin.clone() } else { Vec::new() };
                payload.extend(bytes.iter().cycle().take(usize::from(length) / 4));
                piece.extend(frame(kind % 12, flags, u32::from(stream % 16), &payload));
            }
            sent += 25;
            if !connection.burst(&piece) {
                break;
            }
        }
        connection.abort();
    }
    app.assert_alive();
    assert_eq!(app.h2(&fields("/public/x", &[])).status(), Some(200));
    assert!(app.upstream().since(0).iter().all(|r| !r.target.contains("admin")));
}

#[test]
fn z_11_connect_is_not_for_us() {
    let app = TestApp::start();
    let cases: [(&str, Fields<'_>); 4] = [
        ("CONNECT", vec![(":method", b"CONNECT"), (":authority", b"localhost:80")]),
        ("CONNECT with a path", with(":method", b"CONNECT")),
        ("CONNECT to nowhere", vec![(":method", b"CONNECT")]),
        ("extended CONNECT", {
            let mut all = with(":method", b"CONNECT");
            all.insert(4, (":protocol", b"websocket"));
            all
        }),
    ];
    for (what, all) in &cases {
        rejected(&app, what, &app.h2(all));
    }
    app.assert_alive();
}

/// Malformed requests in a row are no accident.
#[test]
fn so_many_malformed_requests_end_the_connection() {
    let app = TestApp::start();
    let mut connection = H2::connect(&app);
    for _ in 0..40 {
        connection.open(&with(":authority", b"user@localhost"), true);
    }
    assert_eq!(connection.goodbye(), End::GoAway(0xb));
    assert_eq!(app.metric("stagedoor_denials_total", "http2_malformed"), 1);
}

#[test]
fn an_idle_http_2_connection_is_closed_politely() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.idle_timeout = Duration::from_millis(500));
    });
    let mut connection = H2::connect(&app);
    let stream = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(stream).status(), Some(200));
    assert_eq!(connection.goodbye(), End::GoAway(0));
    // Not while something is under way.
    app.upstream().script("/public/slow", |_, stream| {
        std::thread::sleep(Duration::from_millis(1200));
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        crate::support::Next::KeepAlive
    });
    let mut connection = H2::connect(&app);
    let stream = connection.open(&fields("/public/slow", &[]), true);
    assert_eq!(connection.end_of(stream).status(), Some(200));
    until("quiet", || (app.metric("stagedoor_streams_open", "") == 0).then_some(()));
}
