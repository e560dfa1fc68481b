//! The connection guard: what is no HTTP, too much of it, or too slow, before any rule is asked.

use std::time::Duration;

use crate::support::{RawClient, Silence, TestApp, get, request, until};

/// Deadlines that a test can wait for.
fn hurried() -> TestApp {
    TestApp::with(|setup| {
        setup.tweak(|settings| {
            let limits = &mut settings.proxy.limits;
            limits.head_timeout = Duration::from_millis(1500);
            limits.body_timeout = Duration::from_millis(1500);
        });
    })
}

#[test]
fn a_slow_head_is_answered_408_in_time() {
    let app = hurried();
    let mut client = app.connect();
    client.send("GET /public/x HTTP/1.1\r\nHost: loc");
    let answer = client.answer().expect("an answer");
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert_eq!(answer.json()["reason"], "head_too_slow");
    assert!(client.is_closed());
    // Also on a connection that has served before.
    let mut client = app.connect();
    client.send(get("/public/x", ""));
    assert_eq!(client.answer().unwrap().status, 200);
    client.send("G");
    assert_eq!(client.answer().unwrap().status, 408);
    assert!(client.is_closed());
}

#[test]
fn a_head_that_trickles_in_is_cut_off_by_one_deadline() {
    let app = hurried();
    let mut client = app.connect();
    client.patience(Duration::from_millis(20));
    let head = get("/public/x", &"X-Slow: 1\r\n".repeat(40));
    let mut ended = false;
    for byte in head.iter().take(200) {
        ended |= client.try_send(&[*byte]).is_err();
        match client.head() {
            Ok(answer) => {
                assert_eq!(answer.status, 408);
                ended = true;
            }
            Err(Silence::Closed) => ended = true,
            Err(_) => {}
        }
        if ended {
            break;
        }
    }
    assert!(ended, "each byte has bought more time");
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn a_silent_connection_is_closed() {
    let app = hurried();
    assert!(app.connect().is_closed(), "silent from the start");
}

#[test]
fn an_idle_connection_is_closed() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.idle_timeout = Duration::from_secs(1));
    });
    let mut client = app.connect();
    client.send(get("/public/x", ""));
    assert_eq!(client.answer().unwrap().status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_head_in_small_pieces_is_fine() {
    let app = TestApp::start();
    let mut client = app.connect();
    for piece in get("/public/x", "X-A: b\r\n").chunks(3) {
        client.send(piece);
    }
    assert_eq!(client.answer().unwrap().status, 200);
    let head = app.upstream().last();
    assert_eq!(head.field("x-a").as_deref(), Some("b"));
}

#[test]
fn heads_have_a_size() {
    let app = TestApp::start();
    let field = |n: usize| format!("X-Long: {}\r\n", "a".repeat(n));
    app.case(None, get("/public/x", &field(31 * 1024))).allowed();
    app.case(None, get("/public/x", &field(33 * 1024))).rejected_with(431);
    app.case(None, get("/public/x", &field(512 * 1024))).rejected_with(431);
    // One that never ends is cut off as well, and its answer can be read.
    let mut client = app.connect();
    client.send(&get("/public/x", &field(64 * 1024))[..40_000]);
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, &answer.json()["reason"]), (431, &"head_too_large".into()));
    assert!(client.is_closed());
    let long = format!("/public/{}", "a".repeat(17 * 1024));
    app.case(None, get(&long, "")).rejected_with(414);
    app.case(None, get(&format!("/public/{}", "a/..".repeat(3000)), "")).rejected();
    app.case(None, get(&"/a".repeat(5000), "")).rejected();
}

#[test]
fn heads_have_a_number_of_fields() {
    let app = TestApp::start();
    let fields = |n: usize| (0..n).map(|i| format!("X-{i}: 1\r\n")).collect::<String>();
    app.case(None, get("/public/x", &fields(99))).allowed();
    app.case(None, get("/public/x", &fields(100))).rejected_with(431);
    app.case(None, get("/public/x", &"X: 1\r\n".repeat(1000))).rejected_with(431);
}

#[test]
fn line_ends_are_crlf() {
    let app = TestApp::start();
    for bytes in [
        "GET /public/x HTTP/1.1\nHost: localhost\n\n",
        "GET /public/x HTTP/1.1\nHost: localhost\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: localhost\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: localhost\r\n\n",
        "GET /public/x HTTP/1.1\r\nHost: localhost\r\nX: a\nX-Auth-Roles: admin\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: localhost\r\nX: a\rX-Auth-Roles: admin\r\n\r\n",
        "GET /public/x HTTP/1.1\rHost: localhost\r\n\r\n",
        "\nGET /public/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        app.case(None, bytes).rejected_with(400);
    }
    // Said at once, not after the deadline for the rest of the head.
    let mut client = app.connect();
    client.send("GET /public/x HTTP/1.1\nHost: localhost\n\n");
    assert_eq!(client.answer().unwrap().json()["reason"], "bare_line_feed");
}

#[test]
fn two_lengths_and_odd_lengths() {
    let app = TestApp::start();
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5 \t5\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "X: a\r\n Content-Length: 5\r\n",
    ] {
        let bytes = format!(
            "POST /public/x HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        app.case(None, bytes).rejected_with(400);
    }
    for coding in ["gzip, chunked", "chunked, identity", "identity", "xchunked", "chunked;a=b", "\"chunked\""]
    {
        let bytes = format!(
            "POST /public/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"
        );
        app.case(None, bytes).rejected_with(501);
    }
}

#[test]
fn underscored_framing_fields_are_dropped() {
    let app = TestApp::start();
    let lines = "Content_Length: 50\r\nTransfer_Encoding: chunked\r\ncontent.length: 3\r\nHost_: evil\r\n";
    let seen = app.case(None, request("POST", "/public/x", lines, b"hello")).allowed();
    assert_eq!(seen.at_upstream().body, b"hello");
    let head = String::from_utf8_lossy(&seen.at_upstream().head).to_lowercase();
    assert!(
        !head.contains("content_length")
            && !head.contains("transfer_encoding")
            && !head.contains("content.length"),
        "{head}"
    );
}

#[test]
fn broken_chunks_end_the_connection() {
    let app = TestApp::start();
    for chunks in [
        "xyz\r\nabc\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\r\nabcX0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
    ] {
        let smuggled = "GET /admin/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let bytes = format!(
            "POST /public/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{smuggled}"
        );
        let before = app.upstream().count();
        let mut client = app.connect();
        client.send(bytes).patience(Duration::from_secs(2));
        // Some of these were already on their way when the fault came; what counts is that the upstream saw no whole
        // request with that body, and nothing behind it was ever served.
        if let Ok(answer) = client.answer() {
            assert!(answer.status >= 400, "{chunks:?}: {}", answer.status);
        }
        let seen = app.upstream().since(before);
        assert!(seen.iter().all(|r| !r.complete), "{chunks:?} was forwarded as a whole request");
        assert!(seen.iter().all(|r| !r.target.contains("smuggled")), "{chunks:?}");
        app.assert_alive();
    }
    assert!(app.metric("stagedoor_denials_total", "body_malformed") >= 1);
}

#[test]
fn what_follows_a_request_at_once_is_dropped_with_the_connection() {
    let app = TestApp::start();
    let two = [get("/public/1", ""), get("/admin/2", "")].concat();
    let mut seen = app.case(None, two).allowed();
    assert_eq!(seen.at_upstream().target, "/public/1");
    assert!(seen.client.is_closed(), "a second answer, or a connection that stays open");
    let behind_a_body = [request("POST", "/public/1", "", b"12345"), get("/public/2", "")].concat();
    let mut seen = app.case(None, behind_a_body).allowed();
    assert_eq!(seen.at_upstream().body, b"12345");
    assert!(seen.client.is_closed());
    let behind_a_refusal = [get("/admin/1", ""), get("/public/2", "")].concat();
    let seen = app.case(None, behind_a_refusal).denied();
    drop(seen);
    let behind_ours = [get("/auth/.well-known/jwks.json", ""), get("/public/2", "")].concat();
    let seen = app.case(None, behind_ours);
    assert_eq!((seen.answer().status, seen.forwarded.len()), (200, 0));
}

#[test]
fn one_connection_serves_many_requests() {
    let app = TestApp::start();
    let user = app.person("user");
    let mut client = app.connect();
    for turn in 0..60 {
        let (who, bytes, status) = match turn % 5 {
            0 => (None, get(&format!("/public/{turn}"), ""), 200),
            1 => (Some(&user), get(&format!("/api/{turn}"), &user.bearer()), 200),
            2 => (None, get("/api/x", ""), 401),
            3 => (Some(&user), request("POST", &format!("/api/{turn}"), &user.bearer(), b"body"), 200),
            _ => (None, get("/auth/.well-known/jwks.json", ""), 200),
        };
        let before = app.upstream().count();
        client.send(bytes);
        let answer = client.answer().unwrap_or_else(|e| panic!("turn {turn}: {e:?}"));
        assert_eq!(answer.status, status, "turn {turn}: {}", answer.text());
        app.judge_since(before, who, "keep-alive");
    }
    assert!(client.is_open_and_quiet());
    assert_eq!(app.upstream().connections(), 1, "connections to the upstream are used again");
}

#[test]
fn http_1_0_closes_unless_asked() {
    let app = TestApp::start();
    let mut seen = app.case(None, "GET /public/x HTTP/1.0\r\nHost: localhost\r\n\r\n").allowed();
    assert!(seen.client.is_closed());
    let mut seen = app.case(None, get("/public/x", "Connection: close\r\n")).allowed();
    assert!(seen.client.is_closed());
}

#[test]
fn expectations() {
    let app = TestApp::start();
    let user = app.person("user");
    let mut client = app.connect();
    let head = format!(
        "POST /api/x HTTP/1.1\r\nHost: localhost\r\n{}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        user.bearer()
    );
    client.send(&head);
    assert_eq!(client.head().expect("an interim answer").status, 100);
    client.send("hello");
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(app.upstream().last().body, b"hello");
    // A refusal comes instead of the invitation, and one of our own endpoints invites too.
    let seen = app
        .case(
            None,
            "POST /api/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        )
        .denied();
    assert_eq!(seen.answer().interim, Vec::<u16>::new());
    let mut client = app.connect();
    client.send("POST /auth/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.head().expect("an interim answer").status, 100);
    client.send("{}");
    assert_eq!(client.answer().unwrap().status, 422);
    app.case(None, get("/public/x", "Expect: 200-maybe\r\n")).rejected_with(417);
}

#[test]
fn methods_and_versions() {
    let app = TestApp::start();
    for (line, status) in [
        ("TRACE /public/x HTTP/1.1", 405),
        ("CONNECT localhost:80 HTTP/1.1", 405),
        ("PROPFIND /public/x HTTP/1.1", 501),
        ("get /public/x HTTP/1.1", 400),
        ("GET /public/x HTTP/1.2", 505),
        ("GET /public/x HTTP/2.0", 505),
        ("GET /public/x http/1.1", 400),
        ("GET /public/x HTTP/1.01", 400),
        ("GET /public/x", 400),
        ("GET  /public/x HTTP/1.1", 400),
        (" GET /public/x HTTP/1.1", 400),
        ("G=T /public/x HTTP/1.1", 400),
    ] {
        app.case(None, format!("{line}\r\nHost: localhost\r\n\r\n")).rejected_with(status);
    }
    for method in ["HEAD", "OPTIONS", "DELETE", "PUT", "PATCH"] {
        let seen = app.case(None, request(method, "/public/x", "", b"")).allowed();
        assert_eq!(seen.at_upstream().method, method);
        app.case(None, request(method, "/admin/x", "", b"")).denied();
    }
}

#[test]
fn a_client_that_leaves_hurts_nobody() {
    let app = TestApp::start();
    for cut in [3, 20, 40] {
        let mut client = app.connect();
        client.send(&get("/public/x", "")[..cut]);
        client.abort();
    }
    // In the middle of a body: the upstream never takes it for a whole request.
    let mut client = app.connect();
    client.send("POST /public/cut HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\npart");
    until("the head at the upstream", || (app.upstream().connections() > 0).then_some(()));
    client.abort();
    let cut = until("the upstream to notice", || app.upstream().since(0).pop());
    assert!(!cut.complete && cut.target == "/public/cut", "{cut:?}");
    // While the upstream is still thinking.
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    app.upstream().script("/public/slow", move |_, stream| {
        let _ = receiver.lock().unwrap().recv_timeout(Duration::from_secs(5));
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        crate::support::Next::Close
    });
    let mut client = app.connect();
    client.send(get("/public/slow", ""));
    until("the request at the upstream", || (app.upstream().count() == 2).then_some(()));
    client.abort();
    drop(sender);
    app.assert_alive();
    assert_eq!(app.ask(get("/public/after", "")).status, 200);
    app.settle();
}

#[test]
fn a_slow_body_is_answered_408() {
    let app = hurried();
    let mut client = app.connect();
    client.send("POST /public/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
    let answer = client.answer().expect("an answer");
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert_eq!(answer.json()["reason"], "body_too_slow");
    assert!(client.is_closed());
    let mut client = app.connect();
    client.send("POST /auth/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{");
    let own = client.answer().map(|a| a.status);
    assert!(matches!(own, Ok(408) | Err(Silence::Closed)), "{own:?}");
    let cut = until("the upstream to notice", || app.upstream().since(0).pop());
    assert!(!cut.complete);
}

#[test]
fn one_address_has_so_many_connections() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.connections_per_address = 5);
    });
    app.await_no_connection();
    let mut held: Vec<RawClient> = (0..5).map(|_| app.connect()).collect();
    for client in &mut held {
        client.send(get("/public/x", ""));
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert!(app.connect().is_closed(), "the sixth");
    drop(held.pop());
    until("the place to be free again", || {
        let answer = app.try_ask(get("/public/x", "Connection: close\r\n"));
        answer.ok().filter(|a| a.status == 200)
    });
    drop(held);
    app.await_no_connection();
}
