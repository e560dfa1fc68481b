//! What the gateway answers itself, with a request hidden in a body that nobody reads.

use serde_json::json;

use super::{SMUGGLED, stage};
use crate::forward_auth::outside;
use crate::support::{Person, Seen, Silence, TestApp, get};

/// A request whose body is another request, in the two ways a body can come.
fn hiding(method: &str, path: &str, extra: &str) -> [Vec<u8>; 2] {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{extra}");
    let length = SMUGGLED.len();
    [
        format!("{head}Content-Length: {length}\r\n\r\n{SMUGGLED}").into(),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n").into(),
    ]
}

/// The next request on the same connection gets its own answer, or the connection is closed.
fn next_is_itself(app: &TestApp, mut seen: Seen, what: &str) {
    assert_eq!(seen.forwarded.len(), 0, "{what}");
    let before = app.upstream().count();
    seen.client.send(get("/public/next?n=1", ""));
    match seen.client.answer() {
        Ok(second) => {
            assert_eq!(second.status, 200, "{what}: {}", second.text());
            assert_eq!(second.json()["target"], "/public/next?n=1", "{what}");
            assert!(seen.client.is_open_and_quiet(), "{what}: more answers than requests");
        }
        Err(silence) => assert_eq!(silence, Silence::Closed, "{what}"),
    }
    for request in app.judge_since(before, None, what) {
        assert_eq!(request.target, "/public/next?n=1", "{what}");
    }
}

/// Everything that is answered without an upstream: who asks, how, for what, and the status.
fn local<'a>(
    user: &'a Person,
    admin: &'a Person,
) -> Vec<(Option<&'a Person>, &'static str, &'static str, u16)> {
    vec![
        (None, "GET", "/auth/login/", 200),
        (None, "GET", "/auth/.well-known/jwks.json", 200),
        (None, "HEAD", "/auth/.well-known/jwks.json", 200),
        (None, "POST", "/auth/.well-known/jwks.json", 405),
        (None, "GET", "/auth/static/app.css", 404),
        (None, "GET", "/auth/nothing/", 404),
        (None, "GET", "/auth/", 303),
        (None, "DELETE", "/auth/login/", 405),
        (None, "OPTIONS", "/auth/login/", 405),
        (Some(user), "GET", "/auth/me/", 200),
        (Some(user), "PATCH", "/auth/profile/", 415),
        (Some(admin), "GET", "/auth/admin/users/", 200),
        (None, "GET", "/api/x", 401),
        (None, "POST", "/api/x", 401),
        (Some(user), "GET", "/admin/x", 403),
        (Some(user), "DELETE", "/admin/x", 403),
        (Some(user), "GET", "/mfa/x", 401),
        (None, "GET", "/nothing", 403),
        (Some(user), "GET", "/nothing", 403),
        (None, "GET", "/public/../admin", 400),
        (None, "GET", "/public%2fx", 400),
    ]
}

#[test]
fn s_01_bodies_that_nobody_reads() {
    let app = stage();
    let (user, admin) = (app.person("user"), app.person("admin"));
    for (who, method, path, status) in local(&user, &admin) {
        let token = who.map(Person::bearer).unwrap_or_default();
        for bytes in hiding(method, path, &token) {
            let what = format!("{method} {path}");
            let seen = app.case(who, &bytes);
            // A refusal may depend on there being a body; that the request is answered here does not.
            let said = seen.answer().status;
            assert!(
                said == status || matches!(said, 400 | 413 | 415 | 422),
                "{what}: {said} instead of {status}"
            );
            next_is_itself(&app, seen, &what);
        }
    }
    assert_eq!(app.upstream().since(0).iter().filter(|r| r.target.contains("smuggled")).count(), 0);
}

/// The head is answered before its body comes.
#[test]
fn s_01_bodies_that_come_after_the_answer() {
    let app = stage();
    let user = app.person("user");
    for (who, path) in [(None, "/api/x"), (None, "/nothing"), (Some(&user), "/admin/x"), (None, "/public//x")]
    {
        let token = who.map(Person::bearer).unwrap_or_default();
        let length = SMUGGLED.len();
        for framing in [format!("Content-Length: {length}\r\n"), "Transfer-Encoding: chunked\r\n".into()] {
            let mut seen =
                app.case(who, format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{token}{framing}\r\n"));
            assert!(matches!(seen.answer().status, 400 | 401 | 403), "{path}");
            seen.client.send(SMUGGLED);
            next_is_itself(&app, seen, path);
        }
    }
}

#[test]
fn s_01_too_many_requests_and_another_behind_them() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| {
            let window = std::time::Duration::from_secs(600);
            settings.account.rate_limits.login = stagedoor::limiter::Quota { limit: 2, window };
        });
    });
    let app = app.with_outside_judges();
    let body = json!({ "email": "nobody@example.org", "password": SMUGGLED }).to_string();
    let head = "POST /auth/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let sized = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let mut limited = 0;
    for bytes in [&sized, &chunked].repeat(4) {
        let seen = app.case(None, bytes);
        limited += usize::from(seen.answer().status == 429);
        assert!(matches!(seen.answer().status, 401 | 429), "{}", seen.answer().text());
        next_is_itself(&app, seen, "429");
        // The same with the hidden request behind the body: it is dropped with the connection.
        let seen = app.case(None, format!("{bytes}{SMUGGLED}"));
        assert_eq!(seen.forwarded.len(), 0);
        seen.closed();
    }
    assert!(limited >= 6, "{limited} answers of 429");
}

#[test]
fn s_01_another_proxy_asks_with_a_body() {
    let app = TestApp::with(outside).with_outside_judges();
    let user = app.person("user");
    let about = "X-Forwarded-Method: GET\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: outside.test\r\n\
         X-Forwarded-Uri: /api/x\r\nX-Forwarded-For: 127.0.0.1\r\n";
    for (who, status) in [(None, 401), (Some(&user), 200)] {
        let token = who.map(Person::bearer).unwrap_or_default();
        for bytes in hiding("GET", "/auth/verify", &format!("{about}{token}")) {
            let seen = app.case(who, &bytes);
            assert_eq!(seen.answer().status, status, "{}", seen.answer().text());
            next_is_itself(&app, seen, "verify");
        }
    }
}

#[test]
fn s_34_own_endpoints_that_take_no_body() {
    let app = stage();
    let types =
        ["", "Content-Type: application/json\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"];
    for path in
        ["/auth/logout/", "/auth/token/", "/auth/login/", "/auth/token/refresh/", "/auth/static/x", "/auth/"]
    {
        for kind in types {
            // The body is one: the length counts, whoever reads it.
            for bytes in hiding("POST", path, kind) {
                next_is_itself(&app, app.case(None, &bytes), path);
            }
            // No body is announced, or one that is over at once: what follows is another request, and is dropped.
            let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{kind}");
            for none in ["Content-Length: 0\r\n\r\n", "\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
                let seen = app.case(None, format!("{head}{none}{SMUGGLED}"));
                assert_eq!(seen.forwarded.len(), 0, "{path}");
                assert!(seen.answer().status < 500, "{path}: {}", seen.answer().text());
                seen.closed();
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
            for bytes in hiding(method, path, "") {
                next_is_itself(&app, app.case(None, &bytes), path);
            }
        }
    }
    // A body of the usual kind is read to its end, and the connection lives on.
    let mut client = app.connect();
    for _ in 0..3 {
        client.send("POST /auth/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(client.answer().map(|a| a.status), Ok(422));
    }
    assert_eq!(app.upstream().since(0).iter().filter(|r| r.target != "/public/next?n=1").count(), 0);
}
