//! Group P: headers, user agents and methods that want to pass for something else.

use crate::support::{RawClient, TestApp, get, request};

/// Names that programs take for an order from their own side, and what they would make of them.
const INTERNAL: &[(&str, &str)] = &[
    ("X-Middleware-Subrequest", "middleware:middleware:middleware:middleware:middleware"),
    ("X-Middleware-Subrequest", "src/middleware:src/middleware:src/middleware:src/middleware:src/middleware"),
    ("X-Middleware-Rewrite", "/admin"),
    ("X-Middleware-Next", "1"),
    ("X-Gw-Internal", "1"),
    ("X-Skip-Auth", "true"),
    ("X-Stagedoor-Internal", "1"),
    ("X-Envoy-Internal", "true"),
    ("X-Envoy-Original-Path", "/admin"),
    ("X-Envoy-Original-Host", "admin.test"),
    ("X-Envoy-External-Address", "127.0.0.1"),
    ("X-Envoy-Decorator-Operation", "x"),
    ("X-Internal-Request", "1"),
    ("X-Original-URL", "/admin"),
    ("X-Original-URI", "/admin"),
    ("X-Original-Method", "DELETE"),
    ("X-Original-Host", "admin.test"),
    ("X-Rewrite-URL", "/admin"),
    ("X-Forwarded-Uri", "/public"),
    ("X-Forwarded-Path", "/public"),
    ("X-Forwarded-Prefix", "/admin"),
    ("X-Forwarded-Method", "GET"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-HTTP-Method", "DELETE"),
    ("X-Method-Override", "DELETE"),
];

#[test]
fn p_22_headers_that_look_internal() {
    let app = TestApp::start();
    let user = app.person("user");
    let spellings = |name: &str| {
        [
            name.to_owned(),
            name.to_lowercase(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
        ]
    };
    for (name, value) in INTERNAL {
        for name in spellings(name) {
            let line = format!("{name}: {value}\r\n");
            for path in ["/admin", "/api/x", "/nothing"] {
                app.case(None, get(path, &line)).denied();
            }
            app.case(Some(&user), get("/admin", &format!("{line}{}", user.bearer()))).denied();
            for (who, token) in [(None, String::new()), (Some(&user), user.bearer())] {
                let seen = app.case(who, get("/public/x", &format!("{line}{token}"))).allowed();
                let head = String::from_utf8_lossy(&seen.at_upstream().head).to_lowercase();
                assert!(!head.contains(&format!("\n{}:", name.to_lowercase())), "{name}: {head}");
                assert_eq!(
                    (seen.at_upstream().method.as_str(), seen.at_upstream().target.as_str()),
                    ("GET", "/public/x")
                );
            }
        }
    }
    // All of them, on an upgrade as well.
    let all: String = INTERNAL.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let seen = app.case(Some(&user), get("/ws", &format!("{all}{upgrade}{}", user.bearer())));
    assert_eq!(seen.answer().status, 101);
    let head = String::from_utf8_lossy(&seen.at_upstream().head).to_lowercase();
    for (name, _) in INTERNAL {
        assert!(!head.contains(&format!("\n{}:", name.to_lowercase())), "{name}: {head}");
    }
}

#[test]
fn p_23_a_user_agent_opens_nothing() {
    let app = TestApp::start();
    for agent in [
        "kube-probe/1.29",
        "GoogleHC/1.0",
        "ELB-HealthChecker/2.0",
        "Amazon-Route53-Health-Check-Service",
        "Consul Health Check",
        "curl/8",
        "",
    ] {
        for path in ["/admin", "/", "/healthz", "/health", "/ready", "/metrics", "/api/x"] {
            for method in ["GET", "HEAD"] {
                app.case(None, request(method, path, &format!("User-Agent: {agent}\r\n"), b"")).denied();
            }
        }
    }
    // Health has its own listener.
    let host = app.admin_address();
    let mut client = RawClient::connect(host);
    client.send(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(client.answer().map(|a| a.status), Ok(200));
}

#[test]
fn p_24_methods_are_what_they_say() {
    let app = TestApp::with(|setup| {
        setup.rule("{ path: /public/m/**, methods: [POST, DELETE, PUT, OPTIONS], allow: { role: admin } }");
    });
    let overrides =
        ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "x_http_method_override"];
    for name in overrides {
        for method in ["GET", "HEAD", "POST", "DELETE", "get", "TRACE"] {
            let line = format!("{name}: {method}\r\n");
            let seen = app.case(None, get("/public/m/x", &line)).allowed();
            assert_eq!(seen.at_upstream().method, "GET");
            assert_eq!(seen.at_upstream().all(name), Vec::<String>::new());
            let form = format!("{line}Content-Type: application/x-www-form-urlencoded\r\n");
            app.case(None, request("POST", "/public/m/x", &form, b"_method=GET")).denied();
            app.case(None, request("DELETE", "/public/m/x", &line, b"")).denied();
            app.case(None, get("/admin", &line)).denied();
        }
    }
    // A field of a form or query belongs to the application: the rule is asked about the method alone.
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    app.case(None, request("POST", "/public/m/x?_method=GET", form, b"_method=GET")).denied();
    let seen = app.case(None, request("POST", "/public/x?_method=DELETE", form, b"_method=DELETE")).allowed();
    assert_eq!(
        (seen.at_upstream().method.as_str(), &*seen.at_upstream().body),
        ("POST", &b"_method=DELETE"[..])
    );
    // HEAD is a GET without a body.
    app.case(None, request("HEAD", "/public/m/x", "", b"")).allowed();
    for method in ["HEAD", "OPTIONS", "GET", "POST", "PATCH"] {
        app.case(None, request(method, "/admin", "", b"")).denied();
    }
    app.case(None, request("OPTIONS", "/public/m/x", "", b"")).denied();
    let line = |method: &str, target: &str| format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (method, status) in [("get", 400), ("Get", 400), ("PROPFIND", 501), ("BREW", 501), ("TRACE", 405)] {
        for path in ["/admin", "/public/x"] {
            app.case(None, line(method, path)).rejected_with(status);
        }
    }
    for target in ["a:80", "/public/x", "localhost:80"] {
        app.case(None, line("CONNECT", target)).rejected_with(405);
    }
}
