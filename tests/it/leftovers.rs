//! Bodies that nobody read, and answers without one: whatever was left on a connection is never taken for a request or
//! an answer.

use std::io::Write as _;

use crate::support::{Next, RawClient, TestApp, get, request};

/// A body that would be a request if it were read as one.
const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: localhost\r\nX-Auth-Roles: admin\r\n\r\n";

/// Sends a head now and its body after the answer, then asks for something harmless if the connection is still open.
fn body_after_answer(app: &TestApp, head: &str, status: u16) {
    let mut client = app.connect();
    client.send(head);
    let first = client.answer().unwrap_or_else(|e| panic!("{e:?} for {head:?}"));
    assert_eq!(first.status, status, "{head:?}: {}", first.text());
    client.send(SMUGGLED);
    if !client.is_closed() {
        let next = client.answer();
        assert!(next.is_err(), "{head:?}: the body was answered with {next:?}");
    }
    let smuggled = app.upstream().since(0).iter().filter(|r| r.target.contains("smuggled")).count();
    assert_eq!(smuggled, 0, "{head:?}: its body was forwarded as a request");
}

#[test]
fn the_body_of_a_refused_request_is_no_request() {
    let app = TestApp::start();
    let length = SMUGGLED.len();
    let navigation = "Sec-Fetch-Mode: navigate\r\nAccept: text/html\r\n";
    for (method, path, extra, status) in [
        ("POST", "/api/x", "", 401),
        ("POST", "/api/x", navigation, 303),
        ("PUT", "/admin/x", "", 401),
        ("GET", "/api/x", "", 401),
        ("DELETE", "/api/x", "Expect: 100-continue\r\n", 401),
        ("POST", "/nowhere", "", 403),
        ("POST", "/public/../x", "", 400),
    ] {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{extra}Content-Length: {length}\r\n\r\n");
        body_after_answer(&app, &head, status);
        // And when it comes in one piece with the head.
        let mut client = app.connect();
        client.send(head + SMUGGLED);
        assert_eq!(client.answer().map(|a| a.status), Ok(status), "{method} {path}");
        if !client.is_closed() {
            assert!(client.answer().is_err(), "{method} {path}: the body was answered");
        }
    }
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn the_chunks_of_a_refused_request_are_no_request() {
    let app = TestApp::start();
    let chunked = "POST /api/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    body_after_answer(&app, chunked, 401);
    let mut client = app.connect();
    client.send(format!("{chunked}{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n{}", SMUGGLED.len(), SMUGGLED));
    assert_eq!(client.answer().map(|a| a.status), Ok(401));
    if !client.is_closed() {
        assert!(client.answer().is_err());
    }
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn our_own_endpoints_read_their_bodies_to_the_end() {
    let app = TestApp::start();
    for (method, path) in [
        ("GET", "/auth/.well-known/jwks.json"),
        ("GET", "/auth/login/"),
        ("POST", "/auth/nowhere/"),
        ("GET", "/auth/static/none"),
    ] {
        let mut client = app.connect();
        client.send(request(method, path, "", SMUGGLED.as_bytes()));
        let first = client.answer().expect("an answer");
        assert!(first.status < 500, "{method} {path}");
        client.send(get("/auth/.well-known/jwks.json", ""));
        if let Ok(second) = client.answer() {
            assert!(second.text().contains("\"keys\""), "{method} {path}: {}", second.text());
        }
    }
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn an_upstream_that_answers_early_leaves_nothing_behind() {
    let app = TestApp::start();
    // The upstream reads the whole body before it answers; here it is the client that is slow.
    app.upstream().script("/public/early", |_, stream| {
        let _ = stream
            .write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        Next::Close
    });
    let mut client = app.connect();
    client.send(request("POST", "/public/early", "", SMUGGLED.as_bytes()));
    assert_eq!(client.answer().map(|a| a.status), Ok(413));
    client.send(get("/public/after", ""));
    if let Ok(answer) = client.answer() {
        assert_eq!(answer.json()["target"], "/public/after");
    }
    assert!(app.upstream().since(0).iter().all(|r| !r.target.contains("smuggled")));
}

#[test]
fn answers_without_a_body_keep_the_connection_in_step() {
    let app = TestApp::start();
    app.upstream().canned("/public/204", "HTTP/1.1 204 No Content\r\n\r\n");
    app.upstream()
        .canned("/public/304", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n");
    app.upstream().canned("/public/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    app.upstream().canned(
        "/public/hints",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let mut client: RawClient = app.connect();
    for (method, path, status) in [
        ("HEAD", "/public/x", 200),
        ("GET", "/public/204", 204),
        ("GET", "/public/304", 304),
        ("HEAD", "/api/x", 401),
        ("HEAD", "/auth/login/", 200),
        ("GET", "/public/empty", 200),
        ("HEAD", "/auth/.well-known/jwks.json", 200),
    ] {
        client.send(request(method, path, "", b""));
        let answer = client.answer_to(method).unwrap_or_else(|e| panic!("{method} {path}: {e:?}"));
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{method} {path}");
        client.send(get("/public/between", ""));
        let between = client.answer().unwrap_or_else(|e| panic!("after {method} {path}: {e:?}"));
        assert_eq!(between.json()["target"], "/public/between", "after {method} {path}");
    }
    assert_eq!(app.ask(get("/public/hints", "")).text(), "ok");
}

#[test]
fn odd_answers_of_an_upstream_are_not_passed_on_as_two() {
    let app = TestApp::start();
    let odd = [
        ("/public/two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok"),
        (
            "/public/both",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        (
            "/public/more",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        ),
        ("/public/negative", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
    ];
    for (path, answer) in odd {
        app.upstream().canned(path, answer);
    }
    for (path, _) in odd {
        let mut client = app.connect();
        client.send(get(path, ""));
        let first = client.answer();
        if let Ok(first) = &first {
            assert!(first.status == 200 && first.text() == "ok" || first.status == 502, "{path}: {first:?}");
        }
        // Whoever asks next, on this connection or another, gets an answer to that question.
        client.send(get("/public/next", ""));
        if let Ok(next) = client.answer() {
            assert_eq!(next.json()["target"], "/public/next", "{path}");
        }
        for _ in 0..3 {
            assert_eq!(app.ask(get("/public/next", "")).json()["target"], "/public/next", "{path}");
        }
    }
    let answered = app.forwards_said();
    app.expect_unanswered(app.upstream().count() - answered);
}
