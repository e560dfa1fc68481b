//! Bodies that are too large, for our own endpoints and for applications: 413, and no more of them is read (D-03, D-15).

use super::memory;
use crate::support::{RawClient, TestApp, request, until};

/// More than any limit, and more than all buffers on the way.
const ENDLESS: usize = 256 << 20;

/// Sends chunks until the other side has had enough; how many bytes, and what it said.
fn pour(client: &mut RawClient) -> (usize, Option<u16>) {
    let chunk = [b"10000\r\n", vec![b'a'; 65536].as_slice(), b"\r\n"].concat();
    let mut sent = 0;
    while sent < ENDLESS && client.try_send(&chunk).is_ok() {
        sent += chunk.len();
    }
    (sent, client.answer().ok().map(|answer| answer.status))
}

#[test]
fn d_03_own_endpoints_read_sixteen_kilobytes() {
    let app = TestApp::start();
    let post = |body: &[u8]| request("POST", "/auth/token/", "Content-Type: application/json\r\n", body);
    let padded = |n: usize| format!("{{\"email\":\"{}\"}}", "a".repeat(n)).into_bytes();
    let fits = app.ask(post(&padded(15 << 10))).status;
    assert!(matches!(fits, 400 | 422), "{fits}");
    for size in [17 << 10, 65 << 10, 1 << 20] {
        assert_eq!(app.ask(post(&padded(size))).status, 413, "{size}");
    }
    for path in ["/auth/register/", "/auth/token/refresh/", "/auth/sign-in"] {
        let body = "a".repeat(100_000);
        let answer = app.ask(request("POST", path, "Content-Type: application/json\r\n", body.as_bytes()));
        assert_eq!(answer.status, 413, "{path}");
    }
}

#[test]
fn d_03_an_endless_body_is_not_read_to_its_end() {
    let app = TestApp::start();
    let before = memory();
    for path in ["/auth/token/", "/public/upload", "/api/upload", "/nowhere"] {
        let mut client = app.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        let (sent, status) = pour(&mut client);
        println!("{path}: {sent} bytes, then {status:?}");
        assert!(sent < ENDLESS, "{path} takes everything");
        assert!(matches!(status, None | Some(401 | 403 | 404 | 413)), "{path}: {status:?}");
    }
    // The limit of the route is a megabyte; what the upstream got was no whole body.
    until("the upstream to notice", || app.upstream().since(0).pop());
    assert!(app.upstream().since(0).iter().all(|r| !r.complete), "half a body was taken for a whole one");
    let grown = memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    assert!(app.metric("stagedoor_denials_total", "body_too_large") >= 2);
}

#[test]
fn d_15_a_long_address_is_refused_before_anything_is_done_with_it() {
    let app = TestApp::start();
    for n in [1 << 20, 16 << 10] {
        let body = serde_json::json!({ "email": format!("{}@example.org", "a".repeat(n)), "password": "x" });
        assert_eq!(app.ask(app_login(&body)).status, 413, "{n}");
    }
    for address in ["a".repeat(8 << 10), format!("{}@example.org", "a.".repeat(4000)), "@".repeat(12_000)] {
        let body = serde_json::json!({ "email": address, "password": "Correct-Horse-9" });
        let answer = app.ask(app_login(&body));
        assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
    }
    assert_eq!(app.metric("stagedoor_hash_duration_seconds_count", ""), 0, "nothing was hashed for them");
}

fn app_login(body: &serde_json::Value) -> Vec<u8> {
    request("POST", "/auth/token/", "Content-Type: application/json\r\n", body.to_string().as_bytes())
}
