//! What belongs to one connection and goes no further, and what HTTP/1.0 does not know.

use super::{SMUGGLED, post, stage};
use crate::support::{Next, TestApp, get, request};
use std::io::Write as _;

#[test]
fn s_04_answers_are_kept_for_nobody() {
    let app = stage();
    let (one, two) = (app.person("user"), app.person("user"));
    app.upstream().script("/public/page", |request, stream| {
        let body = format!(
            "{} {}",
            request.field("host").unwrap_or_default(),
            request.field("x-auth-user-id").unwrap_or_default()
        );
        let head = "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=3600\r\nETag: \"1\"\r\n";
        let _ = stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        Next::KeepAlive
    });
    for round in 1..=3 {
        for (at, (host, person)) in
            [("a.test", &one), ("b.test", &one), ("a.test", &two), ("b.test", &two)].into_iter().enumerate()
        {
            let bytes = format!("GET /public/page HTTP/1.1\r\nHost: {host}\r\n{}\r\n", person.bearer());
            let seen = app.case(Some(person), bytes).allowed();
            assert_eq!(seen.answer().text(), format!("{host} {}", person.id));
            assert_eq!(seen.answer().field("age"), None);
            assert_eq!(app.upstream().count(), (round - 1) * 5 + at + 1);
        }
        let seen = app.case(None, "GET /public/page HTTP/1.1\r\nHost: a.test\r\n\r\n").allowed();
        assert_eq!(seen.answer().text(), "a.test ");
    }
}

#[test]
fn s_32_framing_cannot_be_nominated_away() {
    let app = stage();
    for nominated in [
        "close, Content-Length",
        "content-length",
        "Content-Length, content-length",
        "keep-alive, Transfer-Encoding",
        "Transfer-Encoding",
        "transfer-encoding, content-length",
    ] {
        let connection = format!("Connection: {nominated}\r\n");
        for (framing, body) in [
            (format!("Content-Length: {}\r\n", SMUGGLED.len()), SMUGGLED.to_owned()),
            (
                "Transfer-Encoding: chunked\r\n".into(),
                format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()),
            ),
        ] {
            let seen = app.case(None, post(format!("{connection}{framing}"), body)).allowed();
            assert_eq!(seen.at_upstream().body, SMUGGLED.as_bytes(), "{nominated} {framing}");
            assert_eq!(seen.at_upstream().all("connection"), Vec::<String>::new());
        }
    }
    for nominated in ["host", ":path", ":authority", "x y", "\"close\"", "X-Forwarded-For"] {
        app.case(None, get("/public/x", &format!("Connection: {nominated}\r\n"))).rejected_with(400);
    }
}

#[test]
fn s_32_what_ends_at_this_connection() {
    let app = stage();
    for line in [
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "TE: trailers, deflate;q=0.5",
        "Trailer: X-Auth-User",
        "Proxy-Authorization: Basic dTpw",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: keep-alive",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        "Upgrade: foo",
        "Connection: keep-alive",
    ] {
        let seen = app.case(None, get("/public/x", &format!("{line}\r\n"))).allowed();
        let name = line.split(':').next().unwrap();
        assert_eq!(seen.at_upstream().all(name), Vec::<String>::new(), "{line}");
    }
    let seen =
        app.case(None, get("/public/x", "Connection: X-Mine\r\nX-Mine: 1\r\nX-Other: 2\r\n")).allowed();
    assert_eq!((seen.at_upstream().all("x-mine").len(), seen.at_upstream().all("x-other").len()), (0, 1));
}

#[test]
fn s_32_ten_nominations_are_too_many() {
    let app = stage();
    let names = |n: usize| (0..n).map(|i| format!("X-{i}")).collect::<Vec<_>>();
    app.case(None, get("/public/x", &format!("Connection: {}\r\n", names(9).join(", ")))).allowed();
    for n in [10, 11, 100, 1000] {
        app.case(None, get("/public/x", &format!("Connection: {}\r\n", names(n).join(", "))))
            .rejected_with(400);
        app.case(
            None,
            request(
                "POST",
                "/public/x",
                &format!("Connection: {}\r\n", names(n).join(",")),
                SMUGGLED.as_bytes(),
            ),
        )
        .rejected_with(400);
    }
    let lines: String = names(10).iter().map(|n| format!("Connection: {n}\r\n")).collect();
    app.case(None, get("/public/x", &lines)).rejected_with(400);
    assert!(app.metric("stagedoor_denials_total", "nominated_field") >= 9);
}

fn answered_in_chunks(app: &TestApp) {
    app.upstream().canned(
        "/public/chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n there\r\n0\r\nX: y\r\n\r\n",
    );
}

#[test]
fn s_36_http_1_0_gets_no_chunks() {
    let app = stage();
    answered_in_chunks(&app);
    for connection in
        ["", "Connection: keep-alive\r\n", "Connection: close\r\n", "TE: chunked\r\nConnection: TE\r\n"]
    {
        let bytes = format!("GET /public/chunked HTTP/1.0\r\nHost: localhost\r\n{connection}\r\n");
        let seen = app.case(None, format!("{bytes}{SMUGGLED}")).allowed();
        assert_eq!(seen.answer().all("transfer-encoding"), Vec::<&str>::new(), "{connection}");
        assert_eq!(seen.answer().text(), "hello there", "{connection}");
        seen.closed();
    }
    // Newer clients get them.
    let seen = app.case(None, get("/public/chunked", "")).allowed();
    assert_eq!(
        (seen.answer().field("transfer-encoding"), seen.answer().text().as_str()),
        (Some("chunked"), "hello there")
    );
}
