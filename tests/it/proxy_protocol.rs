//! F-09: the PROXY protocol on raw sockets: what opens a connection, what closes it, and whose it then is.

use std::time::Duration;

use crate::client_address::{assert_one_bucket, five_logins, guess, nobody};
use crate::support::h2::{End, H2};
use crate::support::{RawClient, Setup, Silence, TestApp, get, request, until};

/// A header of version 1 that names this client.
fn v1(client: &str) -> Vec<u8> {
    let (family, here) = if client.contains(':') { ("TCP6", "::1") } else { ("TCP4", "127.0.0.1") };
    format!("PROXY {family} {client} {here} 4711 443\r\n").into_bytes()
}

/// A header of version 2 with this command, family and rest.
pub fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, body].concat()
}

fn v2_for(client: [u8; 4]) -> Vec<u8> {
    v2(0x21, 0x11, &[&client[..], &[127, 0, 0, 1, 0x12, 0x67, 1, 0xbb]].concat())
}

/// Load balancers at 127.0.0.1 and 10.0.0.7; whoever is in 203.0.113.0/24 or here gets in.
pub fn expecting(setup: &mut Setup) {
    setup
        .server("trusted_proxies: [127.0.0.1, 10.0.0.7]")
        .server("proxy_protocol: true")
        .rule("{ path: /inside/**, allow: { network: [203.0.113.0/24, 127.0.0.1] } }")
        .greeting(v1("127.0.0.1"));
}

/// A connection that has not said anything yet.
fn silent(app: &TestApp) -> RawClient {
    RawClient::connect(app.address())
}

/// Sends these bytes, and nothing before them.
fn ask(app: &TestApp, bytes: impl AsRef<[u8]>) -> Result<u16, Silence> {
    silent(app).send(bytes).answer().map(|a| a.status)
}

fn after(header: &[u8], request: &[u8]) -> Vec<u8> {
    [header, request].concat()
}

/// So many connections were closed for this reason; each is counted a moment after it was closed.
fn assert_closed(app: &TestApp, reason: &str, times: usize) {
    let label = format!("reason=\"proxy_protocol_{reason}\"");
    let counted = || Some(app.metric("stagedoor_denials_total", &label)).filter(|n| *n >= times);
    assert_eq!(until(reason, counted), times, "{reason}");
}

#[test]
fn f_09_without_a_proper_header_the_connection_is_closed() {
    let app = TestApp::with(expecting);
    let (request, before) = (get("/public/x", ""), app.upstream().count());
    let missing: [&[u8]; 6] = [
        &request,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\0\0\0\0",
        b"\r\n\r\n\0\r\nQUOT\n",
        b"proxy TCP4 203.0.113.9 127.0.0.1 4711 443\r\n",
    ];
    for bytes in missing {
        let mut client = silent(&app);
        assert!(client.send(after(bytes, &request)).is_closed(), "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_closed(&app, "missing", missing.len());
    let malformed = [
        format!("PROXY UNKNOWN {}\r\n", "x".repeat(200 - 16)).into_bytes(),
        b"PROXY TCP4 203.0.113.9\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\n".to_vec(),
        b"PROXY TCP4 203.0.113.9, 127.0.0.1 127.0.0.1 4711 443\r\n".to_vec(),
        b"PROXY TCP4 a 127.0.0.1 4711 443\r\n".to_vec(),
        b"PROXY TCP4 127.1 127.0.0.1 4711 443\r\n".to_vec(),
        b"PROXY SCTP 203.0.113.9 127.0.0.1 4711 443\r\n".to_vec(),
        v2(0x11, 0x11, &[0; 12]),
        v2(0x22, 0x11, &[0; 12]),
        v2(0x21, 0x12, &[0; 12]),
        v2(0x21, 0x11, &[0; 11]),
        v2(0x21, 0x21, &[0; 12]),
        v2(0x21, 0x11, &[0; 1000]),
        v2(0x20, 0x00, &vec![0; 0xffff]),
    ];
    for header in &malformed {
        let mut client = silent(&app);
        assert!(client.send(after(header, &request)).is_closed(), "{:?}", String::from_utf8_lossy(header));
    }
    assert_closed(&app, "malformed", malformed.len());
    assert_eq!(app.upstream().count(), before, "UP += 0");
    assert_eq!(ask(&app, after(&v1("203.0.113.9"), &request)), Ok(200), "positive control");
}

#[test]
fn f_09_a_header_that_does_not_come_is_not_waited_for() {
    let app = TestApp::with(|setup| {
        expecting(setup);
        setup.tweak(|settings| settings.proxy.limits.head_timeout = Duration::from_secs(2));
    });
    let begun: [&[u8]; 5] = [
        b"",
        b"PROX",
        b"PROXY TCP4 203.0.113.9 ",
        b"\r\n\r\n\0\r\nQUIT\n\x21",
        &v2_for([203, 0, 113, 9])[..20],
    ];
    let waiting = begun.map(|bytes| {
        let mut client = silent(&app);
        client.send(bytes);
        client
    });
    for mut client in waiting {
        assert!(client.is_closed());
    }
    assert_closed(&app, "too_slow", begun.len());
    // A drop at a time makes the deadline no longer.
    let mut drops = silent(&app);
    let header = v1("203.0.113.9");
    let sent = header.iter().take_while(|byte| {
        std::thread::sleep(Duration::from_millis(100));
        drops.try_send(&[**byte]).is_ok()
    });
    assert!(sent.count() < header.len());
    // Whoever only looks whether we listen is no fault.
    drop(silent(&app));
    assert_eq!(ask(&app, after(&header, &get("/public/x", ""))), Ok(200));
    for (reason, times) in [("missing", 0), ("malformed", 0), ("stranger", 0), ("too_slow", begun.len() + 1)]
    {
        assert_closed(&app, reason, times);
    }
}

#[test]
fn f_09_nobody_else_may_connect() {
    let app = TestApp::with(expecting);
    let before = app.upstream().count();
    for header in [v1("203.0.113.9"), v2_for([203, 0, 113, 9]), v2(0x20, 0, &[]), Vec::new()] {
        let mut stranger = RawClient::from([127, 0, 0, 3], app.address());
        assert!(stranger.send(after(&header, &get("/public/x", ""))).is_closed());
    }
    assert_closed(&app, "stranger", 4);
    assert_eq!(app.upstream().count(), before, "UP += 0");
    // Without a header of its own, the operators' listener goes on.
    assert!(app.metrics().contains("stagedoor_denials_total"));
}

#[test]
fn f_09_the_address_is_the_clients_in_every_respect() {
    let app = TestApp::with(expecting);
    let user = app.person("user");
    let seen = |header: &[u8], fields: &str| {
        assert_eq!(ask(&app, after(header, &get("/api/x", &format!("{fields}{}", user.bearer())))), Ok(200));
        let last = app.upstream().last();
        (last.field("x-forwarded-for").unwrap(), last.field("forwarded").unwrap())
    };
    let alone = |ip: &str, node: &str| (ip.to_owned(), format!("for={node};host=localhost;proto=http"));
    for header in [v1("203.0.113.9"), v1("::ffff:203.0.113.9"), v2_for([203, 0, 113, 9])] {
        assert_eq!(seen(&header, ""), alone("203.0.113.9", "203.0.113.9"));
        // Nobody trusts the client, whoever brought it.
        let claim = "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n";
        assert_eq!(seen(&header, claim), alone("203.0.113.9", "203.0.113.9"));
        assert_eq!(ask(&app, after(&header, &get("/inside/x", ""))), Ok(200));
    }
    assert_eq!(seen(&v1("2001:db8::9"), ""), alone("2001:db8::9", "\"[2001:db8::9]\""));
    assert_eq!(
        ask(&app, after(&v1("198.51.100.1"), &get("/inside/x", "X-Forwarded-For: 203.0.113.9\r\n"))),
        Ok(403)
    );
    // A proxy of ours behind the load balancer speaks for its clients as ever.
    let chain = seen(&v1("10.0.0.7"), "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n");
    assert_eq!(chain.0, "203.0.113.9, 10.0.0.7");
    // Headers with more in them than we read.
    let tlvs = [&[203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x67, 1, 0xbb][..], &[4, 0, 1, 0], &[0x20, 0, 2, 1, 2]]
        .concat();
    assert_eq!(seen(&v2(0x21, 0x11, &tlvs), "").0, "203.0.113.9");
    let mut by_2 = H2::over(
        {
            let mut client = silent(&app);
            client.send(v1("203.0.113.9"));
            client
        },
        1 << 20,
    );
    let fields: [(&str, &[u8]); 4] =
        [(":method", b"GET"), (":scheme", b"http"), (":path", b"/inside/x"), (":authority", b"localhost")];
    let stream = by_2.open(&fields, true);
    assert!(matches!(by_2.end_of(stream), End::Answer(200, _)));
    assert_eq!(app.upstream().last().field("x-forwarded-for").as_deref(), Some("203.0.113.9"));
}

/// A load balancer that asks for itself is what it is; a client whose address it does not know is nobody, or it would
/// have the load balancer's networks and be believed what it says about others.
#[test]
fn f_09_local_is_the_balancer_and_unknown_is_nobody() {
    let app = TestApp::with(expecting);
    let inside = |header: &[u8], fields: &str| ask(&app, after(header, &get("/inside/x", fields)));
    for local in [v2(0x20, 0, &[]), v2(0x20, 0x11, &[203, 0, 113, 9, 127, 0, 0, 1, 0, 1, 0, 2])] {
        assert_eq!(inside(&local, ""), Ok(200));
        assert_eq!(inside(&local, "X-Forwarded-For: 198.51.100.1\r\n"), Ok(403), "it may speak for others");
    }
    let long: &[u8] = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
    for unknown in
        [b"PROXY UNKNOWN\r\n", long, &v2(0x21, 0, &[]), &v2(0x21, 0x31, &[b'/'; 216]), &v1("0.0.0.0")]
    {
        assert_eq!(inside(unknown, ""), Ok(403));
        assert_eq!(inside(unknown, "X-Forwarded-For: 203.0.113.9\r\n"), Ok(403));
        assert_eq!(ask(&app, after(unknown, &get("/public/x", ""))), Ok(200));
        let seen = app.upstream().last().field("forwarded");
        assert_eq!(seen.as_deref(), Some("for=unknown;host=localhost;proto=http"));
    }
}

#[test]
fn f_04_f_09_rates_count_clients_and_not_the_balancer() {
    let app = TestApp::with(|setup| {
        expecting(setup);
        five_logins(setup);
        setup.greeting(v1("203.0.113.9"));
    });
    let attack = |n| guess(&app, &format!("X-Forwarded-For: 198.51.100.{n}\r\n"), &nobody(n));
    assert_one_bucket(&(0..8).map(attack).collect::<Vec<_>>(), "the client");
    let balancers = guess_after(&app, &v1("127.0.0.1"));
    assert_eq!((balancers, guess_after(&app, &v1("198.51.100.9"))), (401, 401), "others");
}

fn guess_after(app: &TestApp, header: &[u8]) -> u16 {
    let body = br#"{"email":"q@example.org","password":"Summer-2026!"}"#;
    let guess = request("POST", "/auth/token/", "Content-Type: application/json\r\n", body);
    ask(app, after(header, &guess)).expect("an answer")
}

#[test]
fn f_09_connections_are_the_clients_own() {
    let app = TestApp::with(|setup| {
        expecting(setup);
        setup.tweak(|settings| settings.proxy.limits.connections_per_address = 3);
    });
    let kept = |ip: &str| {
        let mut client = silent(&app);
        let answer = client.send(after(&v1(ip), &get("/public/x", ""))).answer();
        answer.map(|a| (a.status, client))
    };
    let three: Vec<_> = (0..3).map(|_| kept("198.51.100.1").expect("room")).collect();
    assert!(matches!(kept("198.51.100.1"), Err(Silence::Closed)));
    assert_eq!(app.metric("stagedoor_denials_total", "reason=\"too_many_connections\""), 1);
    assert!(kept("198.51.100.2").is_ok(), "somebody else");
    // Those of the balancer itself are not counted.
    let own: Vec<_> = (0..5).map(|_| kept("127.0.0.1").expect("room")).collect();
    drop(three);
    until("room", || kept("198.51.100.1").ok());
    drop(own);
}

#[test]
fn f_09_what_follows_the_header_is_the_first_of_http() {
    let app = TestApp::with(expecting);
    for header in [v1("203.0.113.9"), v2_for([203, 0, 113, 9]), v2(0x20, 0, &[])] {
        let all = after(&header, &get("/public/x", "X-Whole: yes\r\n"));
        for cut in [1, 6, header.len() - 1, header.len(), header.len() + 1, header.len() + 20] {
            let mut client = silent(&app);
            client.send(&all[..cut]);
            // As separate packets; what arrives together is together anyway.
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(client.send(&all[cut..]).answer().map(|a| a.status), Ok(200), "{cut}");
            assert_eq!(app.upstream().last().field("x-whole").as_deref(), Some("yes"), "{cut}");
            // The header opens the connection, not each request.
            assert_eq!(client.send(get("/public/y", "")).answer().map(|a| a.status), Ok(200), "{cut}");
            let second = client.send(after(&header, &get("/public/y", ""))).answer();
            assert_eq!(second.map(|a| a.status), Ok(400), "{cut}");
        }
    }
    let by_two = after(&v1("203.0.113.9"), &v1("198.51.100.1"));
    assert_eq!(ask(&app, after(&by_two, &get("/public/x", ""))), Ok(400), "one header, not two");
}
