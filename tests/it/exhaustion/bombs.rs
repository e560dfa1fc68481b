//! Small input that is a lot of work: depth, numbers of things, long digits, in every parser of ours (D-06, D-07).

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stagedoor::config;

use crate::support::{TestApp, get, request};

/// JSON of about `size` bytes that asks for a lot.
fn json_bombs(size: usize) -> Vec<(&'static str, String)> {
    let pairs = |n: usize| (0..n).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",");
    vec![
        ("arrays", "[".repeat(size)),
        ("arrays in a field", format!("{{\"email\":{}", "[".repeat(size))),
        ("objects", "{\"a\":".repeat(size / 5)),
        ("closed arrays", format!("{}{}", "[".repeat(size / 2), "]".repeat(size / 2))),
        ("many keys", format!("{{{}}}", pairs(size / 12))),
        ("the same key", format!("{{{}}}", vec!["\"email\":\"a\""; size / 12].join(","))),
        ("digits", format!("{{\"email\":{}}}", "9".repeat(size))),
        ("an exponent", format!("{{\"email\":1e{}}}", "9".repeat(size))),
        ("escapes", format!("{{\"email\":\"{}\"}}", "\\u0000".repeat(size / 6))),
    ]
}

#[test]
fn d_06_d_07_json_that_explodes_is_refused() {
    let app = TestApp::start();
    for (what, body) in json_bombs(15_000) {
        for path in ["/auth/token/", "/auth/register/", "/auth/token/refresh/"] {
            let kind = "Content-Type: application/json\r\n";
            let answer = app.ask(request("POST", path, kind, body.as_bytes()));
            assert!(matches!(answer.status, 400 | 422), "{what} to {path}: {}", answer.text());
        }
    }
    // As large as the page has them: refused by their size, before anybody looks inside.
    for (what, body) in json_bombs(100_000).into_iter().chain(json_bombs(1_000_000)) {
        let answer =
            app.ask(request("POST", "/auth/token/", "Content-Type: application/json\r\n", body.as_bytes()));
        assert_eq!(answer.status, 413, "{what}");
    }
    app.assert_alive();
}

#[test]
fn d_07_tokens_that_explode_are_refused() {
    let app = TestApp::start();
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let head = part("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"x\"}");
    for (what, bomb) in json_bombs(9_000) {
        for token in [format!("{}.{}.AAAA", part(&bomb), part("{}")), format!("{head}.{}.AAAA", part(&bomb))]
        {
            app.case(None, get("/api/x", &format!("Authorization: Bearer {token}\r\n"))).denied();
            let cookie = format!("Cookie: __Host-access={token}; access={token}\r\n");
            let seen = app.ask(get("/api/x", &cookie)).status;
            assert!(matches!(seen, 401 | 431), "{what}: {seen}");
        }
    }
    for dots in [3, 1000, 20_000] {
        app.case(None, get("/api/x", &format!("Authorization: Bearer {}\r\n", ".".repeat(dots)))).denied();
    }
}

#[test]
fn d_07_fields_that_explode_are_harmless() {
    let app = TestApp::with(|setup| {
        setup.server("trusted_proxies: [127.0.0.1]");
    });
    let user = app.person("user");
    for fields in [
        format!("Cookie: {}\r\n", "a=b; ".repeat(6000)),
        format!("Cookie: {}\r\n", ";".repeat(30_000)),
        format!("Cookie: {}\r\n", "=".repeat(30_000)),
        format!("X-Forwarded-For: {}\r\n", "10.0.0.1, ".repeat(3000)),
        format!("X-Forwarded-For: {}\r\n", ",".repeat(30_000)),
        format!("X-Forwarded-For: {}192.0.2.1\r\n", "::ffff:127.0.0.1,".repeat(1500)),
        format!("Forwarded: {}\r\n", "for=1;".repeat(5000)),
        format!("Forwarded: for=\"{}\r\n", "\\".repeat(30_000)),
        format!("Forwarded: {}\r\n", "for=\"[::1]\",".repeat(2000)),
        format!("Accept: {}\r\n", "text/html;q=0.1,".repeat(2000)),
        format!("Accept-Language: {}\r\n", "de-DE;q=0.1,".repeat(2000)),
        format!("Connection: {}\r\n", "a,".repeat(15_000)),
    ] {
        let what = fields[..40].to_owned();
        let status = app.ask(get("/api/x", &fields)).status;
        // A browser is led to the sign-in page.
        assert!(matches!(status, 303 | 400 | 401 | 431), "{what}: {status}");
        let status = app.ask(get("/api/x", &format!("{fields}{}", user.bearer()))).status;
        assert!(matches!(status, 200 | 400 | 431), "{what}: {status}");
    }
    let long = "a=1&".repeat(3500);
    for path in [
        format!("/auth/sign-in?{long}"),
        format!("/public/x?{long}"),
        format!("/auth/{}", "%61".repeat(3000)),
    ] {
        assert!(app.ask(get(&path, "")).status < 500, "{}", &path[..20]);
    }
}

/// The configuration is the operator's own; it should still end in a message and not in a crash.
#[test]
fn d_07_configurations_that_explode_are_refused() {
    let rules = |allow: &str| format!("rules:\n  - {{ path: /x, allow: {allow} }}\n");
    let laughs: String =
        (1..12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","))).collect();
    for (what, text) in [
        ("lists", "[".repeat(100_000)),
        ("tables", "{a: ".repeat(50_000)),
        ("indents", (0..3000).map(|n| format!("{}a:\n", " ".repeat(n))).collect()),
        ("dashes", "- ".repeat(50_000)),
        ("laughs", format!("a0: &a0 [lol]\n{laughs}")),
        (
            "requirements",
            rules(&format!("{}authenticated{}", "{ any_of: [".repeat(20_000), "] }".repeat(20_000))),
        ),
        ("few levels", rules(&format!("{}authenticated{}", "{ not: ".repeat(100), " }".repeat(100)))),
        ("digits", format!("server: {{ threads: {} }}", "9".repeat(1_000_000))),
        ("references", format!("secret: \"{}\"", "${A".repeat(100_000))),
    ] {
        let (settings, report) = config::parse(&text, "bomb.yaml", Path::new("."), &|_| None);
        assert!(settings.is_none(), "{what}");
        assert!(!report.problems().is_empty(), "{what}");
    }
}
