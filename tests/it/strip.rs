//! Routes that hide the beginning of the path from their upstream: rules see the whole path, the upstream the rest.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::{TestApp, Upstream, get, request};

fn app(more: &str) -> (TestApp, Upstream) {
    let behind = Upstream::start();
    let servers = format!("{{ servers: [\"http://{}\"]{more} }}", behind.address());
    let app = TestApp::with(|setup| {
        setup.upstream("behind", &servers);
        setup.route("{ path: /api/**, upstream: behind, strip_prefix: /api }");
        setup.route("{ path: /public/deep/er/**, upstream: behind, strip_prefix: /public/deep }");
    });
    (app.with_other_upstreams(), behind)
}

#[test]
fn p_07_p_08_the_upstream_sees_what_is_left() {
    let (app, behind) = app("");
    let user = app.person("user");
    for (target, seen) in [
        ("/api", "/"),
        ("/api/", "/"),
        ("/api?q=/api/", "/?q=/api/"),
        ("/api/x?y", "/x?y"),
        ("/%61pi/%7ex", "/~x"),
        ("/api/api/admin/", "/api/admin/"),
    ] {
        assert_eq!(app.ask(get(target, "")).status, 401, "{target}: rules are about the whole path");
        let answer = app.ask(get(target, &user.bearer()));
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        let last = behind.last();
        assert_eq!(last.target, seen, "{target}");
        assert_eq!(last.field("x-forwarded-prefix").as_deref(), Some("/api"), "{target}");
        assert_eq!(last.field("x-auth-user-id"), Some(user.id.to_string()));
    }
    assert_eq!(app.ask(get("/public/deep/er/x", "")).status, 200);
    let last = behind.last();
    assert_eq!(
        (last.target.as_str(), last.field("x-forwarded-prefix").as_deref()),
        ("/er/x", Some("/public/deep"))
    );
    let before = behind.count();
    for target in [
        "/api../admin",
        "/api%2e%2e/admin",
        "/api%2e/admin/secret",
        "/%61pi/../admin",
        "/api/../admin",
        "/api//admin",
        "/api/%2fadmin",
        "/apiadmin",
    ] {
        let answer = app.ask(get(target, &user.bearer()));
        assert!(matches!(answer.status, 400 | 403 | 404), "{target}: {}", answer.status);
    }
    assert_eq!((behind.count(), app.upstream().count()), (before, 0));
    behind.assert_readings_agree(false);
}

/// What a client says about a prefix is not passed on, with and without one of ours.
#[test]
fn i_04_the_prefix_is_ours_to_tell() {
    let (app, behind) = app("");
    let user = app.person("user");
    let forged = format!("X-Forwarded-Prefix: /evil\r\nX_Forwarded_Prefix: /evil\r\n{}", user.bearer());
    assert_eq!(app.ask(get("/api/x", &forged)).status, 200);
    assert_eq!(behind.last().field("x-forwarded-prefix").as_deref(), Some("/api"));
    assert_eq!(app.ask(get("/public/x", &forged)).status, 200);
    assert_eq!(app.upstream().last().field("x-forwarded-prefix"), None);
    assert!(!String::from_utf8_lossy(&app.upstream().last().head).contains("evil"));
}

/// The upstream checks the assertion against the request line it got.
#[test]
fn an_assertion_is_bound_to_the_path_that_the_upstream_sees() {
    let (app, behind) = app(", assertion: request");
    let user = app.person("user");
    assert_eq!(app.ask(request("POST", "/api/x?y", &user.bearer(), b"")).status, 200);
    let last = behind.last();
    let token = last.field("x-auth-assertion").expect("an assertion");
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, last.path().as_bytes());
    assert_eq!((claims["htm"].as_str(), last.path()), (Some("POST"), "/x"));
    assert_eq!(claims["path_hash"], URL_SAFE_NO_PAD.encode(digest.as_ref()));
}
