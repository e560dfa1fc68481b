//! Group H: which host a request is for, and that nobody else's choice of one ends up in a mail.

use crate::support::h2::{self, End};
use crate::support::{TestApp, get};

fn with_host(target: &str, host: &[u8]) -> Vec<u8> {
    [format!("GET {target} HTTP/1.1\r\nHost: ").as_bytes(), host, b"\r\n\r\n"].concat()
}

#[test]
fn h_01_without_host() {
    let app = TestApp::start();
    app.case(None, "GET /public/x HTTP/1.1\r\n\r\n").rejected_with(400);
    app.case(None, "GET /public/x HTTP/1.0\r\n\r\n").rejected_with(400);
    app.case(None, "GET /auth/login/ HTTP/1.1\r\nX-Host: localhost\r\n\r\n").rejected_with(400);
}

#[test]
fn h_02_hosts_that_are_none() {
    let app = TestApp::start();
    for host in [
        "a/abc?bar=",
        "a#b",
        "a\\b",
        "a b",
        "a,b",
        "a;b",
        "",
        "[::1",
        "a:99999",
        "a:-1",
        "a:",
        "a:80:80",
        ":80",
        "[::1]x",
        "[::g]",
        "a?b",
        "a@b",
        "a\"b",
        "a<b",
        "%61",
        "[1.2.3.4]",
    ] {
        app.case(None, with_host("/public/x", host.as_bytes())).rejected_with(400);
    }
    for host in ["localhost", "localhost:8080", "127.0.0.1", "[::1]", "[::1]:80", "a_b.example"] {
        let seen = app.case(None, with_host("/public/x", host.as_bytes())).allowed();
        assert_eq!(
            seen.at_upstream().field("host").as_deref(),
            Some(host),
            "the host goes through as it came"
        );
    }
}

#[test]
fn h_03_host_twice() {
    let app = TestApp::start();
    for second in ["Host: localhost", "Host: evil", "host:localhost", "HOST: "] {
        app.case(None, get("/public/x", &format!("{second}\r\n"))).rejected_with(400);
    }
}

#[test]
fn h_04_absolute_form() {
    let app = TestApp::start();
    for (target, host) in
        [("http://a/public", "b"), ("http://a/public", "a"), ("http://localhost/public/x", "localhost")]
    {
        app.case(None, with_host(target, host.as_bytes())).rejected_with(400);
    }
}

#[test]
fn h_05_hosts_are_compared_in_lower_case() {
    let app = TestApp::with(|setup| {
        for n in 0..150 {
            setup.rule(&format!("{{ path: /public/**, host: h{n}.example.com, allow: deny }}"));
        }
        setup.rule("{ path: /public/**, host: Open.Example.com, allow: public }");
    });
    for host in ["h7.example.com", "H7.EXAMPLE.COM", "h7.Example.com:8080", "H149.example.COM"] {
        app.case(None, with_host("/public/x", host.as_bytes())).denied();
    }
    for host in
        ["open.example.com", "OPEN.example.com", "h150.example.com", "xh7.example.com", "h7.example.com.evil"]
    {
        app.case(None, with_host("/public/x", host.as_bytes())).allowed();
    }
}

/// The other half of the case, over TLS, is in `tls`.
#[test]
fn h_06_the_dot_of_the_root() {
    let app = TestApp::with(|setup| {
        setup.rule("{ path: /public/**, host: admin.example.com, allow: { role: admin } }");
    });
    for host in ["admin.example.com", "admin.example.com.", "ADMIN.example.com.", "admin.example.com.:443"] {
        app.case(None, with_host("/public/x", host.as_bytes())).denied();
    }
}

/// `Host` alone picks the rules, whatever a client claims about the name it asked for elsewhere. Over TLS: see `tls`.
#[test]
fn h_07_only_host_names_the_host() {
    let app = TestApp::with(|setup| {
        setup.rule("{ path: /public/**, host: admin.example.com, allow: { role: admin } }");
    });
    for claim in [
        "X-Forwarded-Host: localhost",
        "Forwarded: host=localhost",
        "X-Original-Host: localhost",
        "X-Host: localhost",
    ] {
        let bytes = format!("GET /public/x HTTP/1.1\r\nHost: admin.example.com\r\n{claim}\r\n\r\n");
        app.case(None, bytes).denied();
        let bytes = get("/public/x", &format!("{}\r\n", claim.replace("localhost", "admin.example.com")));
        app.case(None, bytes).allowed();
    }
}

#[test]
fn h_08_mailed_links_start_with_the_configured_address() {
    let app = TestApp::start();
    let forged = [
        ("evil.example", ""),
        ("localhost", "X-Forwarded-Host: evil.example\r\n"),
        ("localhost", "Forwarded: host=evil.example;proto=https\r\n"),
        (
            "evil.example:8080",
            "X-Forwarded-Proto: https\r\nX-Original-Host: evil.example\r\nX-Forwarded-Prefix: /evil.example\r\n",
        ),
    ];
    for (at, (host, extra)) in forged.iter().enumerate() {
        let email = format!("new-{at}@example.org");
        let body = serde_json::json!({
            "name": "Grace Hopper", "email": email, "password": "Nano-Second-11!", "password_confirm": "Nano-Second-11!",
        })
        .to_string();
        let head = format!(
            "POST /auth/register/ HTTP/1.1\r\nHost: {host}\r\n{extra}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = app.ask(head + &body);
        // A host we do not know may as well be refused (421); then there is no mail.
        if answer.status == 421 {
            continue;
        }
        assert_eq!(answer.status, 202, "{}", answer.text());
        let mail = app.mail_to(&email, 0);
        for text in [&mail.text, &mail.html, &mail.subject] {
            assert!(!text.contains("evil"), "a forged host is in the mail: {text}");
        }
        assert!(mail.text.contains(&format!("{}/auth/verify-email/", app.public_url())), "{}", mail.text);
        let links = mail.text.matches("://").count();
        let ours = mail.text.matches(app.public_url()).count();
        assert_eq!(links, ours, "a link of another origin: {}", mail.text);
    }
}

#[test]
fn h_08_redirects_do_not_repeat_the_host() {
    let app = TestApp::start();
    let navigation = "Sec-Fetch-Mode: navigate\r\nAccept: text/html\r\nX-Forwarded-Host: evil.example\r\n";
    let bytes = format!("GET /api/x HTTP/1.1\r\nHost: evil.example\r\n{navigation}\r\n");
    let seen = app.case(None, bytes);
    let location = seen.answer().field("location").expect("a redirect").to_owned();
    assert!(location.starts_with("/auth/login/") && !location.contains("evil"), "{location}");
}

#[test]
fn h_09_hosts_are_ascii() {
    let app = TestApp::start();
    for host in ["exämple.com", "１２７.0.0.1", "loc\u{130}lhost", "local\u{ad}host", "localhost\u{3002}"]
    {
        app.case(None, with_host("/public/x", host.as_bytes())).rejected_with(400);
    }
    app.case(None, with_host("/public/x", b"\xff.example")).rejected_with(400);
    app.case(None, with_host("/public/x", b"xn--exmple-cua.com")).allowed();
}

#[test]
fn h_10_no_user_information() {
    let app = TestApp::start();
    app.case(None, with_host("http://u@h/public/x", b"h")).rejected_with(400);
    app.case(None, with_host("/public/x", b"u@localhost")).rejected_with(400);
    app.case(None, with_host("/public/x", b"u:p@localhost")).rejected_with(400);
    for authority in ["u@localhost", "u:p@localhost", "@localhost", "localhost/x", "local host", ""] {
        let end = h2_to(&app, &[(":authority", authority.as_bytes())]);
        assert!(end.is_rejection(), "{authority:?}: {end:?}");
    }
    assert_eq!(app.upstream().count(), 0);
    app.assert_alive();
}

#[test]
fn h_11_http_2_authority_and_host() {
    let app = TestApp::start();
    let none = h2_to(&app, &[]);
    assert!(none.is_rejection(), "neither: {none:?}");
    for hosts in [
        &[(":authority", &b"localhost"[..]), ("host", b"evil")][..],
        &[(":authority", b"evil"), ("host", b"localhost")],
        &[(":authority", b"localhost"), ("host", b"localhost"), ("host", b"localhost")],
        &[("host", b"localhost"), ("host", b"evil")],
    ] {
        let end = h2_to(&app, hosts);
        assert!(end.is_rejection(), "{hosts:?}: {end:?}");
    }
    assert_eq!(app.upstream().count(), 0);
    for hosts in [
        &[(":authority", &b"localhost"[..])][..],
        &[(":authority", b"localhost"), ("host", b"localhost")],
        &[("host", b"localhost")],
    ] {
        let from = app.upstream().count();
        assert_eq!(h2_to(&app, hosts).status(), Some(200), "{hosts:?}");
        let forwarded = app.judge_since(from, None, "HTTP/2");
        assert_eq!(forwarded[0].field("host").as_deref(), Some("localhost"), "{hosts:?}");
    }
}

/// A GET of `/public/x` with these fields about the host: pseudo fields in front, as they must be.
fn h2_to(app: &TestApp, hosts: &[(&str, &[u8])]) -> End {
    let mut fields: Vec<(&str, &[u8])> =
        vec![(":method", b"GET"), (":scheme", b"http"), (":path", b"/public/x")];
    fields.extend(hosts.iter().filter(|(n, _)| n.starts_with(':')));
    fields.extend(hosts.iter().filter(|(n, _)| !n.starts_with(':')));
    app.h2(&fields)
}

#[test]
fn h_11_http_2_takes_the_same_rules() {
    let app = TestApp::with(|setup| {
        setup.rule("{ path: /public/**, host: admin.example.com, allow: { role: admin } }");
    });
    let fields: [(&str, &[u8]); 4] = [
        (":method", b"GET"),
        (":scheme", b"http"),
        (":path", b"/public/x"),
        (":authority", b"Admin.example.com.:80"),
    ];
    assert_eq!(app.h2(&fields).status(), Some(401));
    let user = app.person("user");
    let token = format!("Bearer {}", user.access);
    let end = app.h2(&h2::fields("/api/x", &[("authorization", token.as_bytes())]));
    assert_eq!(end.status(), Some(200));
    app.judge_since(0, Some(&user), "HTTP/2");
}
