//! Bodies where none is expected, bodies that do not come, and clients that ask first.

use super::{SMUGGLED, cut_off, hurried, stage};
use crate::support::{TestApp, until};

const METHODS: [&str; 4] = ["GET", "HEAD", "DELETE", "OPTIONS"];

#[test]
fn s_25_bodies_of_methods_that_need_none() {
    let app = stage();
    for method in METHODS {
        let head = format!("{method} /public/x HTTP/1.1\r\nHost: localhost\r\n");
        for (framing, body) in [
            ("Content-Length: 5\r\n", "hello"),
            ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ] {
            let seen = app.case(None, format!("{head}{framing}\r\n{body}")).allowed();
            assert_eq!(
                (seen.at_upstream().method.as_str(), &*seen.at_upstream().body),
                (method, &b"hello"[..])
            );
            let seen = app.case(None, format!("{head}{framing}\r\n{body}{SMUGGLED}")).allowed();
            assert_eq!(seen.at_upstream().body, b"hello");
            seen.closed();
        }
        for (framing, rest) in
            [("", ""), ("Content-Length: 0\r\n", ""), ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n")]
        {
            let seen = app.case(None, format!("{head}{framing}\r\n{rest}")).allowed();
            assert_eq!(seen.at_upstream().body, b"", "{method} {framing}");
        }
        // The hidden request is a body, and stays one.
        let hidden = format!("{head}Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len());
        assert_eq!(app.case(None, hidden).allowed().at_upstream().body, SMUGGLED.as_bytes());
    }
}

#[test]
fn s_25_a_body_that_never_comes_frees_the_connection() {
    let app = stage();
    for method in METHODS {
        let bytes =
            format!("{method} /public/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n");
        app.case(None, bytes).rejected_with(413);
    }
    drop(app);
    let app = TestApp::with(|setup| {
        setup.route("{ path: /public/large/**, upstream: app, max_body: 2GiB }");
        setup.tweak(|settings| settings.proxy.limits.body_timeout = std::time::Duration::from_millis(1500));
    });
    let app = app.with_outside_judges();
    for method in METHODS {
        let head = format!("{method} /public/large/x HTTP/1.1\r\nHost: localhost\r\n");
        for framing in
            ["Content-Length: 1000000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3b9aca00\r\n"]
        {
            cut_off(&app, &[format!("{head}{framing}").as_bytes()], 408);
        }
    }
    // Nothing is left behind: neither the client's connection nor the one to the upstream.
    until("the connections to be gone", || {
        (app.metric("stagedoor_upstream_in_flight", "") == 0).then_some(())
    });
}

#[test]
fn s_26_expectations() {
    let app = stage();
    let ask = |path: &str, version: &str, lines: &str| {
        format!("POST {path} HTTP/{version}\r\nHost: localhost\r\n{lines}\r\n")
    };
    let expects = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    // Refused without an invitation.
    for (path, lines, status) in [
        ("/api/x", expects, 401),
        ("/admin/x", expects, 401),
        ("/nothing", expects, 403),
        ("/public/x", "Expect: 100-continue\r\nContent-Length: 1048577\r\n", 413),
        ("/public/x", "Expect: 100-continue\r\nContent-Length: 1000000000\r\n", 413),
        ("/auth/token/", "Expect: 100-continue\r\nContent-Length: 1000000\r\n", 413),
        ("/public//x", expects, 400),
    ] {
        let seen = app.case(None, ask(path, "1.1", lines));
        let answer = seen.answer();
        assert_eq!(
            (answer.status, answer.interim.len(), seen.forwarded.len()),
            (status, 0, 0),
            "{path} {lines}"
        );
        seen.closed();
    }
    for value in ["x", "", "100", "100-continue, x", "x, 100-continue", "100-continue;a", "200-ok"] {
        app.case(None, ask("/public/x", "1.1", &format!("Expect: {value}\r\nContent-Length: 5\r\n")))
            .rejected_with(417);
    }
    app.case(None, ask("/public/x", "1.0", expects)).rejected_with(417);
    app.case(None, ask("/public/x", "1.1", "Expect: 100-continue\r\nExpect: x\r\nContent-Length: 5\r\n"))
        .rejected_with(417);
    // Asked, invited, sent.
    for value in ["100-continue", "100-Continue"] {
        let mut client = app.connect();
        let before = app.upstream().count();
        client.send(ask("/public/x", "1.1", &format!("Expect: {value}\r\nContent-Length: 5\r\n")));
        assert_eq!(client.head().map(|a| a.status), Ok(100));
        client.send("hello");
        assert_eq!(client.answer().map(|a| a.status), Ok(200));
        assert_eq!(app.judge_since(before, None, value)[0].body, b"hello");
    }
    // Not waiting is allowed; and without a body there is nothing to wait for.
    let seen = app.case(None, format!("{}hello", ask("/public/x", "1.1", expects))).allowed();
    assert_eq!(seen.at_upstream().body, b"hello");
    app.case(None, ask("/public/x", "1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n")).allowed();
    app.case(None, ask("/public/x", "1.1", "Expect: 100-continue\r\n")).allowed();
}

/// Invited, and then nothing: neither side waits for ever, and the upstream takes it for no whole request.
#[test]
fn s_26_nobody_is_stuck() {
    let app = hurried();
    let head =
        "POST /public/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    cut_off(&app, &[head.as_bytes()], 408);
    cut_off(&app, &[head.as_bytes(), b"hel"], 408);
    // The upstream says no before it has seen the body.
    app.upstream().early("/public/early", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
    let mut client = app.connect();
    client.send(head.replace("/public/x", "/public/early"));
    let answer = client.answer().expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (417, "no"));
    app.expect_answered_elsewhere(1);
}
