//! Group C of the security cases, what a browser is told: every answer of either listener carries the headers, and no
//! other origin is ever let in.

use serde_json::json;
use stagedoor::limiter::Quota;

use crate::flows_process::Ports;
use crate::support::{Answer, RawClient, TestApp, get, request};

/// What stands in every answer, whatever went wrong (C-08), and what never does (C-07).
fn assert_headers(answer: &Answer, what: &str) {
    let field = |name: &str| answer.field(name).unwrap_or_default().to_owned();
    assert_eq!(field("x-content-type-options"), "nosniff", "{what}: {}", answer.text());
    let policy = field("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{what}: may be framed: {policy}");
    assert_eq!(field("x-frame-options"), "DENY", "{what}");
    assert!(!field("referrer-policy").is_empty(), "{what}: no Referrer-Policy");
    assert!(field("cache-control").contains("no-store"), "{what}: {}", field("cache-control"));
    assert!(!field("server").contains(|c: char| c.is_ascii_digit()), "{what}: {}", field("server"));
    assert_no_cors(answer, what);
}

fn assert_no_cors(answer: &Answer, what: &str) {
    for name in
        ["access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods"]
    {
        assert_eq!(answer.field(name), None, "{what}");
    }
}

/// One request for each refusal of the gateway.
fn refusals(app: &TestApp) -> Vec<(u16, Vec<u8>)> {
    let bearer = app.person("user").bearer();
    let json = "Content-Type: application/json\r\n";
    let big = format!("{bearer}Content-Length: 99999999\r\n");
    vec![
        (400, get("/api/../x", &bearer)),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec()),
        (431, get("/public/x", &"X-A: 1\r\n".repeat(200))),
        (501, request("PROPFIND", "/public/x", "", b"")),
        (505, b"GET / HTTP/1.7\r\nHost: a\r\n\r\n".to_vec()),
        (401, get("/api/x", "")),
        (401, get("/api/x", "Authorization: Bearer nonsense\r\n")),
        (403, get("/admin/x", &bearer)),
        (404, get("/auth/nothing/", "")),
        (405, request("DELETE", "/auth/token/", "", b"")),
        (413, format!("POST /api/x HTTP/1.1\r\nHost: localhost\r\n{big}\r\n").into_bytes()),
        (415, request("POST", "/auth/token/", "Content-Type: text/plain\r\n", b"{}")),
        (422, request("POST", "/auth/register/", json, b"{}")),
    ]
}

#[test]
fn c_08_every_refusal_carries_every_header_and_no_version() {
    let app = TestApp::start();
    for (status, bytes) in refusals(&app) {
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let answer = app.ask(&bytes);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert_headers(&answer, &what);
    }
}

#[test]
fn c_08_so_does_the_answer_for_an_upstream_that_is_away() {
    let away = Ports::lease(1);
    let app = TestApp::with(|setup| {
        setup.upstream_at(away.address(0));
    });
    let answer = app.ask(get("/public/x", ""));
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_headers(&answer, "502");
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "C-13");
}

#[test]
fn c_08_the_operators_listener_carries_them_too() {
    let app = TestApp::start();
    for path in ["/metrics", "/healthz", "/readyz", "/readyz/accounts", "/", "/nothing", "/mailbox/none"] {
        let mut client = RawClient::connect(app.admin_address());
        let host = app.admin_address();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.example\r\n\r\n"));
        assert_headers(&client.answer().expect("an answer"), path);
    }
    let mut client = RawClient::connect(app.admin_address());
    client.send("GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n");
    let answer = client.answer().expect("an answer");
    assert_eq!(answer.status, 403, "C-11");
    assert_headers(&answer, "rebound");
}

#[test]
fn c_07_no_origin_is_ever_let_in() {
    let app = TestApp::start();
    let person = app.person("user");
    for origin in ["https://good.com.evil", "null", "http://good.com", app.public_url()] {
        let preflight =
            "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";
        for path in ["/auth/token/", "/auth/me/", "/public/x", "/nothing"] {
            let asked = request("OPTIONS", path, &format!("Origin: {origin}\r\n{preflight}"), b"");
            assert_no_cors(&app.ask(asked), &format!("OPTIONS {path} {origin}"));
            let extra = format!("Origin: {origin}\r\n{}", person.bearer());
            assert_no_cors(&app.ask(get(path, &extra)), &format!("GET {path} {origin}"));
        }
    }
}

#[test]
fn c_13_every_error_is_a_problem_with_a_stable_type() {
    let app = TestApp::start();
    for (status, bytes) in refusals(&app) {
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let answer = app.ask(&bytes);
        assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{what}");
        let body = answer.json();
        assert_eq!(body["status"], json!(status), "{what}");
        for key in ["type", "title"] {
            assert!(body[key].as_str().is_some_and(|t| !t.is_empty()), "{what}: {body}");
        }
        let id = answer.field("x-request-id");
        assert!(id.is_some_and(|id| !id.is_empty()), "INV-7: {what}: no request id");
        assert!(body["request_id"].is_null() || body["request_id"].as_str() == id, "{what}: {body}");
        for trace in ["panicked", "src/", ".rs:", "backtrace"] {
            assert!(!answer.text().contains(trace), "{what}: {body}");
        }
    }
}

#[test]
fn c_14_a_limit_says_its_name_and_when_to_come_back() {
    let app = TestApp::with(|setup| {
        setup.tweak(|s| {
            s.account.rate_limits.login = Quota { limit: 2, window: std::time::Duration::from_secs(60) };
        });
    });
    let body = json!({ "email": "nobody@example.org", "password": "not this one" });
    for _ in 0..2 {
        assert_eq!(app.post_json("/token/", "", &body).status, 401);
    }
    let answer = app.post_json("/token/", "", &body);
    assert_eq!(answer.status, 429);
    assert_headers(&answer, "429");
    let number = |text: &str, key: &str| -> u64 {
        let rest = text.split(';').find_map(|part| part.trim().strip_prefix(key)).expect(key);
        rest.parse().expect("a number")
    };
    let limit = answer.field("ratelimit").expect("RateLimit").to_owned();
    let policy = answer.field("ratelimit-policy").expect("RateLimit-Policy").to_owned();
    assert!(
        limit.starts_with('"') && limit.split('"').nth(1) == policy.split('"').nth(1),
        "{limit} {policy}"
    );
    assert_eq!((number(&limit, "r="), number(&policy, "q="), number(&policy, "w=")), (0, 2, 60));
    let wait: u64 = answer.field("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!(wait >= number(&limit, "t=") && wait <= 60, "{wait} {limit}");
}

#[test]
fn c_08_so_does_the_answer_to_a_head_that_never_ends() {
    let app = TestApp::with(|setup| {
        setup.tweak(|s| s.proxy.limits.head_timeout = std::time::Duration::from_millis(1500));
    });
    let mut client = app.connect();
    client.send("GET /public/x HTTP/1.1\r\nHost: loc");
    let answer = client.answer().expect("an answer");
    assert_eq!(answer.status, 408);
    assert_headers(&answer, "408");
    assert_eq!(answer.field("x-request-id"), answer.json()["request_id"].as_str(), "INV-7");
}
