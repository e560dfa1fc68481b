//! Connections that are to become something else, and bytes that come before they have.

use super::{SMUGGLED, stage};
use crate::support::{Silence, TestApp, client_frame, get, server_frame};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn s_02_bytes_behind_an_upgrade_that_nobody_takes() {
    let app = stage();
    for fields in [
        "Upgrade: foo\r\nConnection: upgrade\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: TLS/1.0, HTTP/1.1\r\nConnection: keep-alive, upgrade\r\n",
        "Upgrade: foo, websocket\r\nConnection: upgrade\r\n",
        UPGRADE,
    ] {
        let bytes = [get("/public", fields), SMUGGLED.into()].concat();
        app.upstream().canned("/public", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let seen = app.case(None, &bytes).allowed();
        // Nothing behind the head has gone anywhere.
        assert_eq!(
            app.upstream().bytes_of(seen.at_upstream().connection),
            app.upstream().heads_of(seen.at_upstream().connection),
            "{fields}"
        );
        if fields != UPGRADE {
            assert_eq!(seen.at_upstream().all("upgrade"), Vec::<String>::new(), "{fields}");
            assert_eq!(seen.at_upstream().all("http2-settings"), Vec::<String>::new(), "{fields}");
        }
        seen.closed();
    }
    assert_eq!(app.upstream().count(), 5);
}

/// The application says no, and the client has already begun to talk.
#[test]
fn s_06_frames_before_the_handshake_is_through() {
    let app = stage();
    let user = app.person("user");
    let refusals = [
        (403, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
        (200, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"),
        (426, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno"),
        (403, "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
    ];
    for (status, answer) in refusals {
        for early in [
            client_frame(1, b"early"),
            SMUGGLED.into(),
            [client_frame(1, b"early"), SMUGGLED.into()].concat(),
        ] {
            app.upstream().canned("/ws", answer);
            let bytes = [get("/ws", &format!("{UPGRADE}{}", user.bearer())), early].concat();
            let seen = app.case(Some(&user), &bytes);
            assert_eq!((seen.answer().status, seen.answer().text().as_str()), (status, "no"));
            let connection = seen.at_upstream().connection;
            assert_eq!(
                app.upstream().bytes_of(connection),
                app.upstream().heads_of(connection),
                "frames went through"
            );
            seen.closed();
        }
    }
    // Refused by us: the application hears nothing at all.
    let seen = app.case(None, [get("/ws", UPGRADE), client_frame(1, b"early")].concat()).denied();
    seen.closed();
}

/// And when it says yes: what came too early comes after the handshake, or the connection ends.
#[test]
fn s_06_early_frames_of_a_websocket_that_opens() {
    let app = stage();
    let user = app.person("user");
    let bytes = [get("/ws", &format!("{UPGRADE}{}", user.bearer())), client_frame(1, b"early")].concat();
    let mut seen = app.case(Some(&user), &bytes);
    assert_eq!(seen.answer().status, 101);
    let echo = server_frame(1, b"early");
    match seen.client.exactly(echo.len()) {
        Ok(bytes) => assert_eq!(bytes, echo),
        Err(silence) => assert_eq!(silence, Silence::Closed),
    }
    assert_eq!(app.upstream().count(), 1);
}

fn handshake(app: &TestApp, fields: &str, status: u16, reason: &str) {
    for path in ["/public/ws", "/ws"] {
        let seen = app.case(None, [get(path, fields), client_frame(1, b"early")].concat());
        assert_eq!(seen.forwarded.len(), 0, "{fields}");
        let answer = seen.answer();
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (status, Some(reason)), "{fields}");
        if status == 426 {
            assert_eq!(
                (answer.field("sec-websocket-version"), answer.field("upgrade")),
                (Some("13"), Some("websocket"))
            );
        }
        seen.closed();
    }
}

#[test]
fn s_35_handshakes_that_are_none() {
    let app = stage();
    let many = format!("{UPGRADE}{}", "X: y\r\n".repeat(100_000));
    handshake(&app, &many, 431, "head_too_large");
    handshake(&app, &format!("{UPGRADE}{}", "X: y\r\n".repeat(100)), 431, "too_many_fields");
    for version in ["12", "8", "0", "014", "13, 8", "8, 13", "", "thirteen", "+13"] {
        let fields = UPGRADE.replace("Version: 13", &format!("Version: {version}"));
        handshake(&app, &fields, 426, "websocket_version");
    }
    let malformed = [
        UPGRADE.replace("Sec-WebSocket-Version: 13\r\n", ""),
        UPGRADE.replace(
            "Sec-WebSocket-Version: 13\r\n",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n",
        ),
        UPGRADE.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", ""),
        UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
        UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSBvZiAyNCBi"),
        UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!Q=="),
        format!("{UPGRADE}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        UPGRADE.replace("Connection: Upgrade\r\n", ""),
        UPGRADE.replace("Connection: Upgrade", "Connection: keep-alive"),
        UPGRADE.replace("Connection: Upgrade", "Connection: upgraded"),
        format!("{UPGRADE}Content-Length: 5\r\n"),
    ];
    for fields in malformed {
        handshake(&app, &fields, 400, "websocket_handshake");
    }
    let chunked = format!(
        "GET /public/ws HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    app.case(None, chunked).rejected_with(400);
    assert_eq!(app.upstream().count(), 0);
    let seen = app.case(None, get("/public/ws", UPGRADE));
    assert_eq!(seen.answer().status, 101, "positive control");
    drop(seen);
    let seen = app.case(None, get("/public/ws", &format!("{UPGRADE}Content-Length: 0\r\n")));
    assert_eq!(seen.answer().status, 101, "a length of nothing is no body");
}
