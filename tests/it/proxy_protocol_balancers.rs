//! F-09 with a real HAProxy and a real nginx in front, set up as docs/operators.md says; with TLS and without.

use std::net::SocketAddr;

use crate::client_address::{assert_one_bucket, five_logins, nobody};
use crate::flows_process::Ports;
use crate::proxy_protocol::expecting;
use crate::support::{FrontProxy, RawClient, TestApp, get, request};
use crate::tls;

/// HAProxy with either version, nginx with the one that it speaks.
fn balancers(gateway: SocketAddr) -> [(&'static str, FrontProxy); 3] {
    [
        ("HAProxy, version 1", FrontProxy::haproxy(Ports::lease(1), 1, gateway)),
        ("HAProxy, version 2", FrontProxy::haproxy(Ports::lease(1), 2, gateway)),
        ("nginx", FrontProxy::nginx_stream(Ports::lease(1), gateway)),
    ]
}

#[test]
fn f_09_real_balancers_say_who_the_client_is() {
    let app = TestApp::with(|setup| {
        expecting(setup);
        setup.rule("{ path: /near/**, allow: { network: [127.0.0.5] } }");
    });
    for (name, balancer) in balancers(app.address()) {
        let ask = |source: u8, bytes: &[u8]| {
            RawClient::from([127, 0, 0, source], balancer.address()).send(bytes).answer().unwrap()
        };
        let claim = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n";
        assert_eq!(ask(5, &get("/near/x", claim)).status, 200, "{name}");
        let seen = app.upstream().last();
        assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("127.0.0.5"), "{name}");
        let forwarded = "for=127.0.0.5;host=localhost;proto=http";
        assert_eq!(seen.field("forwarded").as_deref(), Some(forwarded), "{name}");
        assert_eq!(ask(6, &get("/near/x", claim)).status, 403, "{name}");
        assert_eq!(ask(6, &get("/inside/x", claim)).status, 403, "{name}");
        let body = vec![b'x'; 300_000];
        assert_eq!(ask(6, &request("POST", "/public/x", "", &body)).status, 200, "{name}");
        assert_eq!(app.upstream().last().body.len(), body.len(), "{name}");
    }
    let faults = ["missing", "malformed", "stranger"];
    for reason in faults.map(|r| format!("reason=\"proxy_protocol_{r}\"")) {
        // The look whether the gateway listens comes from here and says nothing.
        assert_eq!(app.metric("stagedoor_denials_total", &reason), 0, "{reason}: health checks and all");
    }
}

#[test]
fn f_04_f_09_behind_a_balancer_limits_are_each_clients_own() {
    let app = TestApp::with(|setup| {
        expecting(setup);
        five_logins(setup);
    });
    for (name, balancer) in balancers(app.address()) {
        app.advance(std::time::Duration::from_secs(120));
        let from = |source: u8, n: u32| {
            let body = serde_json::json!({ "email": nobody(n), "password": "Summer-2026!" }).to_string();
            let bytes =
                request("POST", "/auth/token/", "Content-Type: application/json\r\n", body.as_bytes());
            RawClient::from([127, 0, 0, source], balancer.address()).send(bytes).answer().unwrap().status
        };
        assert_one_bucket(&(0..7).map(|n| from(5, n)).collect::<Vec<_>>(), name);
        assert_eq!(from(6, 99), 401, "{name}: somebody else");
    }
}

/// The header comes before the handshake, on the listener for TLS as on the other.
#[test]
fn f_09_the_header_comes_before_tls() {
    let config = tls::CONFIG
        .replace("threads: 1", "threads: 1\n  trusted_proxies: [127.0.0.1]\n  proxy_protocol: true")
        .replace("allow: public }", "allow: { network: [127.0.0.5] } }");
    let stage = tls::Stage::on(&config);
    let page = get("/public/x", "Connection: close\r\nX-Forwarded-For: 127.0.0.5\r\n");
    for (name, balancer) in balancers(stage.tls_address()) {
        for (source, status) in [(5, 502), (6, 403)] {
            let socket = RawClient::from([127, 0, 0, source], balancer.address()).into_stream();
            let mut tls = stage.handshake(socket, &[b"http/1.1"]).expect("a handshake");
            assert_eq!(tls::answer(&mut tls, &page).0, status, "{name}: allowed, and there is no upstream");
        }
    }
    // Both in one packet, and the header inside of TLS, which is not its place.
    let header = b"PROXY TCP4 127.0.0.5 127.0.0.1 4711 443\r\n";
    let mut direct = stage.handshake_after(header).expect("a handshake");
    assert_eq!(tls::answer(&mut direct, &page).0, 502);
    let socket = RawClient::connect(stage.tls_address()).into_stream();
    assert!(stage.handshake(socket, &[]).is_err(), "no header, no handshake");
    let mut twice = stage.handshake_after(header).expect("a handshake");
    assert_eq!(tls::answer(&mut twice, &[header, &page[..]].concat()).0, 400);
    // A person who comes without TLS is led on, whoever carried the bytes.
    let mut plain = RawClient::connect(stage.plain_address());
    plain.send([header, &page[..]].concat());
    assert_eq!(plain.answer().expect("an answer").status, 403);
}
