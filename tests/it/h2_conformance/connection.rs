//! Preface, SETTINGS, PING, GOAWAY and the window of the connection (sections 3.4, 6.5, 6.7 to 6.9).

use super::{Case, FLOW_CONTROL, FRAME_SIZE, Must, PROTOCOL, get, judge, setting, then};
use crate::support::h2::{self, H2, fields, frame};
use crate::support::{RawClient, TestApp, until};

const OK: Must = Must::Answer(200);

fn request() -> Vec<u8> {
    get(1, "/public/x")
}

#[test]
fn z_16_settings_and_their_values() {
    let end = |section, what, bytes, code| Case(section, what, bytes, Must::End(code));
    let fine = |section, what, before: Vec<u8>| Case(section, what, then(&[before, request()]), OK);
    judge(vec![
        end("6.5", "an ACK with content", frame(h2::SETTINGS, h2::ACK, 0, &[0; 6]), FRAME_SIZE),
        end("6.5", "on a stream", frame(h2::SETTINGS, 0, 1, &[]), PROTOCOL),
        end("6.5", "three bytes", frame(h2::SETTINGS, 0, 0, &[0, 3, 0]), FRAME_SIZE),
        end("6.5", "seven bytes", frame(h2::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9, 0]), FRAME_SIZE),
        end("6.5.2", "ENABLE_PUSH of two", setting(2, 2), PROTOCOL),
        end("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", setting(4, 1 << 31), FLOW_CONTROL),
        end("6.5.2", "INITIAL_WINDOW_SIZE of 2^32 - 1", setting(4, u32::MAX), FLOW_CONTROL),
        end("6.5.2", "MAX_FRAME_SIZE of 16,383", setting(5, 16_383), PROTOCOL),
        end("6.5.2", "MAX_FRAME_SIZE of 2^24", setting(5, 1 << 24), PROTOCOL),
        fine("6.5.2", "a setting that nobody knows", setting(0xabcd, 7)),
        fine("6.5.2", "no table for fields", setting(1, 0)),
        fine("6.5.2", "ENABLE_PUSH off", setting(2, 0)),
        fine("6.5.2", "no streams of ours", setting(3, 0)),
        fine("6.5.2", "the largest window", setting(4, (1 << 31) - 1)),
        fine("6.5.2", "the largest frames", setting(5, (1 << 24) - 1)),
        fine("6.5.3", "none at all", frame(h2::SETTINGS, 0, 0, &[])),
        fine("6.5.3", "the same one twice: the last counts", then(&[setting(4, 1), setting(4, 1 << 20)])),
    ]);
}

#[test]
fn z_16_ping_goaway_and_the_window_of_the_connection() {
    let end = |section, what, bytes, code| Case(section, what, bytes, Must::End(code));
    let fine = |section, what, before: Vec<u8>| Case(section, what, then(&[before, request()]), OK);
    let grow = |n: u32| frame(h2::WINDOW_UPDATE, 0, 0, &n.to_be_bytes());
    judge(vec![
        end("6.7", "a PING on a stream", frame(h2::PING, 0, 1, &[0; 8]), PROTOCOL),
        end("6.7", "a PING of six bytes", frame(h2::PING, 0, 0, &[0; 6]), FRAME_SIZE),
        end("6.7", "a PING of nine bytes", frame(h2::PING, 0, 0, &[0; 9]), FRAME_SIZE),
        fine("6.7", "an answer to no PING", frame(h2::PING, h2::ACK, 0, &[7; 8])),
        fine("6.7", "a PING with flags that mean nothing", frame(h2::PING, 0xfe, 0, &[7; 8])),
        end("6.8", "a GOAWAY on a stream", frame(h2::GOAWAY, 0, 1, &[0; 8]), PROTOCOL),
        end("6.9", "a growth of nothing", grow(0), PROTOCOL),
        end("6.9", "three bytes", frame(h2::WINDOW_UPDATE, 0, 0, &[0, 0, 1]), FRAME_SIZE),
        end("6.9", "five bytes", frame(h2::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 0, 1]), FRAME_SIZE),
        // The test's own preface has let it grow by 2^30 already.
        end("6.9.1", "beyond 2^31 - 1", grow(1 << 30), FLOW_CONTROL),
        fine("6.9", "a growth with the reserved bit", grow(0x8000_0001)),
        fine("5.5", "a frame of an unknown kind", frame(0x16, 0xff, 0, &[0; 8])),
        fine("5.5", "one on a stream that is idle", frame(0x16, 0, 1, &[0; 8])),
        fine("4.1", "the reserved bit of a stream", frame(h2::PING, 0, 1 << 31, &[0; 8])),
        end("6.6", "a promise", frame(5, h2::END_HEADERS, 1, &[0, 0, 0, 2, 0x82]), PROTOCOL),
    ]);
}

/// Section 3.4: a connection that does not begin as HTTP/2 does is none. On the port that speaks HTTP/1 as well it is
/// answered in HTTP/1, and ended.
#[test]
fn z_16_what_does_not_begin_as_http_2_is_ended() {
    let app = TestApp::start();
    for start in
        ["INVALID CONNECTION PREFACE\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", "PRI * HTTP/2.1\r\n\r\n"]
    {
        let mut client = app.connect();
        client.send(start);
        let answer = client.answer().expect("an answer");
        assert!(matches!(answer.status, 400 | 405 | 501 | 505), "{start:?}: {}", answer.status);
        assert!(client.is_closed(), "{start:?}");
    }
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn z_16_each_settings_is_acknowledged_and_each_ping_answered_in_kind() {
    let app = TestApp::start();
    let mut connection = H2::connect(&app);
    connection.burst(&then(&[setting(3, 5), setting(3, 6), frame(h2::PING, 0, 0, b"in kind!")]));
    let (mut acknowledged, mut answered) = (0, None);
    while answered.is_none() || acknowledged < 3 {
        let (kind, flags, stream, payload) = connection.next_frame().expect("a frame");
        if flags & h2::ACK != 0 && kind == h2::SETTINGS {
            assert!(stream == 0 && payload.is_empty());
            acknowledged += 1;
        }
        if flags & h2::ACK != 0 && kind == h2::PING {
            answered = Some(payload);
        }
    }
    assert_eq!(answered.as_deref(), Some(&b"in kind!"[..]));
}

/// Section 6.9: never more than the window lets through, and the window may shrink below nothing.
#[test]
fn z_16_no_more_is_sent_than_the_window_takes() {
    let app = TestApp::start();
    app.upstream().canned(
        "/public/long",
        b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n0123456789012345678901234567890123456789",
    );
    let mut connection = H2::with_window(&app, 3);
    let stream = connection.open(&fields("/public/long", &[]), true);
    assert_eq!(connection.head_of(stream), 200);
    assert_eq!(connection.piece_of(stream).unwrap(), b"012");
    // By 10 more with a new setting, which counts for streams that are open.
    connection.burst(&setting(4, 13));
    assert_eq!(connection.piece_of(stream).unwrap(), b"3456789012");
    // Down by 13: eight of the next twenty only pay the debt.
    connection.burst(&then(&[setting(4, 0), frame(h2::WINDOW_UPDATE, 0, stream, &20_u32.to_be_bytes())]));
    assert_eq!(connection.piece_of(stream).unwrap(), b"3456789");
    connection.send(h2::WINDOW_UPDATE, 0, stream, &1000_u32.to_be_bytes());
    let mut rest = Vec::new();
    let last = loop {
        match connection.piece_of(stream) {
            Ok(piece) => rest.extend(piece),
            Err(end) => break end,
        }
    };
    assert_eq!(last.status(), Some(200), "{last:?}");
    let h2::End::Answer(_, end) = last else { unreachable!() };
    assert_eq!([rest, end].concat(), b"01234567890123456789");
}

/// Section 6.8: a client that says goodbye is still answered what it has asked for.
#[test]
fn z_16_what_was_asked_before_a_goaway_is_answered() {
    let app = TestApp::start();
    let mut connection = H2::connect(&app);
    let stream = connection.open(&fields("/public/x", &[]), true);
    connection.send(h2::GOAWAY, 0, 0, &[0; 8]);
    assert_eq!(connection.end_of(stream).status(), Some(200));
    until("quiet", || (app.metric("stagedoor_streams_open", "") == 0).then_some(()));
}

/// Z-15: the upgrade to HTTP/2 of RFC 7540 is gone from RFC 9113. Whoever asks for it is served in HTTP/1.1, and an
/// upstream that knows it never hears of it: it could be led to speak HTTP/2 with the client past the gate.
#[test]
fn z_15_an_upgrade_to_http_2_is_none() {
    let app = TestApp::start();
    let settings = "HTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let hidden =
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(h2::SETTINGS, 0, 0, &[]), &get(3, "/admin/x")]
            .concat();
    for (what, extra) in [
        ("as RFC 7540 has it", format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}")),
        ("not nominated", format!("Upgrade: h2c\r\n{settings}")),
        ("nominated in part", format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{settings}")),
        ("in capitals", format!("CONNECTION: UPGRADE, HTTP2-SETTINGS\r\nUPGRADE: H2C\r\n{settings}")),
        ("over TLS", format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2\r\n{settings}")),
        ("a list", format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\n{settings}")),
        ("two lines", format!("Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: h2c\r\n{settings}{settings}")),
        ("another one", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n".to_owned()),
    ] {
        let head = format!("GET /public/x HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n");
        let seen = app.case(None, [head.as_bytes(), &hidden].concat());
        let Ok(answer) = &seen.answer else { panic!("{what}: {:?}", seen.answer) };
        assert!(matches!(answer.status, 200 | 400), "{what}: {}", answer.status);
        assert!(answer.interim.is_empty(), "{what}: no 101, nor any other");
        for request in &seen.forwarded {
            assert_eq!(request.target, "/public/x", "{what}");
            for name in ["upgrade", "http2-settings"] {
                assert_eq!(request.all(name), Vec::<String>::new(), "{what}: {name} reaches the upstream");
            }
            let nominated = request.all("connection").join(",").to_ascii_lowercase();
            assert!(!nominated.contains("upgrade") && !nominated.contains("http2"), "{what}: {nominated}");
        }
        assert!(seen.forwarded.len() < 2, "{what}: what came behind it is no request");
    }
    let mut client = RawClient::connect(app.address());
    client.send(format!("GET /public/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}\r\n"));
    let answer = client.answer().expect("an answer");
    assert_eq!((answer.status, answer.field("upgrade")), (200, None), "in HTTP/1.1");
}
