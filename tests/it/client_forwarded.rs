//! Group F: what a trusted proxy says about its client, in both families, and what becomes of it.

use crate::client_address::{assert_one_bucket, five_logins, guess, nobody};
use crate::support::h2::{End, H2};
use crate::support::{Setup, TestApp, get};

/// The line of the configuration, and the field for a chain of hops.
type Family = (&'static str, fn(&str) -> String);

const FAMILIES: [Family; 2] = [
    ("forwarded: x-forwarded", |hops| format!("X-Forwarded-For: {hops}\r\n")),
    ("forwarded: forwarded", |hops| {
        let list: Vec<String> = hops.split(", ").map(element).collect();
        format!("Forwarded: {}\r\n", list.join(", "))
    }),
];

fn element(hop: &str) -> String {
    if hop.contains(':') { format!("for=\"[{hop}]\"") } else { format!("for={hop}") }
}

/// Who comes from 203.0.113.0/24 or this machine gets in.
fn inside(setup: &mut Setup) {
    setup.server("trusted_proxies: [127.0.0.1, 10.0.0.0/24]");
    setup.rule("{ path: /inside/**, allow: { network: [203.0.113.0/24, 127.0.0.0/8, 10.0.0.0/8] } }");
}

fn gateway(family: &str) -> TestApp {
    TestApp::with(|setup| {
        inside(setup);
        setup.server(family);
    })
}

#[test]
fn f_04_a_client_behind_a_proxy_cannot_choose_its_bucket() {
    for (family, field) in FAMILIES {
        let app = TestApp::with(|setup| {
            inside(setup);
            five_logins(setup);
            setup.server(family);
        });
        let attack = |n: u32| guess(&app, &field(&format!("198.51.100.{n}, 203.0.113.9")), &nobody(n));
        let statuses: Vec<u16> = (0..20).map(attack).collect();
        assert_one_bucket(&statuses, family);
        assert_eq!(guess(&app, &field("198.51.100.1"), &nobody(99)), 401, "{family}: somebody else");
    }
}

/// Neither the proxy's own address nor one that the client would like: no rule about networks holds, and a password is
/// asked for.
#[test]
fn f_05_f_10_unreadable_addresses_are_nobodys() {
    let long = "a".repeat(8 * 1024);
    let x_forwarded = [
        "a",
        ",",
        "1.2.3.4, a",
        &long,
        "127.1",
        "0x7f.1",
        "[::1",
        "",
        "127.0.0.1:",
        "unknown",
        "10.0.0.1, ,",
    ];
    let forwarded = [
        "for=a",
        ",",
        "for=1.2.3.4, a",
        &long,
        "for=127.1",
        "for=0x7f.1",
        "for=\"[::1\"",
        "",
        "for=127.0.0.1:80",
        "for=unknown",
        "for=\"_x\"",
        "for=127.0.0.1;for=127.0.0.1",
        "for=\"127.0.0.1",
        "127.0.0.1",
        "proto=https",
        "for=10.0.0.1, for=_hidden",
        "for=\"127.0.0.1\";For=10.0.0.1",
    ];
    let fields =
        |name: &str, values: &[&str]| values.iter().map(|v| format!("{name}: {v}\r\n")).collect::<Vec<_>>();
    for (family, fields) in [
        ("x-forwarded", fields("X-Forwarded-For", &x_forwarded)),
        ("forwarded", fields("Forwarded", &forwarded)),
    ] {
        let app = TestApp::with(|setup| {
            inside(setup);
            setup.server(&format!("forwarded: {family}")).top("lockout: { failures: 1000 }");
        });
        let person = app.person("user");
        assert_eq!(app.ask(get("/inside/x", "")).status, 200, "the proxy itself");
        for field in fields {
            let shown = &field[..field.len().min(60)];
            let answer = app.ask(get("/inside/x", &field));
            assert!(matches!(answer.status, 400 | 403), "{shown}: {}", answer.status);
            assert_eq!(guess(&app, &field, &person.email), 401, "{shown}");
            assert_eq!(app.ask(get("/public/x", &field)).status, 200, "{shown}");
            let seen = app.upstream().last();
            assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("0.0.0.0, 127.0.0.1"), "{shown}");
            let said = "for=unknown;host=localhost;proto=http, for=127.0.0.1";
            assert_eq!(seen.field("forwarded").as_deref(), Some(said), "{shown}");
        }
    }
}

#[test]
fn f_05_addresses_with_ports_and_mapped_ones_are_read() {
    let app = gateway("forwarded: x-forwarded");
    for (chain, client) in [
        ("1.2.3.4:80", "1.2.3.4"),
        ("[::1]:1", "::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ] {
        assert_eq!(app.ask(get("/public/x", &format!("X-Forwarded-For: {chain}\r\n"))).status, 200);
        let seen = app.upstream().last().field("x-forwarded-for").unwrap();
        assert_eq!(seen.split(", ").next(), Some(client), "{chain}");
    }
}

#[test]
fn f_08_the_upstream_sees_the_verified_hops_and_no_other() {
    let forged: Vec<String> = (0..10).map(|n| format!("10.0.0.{n}")).collect();
    let forged = forged.join(", ");
    for (family, field) in FAMILIES {
        let app = gateway(family);
        let user = app.person("user");
        let seen = |fields: &str| {
            assert_eq!(app.ask(get("/api/x", &format!("{fields}{}", user.bearer()))).status, 200);
            let last = app.upstream().last();
            let only = |name: &str| {
                assert_eq!(last.all(name).len(), 1, "{name}");
                last.field(name).unwrap()
            };
            assert_eq!(
                (only("x-forwarded-proto"), only("x-forwarded-host")),
                ("http".into(), "localhost".into())
            );
            (only("x-forwarded-for"), only("forwarded"))
        };
        let both = |client: &str, proxies: &str| {
            let rest: String = proxies.split(", ").map(|p| format!(", {}", element(p))).collect();
            (format!("{client}, {proxies}"), format!("{};host=localhost;proto=http{rest}", element(client)))
        };
        let one = field(&format!("{forged}, 203.0.113.9"));
        assert_eq!(seen(&one), both("203.0.113.9", "127.0.0.1"), "{family}");
        let two = field(&format!("{forged}, 203.0.113.9, 10.0.0.77"));
        assert_eq!(seen(&two), both("203.0.113.9", "10.0.0.77, 127.0.0.1"), "{family}");
        let apart = format!("{}{}{}", field(&forged), field("2001:db8::9"), field("10.0.0.77"));
        assert_eq!(seen(&apart), both("2001:db8::9", "10.0.0.77, 127.0.0.1"), "{family}");
        assert_eq!(seen(&field("10.0.0.77")), both("10.0.0.77", "127.0.0.1"), "{family}: a proxy for itself");
        let (own, _) = seen("");
        assert_eq!(own, "127.0.0.1", "{family}");
        // The other family is the client's, whatever it says.
        let other = FAMILIES.iter().find(|(name, _)| *name != family).unwrap().1;
        assert_eq!(
            seen(&format!("{}{two}", other("198.51.100.7"))),
            both("203.0.113.9", "10.0.0.77, 127.0.0.1")
        );
        assert_eq!(seen(&other("198.51.100.7")).0, "127.0.0.1", "{family}");
        assert_eq!(app.ask(get("/inside/x", &one)).status, 200, "{family}");
        assert_eq!(app.ask(get("/inside/x", &field("203.0.113.9, 198.51.100.1"))).status, 403, "{family}");
    }
}

#[test]
fn f_08_the_same_by_http_2() {
    for (family, field) in FAMILIES {
        let app = gateway(family);
        let line = field("6.6.6.6, 203.0.113.9, 10.0.0.77");
        let (name, value) = line.trim_end().split_once(": ").unwrap();
        let mut connection = H2::connect(&app);
        let name = name.to_ascii_lowercase();
        let stream = connection.open(
            &[
                (":method", b"GET"),
                (":scheme", b"http"),
                (":path", b"/public/x"),
                (":authority", b"localhost"),
                (&name, value.as_bytes()),
            ],
            true,
        );
        assert!(matches!(connection.end_of(stream), End::Answer(200, _)), "{family}");
        let chain = app.upstream().last().field("x-forwarded-for");
        assert_eq!(chain.as_deref(), Some("203.0.113.9, 10.0.0.77, 127.0.0.1"), "{family}");
    }
}

#[test]
fn f_11_one_network_of_a_subscriber_is_one_bucket() {
    for (family, field) in FAMILIES {
        let app = TestApp::with(|setup| {
            inside(setup);
            five_logins(setup);
            setup.server(family);
        });
        let attack = |n: u32| guess(&app, &field(&format!("2001:db8:1:2:{n:x}::{n:x}")), &nobody(n));
        let statuses: Vec<u16> = (1..=20).map(attack).collect();
        assert_one_bucket(&statuses, family);
        assert_eq!(guess(&app, &field("2001:db8:1:3::1"), &nobody(99)), 401, "{family}: the next network");
    }
}
