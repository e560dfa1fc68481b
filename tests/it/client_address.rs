//! Group F: fields that say where a request comes from, from clients who may not say so. What trusted proxies say is in
//! `client_forwarded`.

use std::time::Duration;

use serde_json::json;
use stagedoor::limiter::Quota;

use crate::support::{RawClient, TestApp, get};

const PAGE: &str = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";

/// A gateway that believes a proxy which is not there, or the client itself, as far as that goes.
fn gateways() -> [TestApp; 3] {
    let trusting = |line: &'static str| TestApp::with(move |setup| _ = setup.server(line));
    [
        TestApp::start(),
        trusting("trusted_proxies: [192.0.2.0/24]"),
        TestApp::with(|setup| {
            _ = setup.server("trusted_proxies: [192.0.2.0/24]").server("forwarded: forwarded");
        }),
    ]
}

/// A sign-in with a wrong password, and these fields.
pub fn guess(app: &TestApp, fields: &str, email: &str) -> u16 {
    let body = json!({ "email": email, "password": "Summer-2026!" });
    app.post_json("/token/", fields, &body).status
}

/// The first of these go on to the password, which is wrong; the others have come too often. Each is about an account
/// of its own, so that what is counted is the address.
pub fn assert_one_bucket(statuses: &[u16], what: &str) {
    assert_eq!(statuses[..5], [401; 5], "{what}");
    assert!(statuses[5..].iter().all(|status| *status == 429), "{what}: {statuses:?}");
}

/// The address of somebody who has no account.
pub fn nobody(n: u32) -> String {
    format!("p{n}@example.org")
}

/// Five sign-ins a minute, by a clock that stands still.
pub fn five_logins(setup: &mut crate::support::Setup) {
    setup.manual_clock().tweak(|settings| {
        settings.account.rate_limits.login = Quota { limit: 5, window: Duration::from_secs(60) };
    });
}

#[test]
fn f_01_nobody_talks_about_another_request_than_the_one_he_makes() {
    let fields = [
        "X-Forwarded-Uri: /public",
        "X-Original-URI: /public/x",
        "X-Original-URL: /public/x",
        "X-Rewrite-URL: /public/x",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: public.example",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Path: /public/x",
        "Forwarded: for=127.0.0.1;host=public.example;proto=https",
    ];
    let trusting_us = TestApp::with(|setup| _ = setup.server("trusted_proxies: [127.0.0.1]"));
    for app in gateways().iter().chain([&trusting_us]) {
        let user = app.person("user");
        for field in fields {
            for spelling in [field.to_owned(), field.to_lowercase(), format!("{field}\r\n{field}")] {
                app.case(None, get("/admin/x", &format!("{spelling}\r\n"))).denied();
                app.case(Some(&user), get("/admin/x", &format!("{spelling}\r\n{}", user.bearer()))).denied();
            }
        }
        let all = fields.join("\r\n") + "\r\n";
        app.case(None, get("/admin/x", &all)).denied();
        app.case(None, get("/auth/verify", &all)).rejected();
    }
}

#[test]
fn f_02_aliases_are_dropped() {
    for app in gateways() {
        let fields = "X_Forwarded_Proto: https\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded_Host: evil\r\n\
            x.forwarded.for: 6.6.6.6\r\nX_Forwarded-For: 6.6.6.6\r\nX_REAL_IP: 6.6.6.6\r\n";
        let seen = app.case(None, get("/public/x", fields)).allowed();
        let mut names: Vec<String> = seen
            .at_upstream()
            .fields
            .iter()
            .map(|(name, _)| name.replace(['_', '.'], "-"))
            .filter(|name| name.starts_with("x-forwarded") || name == "x-real-ip")
            .collect();
        names.sort();
        assert_eq!(names, ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"], "ours alone");
    }
}

#[test]
fn f_03_a_forged_prefix_or_host_leads_nobody_away() {
    for app in gateways() {
        for prefix in [
            "//evil.example",
            "https://evil.example",
            "/evil.example",
            "\\\\evil.example",
            "/%0d%0aX-Evil:%201",
        ] {
            let fields = format!(
                "X-Forwarded-Prefix: {prefix}\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n"
            );
            let seen = app.case(None, get("/public/x", &fields)).allowed();
            assert_eq!(seen.at_upstream().field("x-forwarded-prefix"), None);
            let sent = app.case(None, get("/api/x", &format!("{fields}{PAGE}")));
            let location = sent.answer().field("location").unwrap().to_owned();
            assert!(location.starts_with("/auth/login/?next=/api/x&"), "{location}");
            assert!(!sent.answer().text().contains("evil"));
        }
    }
}

#[test]
fn f_04_forged_addresses_open_no_new_bucket() {
    let app = TestApp::with(five_logins);
    let statuses: Vec<u16> = (0..20)
        .map(|n| {
            let ip = format!("198.51.100.{n}");
            let fields = format!(
                "X-Forwarded-For: {ip}\r\nForwarded: for={ip}\r\nX-Real-IP: {ip}\r\nCF-Connecting-IP: {ip}\r\n\
                 True-Client-IP: {ip}\r\nX-Client-IP: {ip}\r\nX_Forwarded_For: {ip}\r\n"
            );
            guess(&app, &fields, &nobody(n))
        })
        .collect();
    assert_one_bucket(&statuses, "a bucket for each claim");
}

#[test]
fn f_06_an_ipv4_client_is_one_on_a_listener_for_both_as_well() {
    let app = TestApp::with(|setup| {
        setup.server("trusted_proxies: [127.0.0.0/8]");
        setup.rule("{ path: /inside/**, allow: { network: [203.0.113.0/24, 127.0.0.0/30] } }");
        setup.tweak(|settings| settings.proxy.listen.set_ip(std::net::Ipv6Addr::UNSPECIFIED.into()));
    });
    let port = app.address().port();
    let from = |source: [u8; 4], fields: &str| {
        let mut client = RawClient::from(source, ([127, 0, 0, 1], port).into());
        client.send(get("/inside/x", fields));
        client.answer().unwrap().status
    };
    // Connections that the system shows as ::ffff:127.0.0.1.
    assert_eq!(from([127, 0, 0, 1], ""), 200, "one of the network");
    assert_eq!(from([127, 0, 0, 5], ""), 403, "and one that is not");
    assert_eq!(from([127, 0, 0, 5], "X-Forwarded-For: 203.0.113.9\r\n"), 200, "a trusted proxy");
    assert_eq!(
        from([127, 0, 0, 5], "X-Forwarded-For: ::ffff:203.0.113.9\r\n"),
        200,
        "that writes addresses so"
    );
    assert_eq!(from([127, 0, 0, 1], "X-Forwarded-For: 198.51.100.1\r\n"), 403);
    let seen = app.upstream().last();
    assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("203.0.113.9, 127.0.0.5"));
}

#[test]
fn f_07_a_scheme_is_never_the_clients_to_choose() {
    for app in gateways() {
        for scheme in ["javascript", "evil", "https", "http", "HTTPS", "https, http", "", "//evil"] {
            let fields = format!(
                "X-Forwarded-Proto: {scheme}\r\nForwarded: proto=\"{scheme}\"\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-Scheme: {scheme}\r\n"
            );
            // What the upstream must see is asserted for every case: `http`, once.
            app.case(None, get("/public/x", &fields)).allowed();
        }
    }
}

#[test]
fn f_10_what_a_client_says_of_itself_is_written_anew() {
    for app in gateways() {
        for forwarded in [
            "for=6.6.6.6",
            "for=\"6.6.6.6\"",
            "For=\"[2001:db8::6]:4711\"",
            "for=6.6.6.6;for=7.7.7.7",
            "for=6.6.6.6, for=7.7.7.7",
            "for=unknown",
            "for=\"_x\"",
            "for=\"6.6.6.6",
            "for=6.6.6.6;by=7.7.7.7;host=evil;proto=https",
            "",
            ",,,",
            "\u{e9}",
        ] {
            let once = format!("Forwarded: {forwarded}\r\n");
            app.case(None, get("/public/x", &once)).allowed();
            app.case(None, get("/public/x", &format!("{once}FORWARDED: for=8.8.8.8\r\n{once}"))).allowed();
        }
    }
}
