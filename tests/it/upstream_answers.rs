//! What an upstream may send back, byte for byte: whatever is no clean answer is a 502 or cut short, its connection is
//! not used again, and the next client gets its own answer.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::h2::{self, End, H2};
use crate::support::{Next, Received, Silence, TestApp, get, request};

const OWN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown";

/// Answers everything below `/public/next` with its own answer.
fn app() -> TestApp {
    let app = TestApp::start();
    app.upstream().script("/public/next", |request, stream| {
        let body = request.path().rsplit('/').next().unwrap_or_default();
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = stream.write_all(text.as_bytes());
        Next::KeepAlive
    });
    app
}

/// The upstream answers with `bytes`, and its connection stays open for more.
fn say(app: &TestApp, path: &str, bytes: impl AsRef<[u8]>) {
    app.upstream().canned(path, bytes);
}

/// Three clients after whatever it was; each gets what it asked for, on connections of their own.
fn assert_clean(app: &TestApp, spoilt: usize, what: &str) {
    for n in 0..3 {
        let text = format!("turn{n}");
        let answer = app.ask(get(&format!("/public/next/{text}"), ""));
        assert_eq!((answer.status, answer.text()), (200, text), "after {what}");
    }
    // The spoilt connection carried the request that spoilt it last.
    let log = app.upstream().since(0);
    let last = log.iter().rposition(|r| r.path() == "/public/bad").unwrap_or_default();
    let again = log[last..].iter().skip(1).filter(|r| r.connection == spoilt).count();
    assert_eq!(again, 0, "the connection was used again after {what}");
}

/// Requests that the upstream got and whose answer was none are as many as the test has seen fail.
fn settle(app: &TestApp) {
    app.expect_unanswered(app.upstream().complete() - app.forwards_said());
}

#[test]
fn case_s_28_answers_without_one_length_are_refused() {
    let app = app();
    for (what, bytes) in [
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        ("the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
        ("the same length listed", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc"),
        ("a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd"),
        ("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc"),
        ("a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc"),
        ("no length at all", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc"),
        ("garbage", "garbage\r\n\r\n"),
        ("a request", "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a status that is none", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
        (
            "a 101 nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
        ),
    ] {
        say(&app, "/public/bad", bytes);
        let before = app.upstream().count();
        let answer = app.ask(get("/public/bad", ""));
        assert_eq!(answer.status, 502, "{what}");
        assert_eq!(answer.json()["reason"], "upstream_down", "{what}");
        let asked: Vec<Received> = app.upstream().since(before);
        assert_eq!(asked.len(), 1, "{what}: tried again");
        assert_clean(&app, asked[0].connection, what);
    }
    settle(&app);
}

/// A length beside a transfer coding: the coding counts (RFC 9112 section 6.3), the length is gone before anything of
/// ours sees it, and is not passed on.
#[test]
fn case_s_28_a_length_beside_a_transfer_coding_is_dropped() {
    let app = app();
    say(
        &app,
        "/public/bad",
        "HTTP/1.1 200 OK\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let answer = app.try_ask(get("/public/bad", ""));
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str(), answer.field("content-length")), (200, "abc", None));
    assert_clean(&app, usize::MAX, "a length beside a coding");
    settle(&app);
}

/// Bytes behind an answer belong to nobody.
#[test]
fn case_s_28_extra_bytes_are_thrown_away() {
    let app = app();
    for (what, head, body) in [
        ("a second answer", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "abc"),
        (
            "a second answer behind chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        ("204 with a body", "HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", ""),
        ("304 with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", ""),
        ("no status text", "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n", "abc"),
    ] {
        let poison = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned";
        say(&app, "/public/bad", format!("{head}{body}{poison}"));
        let mut client = app.connect();
        client.send(get("/public/bad", ""));
        let answer = client.answer().unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let spoilt = app.upstream().last().connection;
        if answer.status != 502 {
            assert!(!answer.text().contains("poisoned"), "{what}: {}", answer.text());
            // The client's own connection, too: its next answer is its own.
            client.send(get("/public/next/mine", ""));
            match client.answer() {
                Ok(answer) => assert_eq!((answer.status, answer.text().as_str()), (200, "mine"), "{what}"),
                Err(Silence::Closed) => {}
                Err(other) => panic!("{what}: {other:?}"),
            }
        }
        assert_clean(&app, spoilt, what);
    }
    settle(&app);
}

#[test]
fn case_s_28_a_flood_of_interim_answers_ends() {
    let app = app();
    let flood = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(1000);
    say(&app, "/public/bad", [flood.as_bytes(), OWN].concat());
    let mut client = app.connect();
    client.send(get("/public/bad", ""));
    match client.answer() {
        Ok(answer) => assert!(answer.status == 502 && answer.interim.len() <= 16, "{answer:?}"),
        Err(silence) => assert_eq!(silence, Silence::Closed),
    }
    let spoilt = app.upstream().last().connection;
    assert_clean(&app, spoilt, "a flood");
    // A few are what they are for.
    say(&app, "/public/bad", [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", OWN].concat());
    let answer = app.ask(get("/public/bad", ""));
    assert_eq!((answer.status, answer.text().as_str()), (200, "own"));
    settle(&app);
}

/// The upstream answers while the body is still coming, and says more afterwards.
#[test]
fn case_s_29_an_early_answer_spoils_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (said, heard) = std::sync::mpsc::channel::<usize>();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let said = said.clone();
            let Ok(stream) = stream else { return };
            std::thread::spawn(move || early(n, stream, &said));
        }
    });
    let early = TestApp::with(|setup| {
        setup.upstream("early", &format!("{{ servers: [\"http://{address}\"] }}"));
        setup.route("{ path: /public/early/**, upstream: early }");
    })
    .with_other_upstreams();
    for _ in 0..5 {
        let mut client = early.connect();
        client.send("POST /public/early/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf");
        let first = client.answer();
        assert!(first.as_ref().map_or(true, |a| a.text() == "early" || a.status == 502), "{first:?}");
        drop(client);
        let next = early.ask(get("/public/early/next", ""));
        assert_eq!((next.status, next.text().as_str()), (200, "own"), "the answer of somebody else");
    }
    drop(heard);
}

/// Answers a POST at its head and once more a moment later, a GET properly.
fn early(n: usize, mut stream: TcpStream, said: &std::sync::mpsc::Sender<usize>) {
    use std::io::Read as _;
    let mut buf = [0; 4096];
    while let Ok(read) = stream.read(&mut buf) {
        if read == 0 {
            return;
        }
        let _ = said.send(n);
        if buf.starts_with(b"GET ") {
            let _ = stream.write_all(OWN);
            continue;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        std::thread::sleep(Duration::from_millis(20));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned");
    }
}

#[test]
fn case_s_30_connect_does_not_reach_the_pool() {
    let app = app();
    let before = app.upstream().connections();
    for bytes in [
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "CONNECT /public/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let answer = app.ask(bytes);
        assert!(matches!(answer.status, 405 | 400), "{}", answer.status);
    }
    assert_eq!(app.upstream().connections(), before);
    assert_clean(&app, usize::MAX, "CONNECT");
}

#[test]
fn case_s_31_a_body_to_head_is_thrown_away() {
    let app = app();
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\npoisoned\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned",
    ] {
        say(&app, "/public/bad", bytes);
        let mut client = app.connect();
        client.send(request("HEAD", "/public/bad", "", b""));
        let answer = client.answer_to("HEAD").expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{bytes}");
        let spoilt = app.upstream().last().connection;
        client.send(get("/public/next/mine", ""));
        match client.answer() {
            Ok(answer) => assert_eq!((answer.status, answer.text().as_str()), (200, "mine"), "{bytes}"),
            Err(silence) => assert_eq!(silence, Silence::Closed, "{bytes}"),
        }
        assert_clean(&app, spoilt, bytes);
    }
}

/// What is cut off never looks complete: HTTP/1.1 without its end, HTTP/2 with RST_STREAM.
#[test]
fn case_5_19_a_cut_answer_is_never_a_whole_one() {
    let app = app();
    for (what, bytes) in [
        ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        ("a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf"),
        ("a size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n"),
    ] {
        let bytes = bytes.as_bytes();
        app.upstream().script("/public/cut", move |_, stream| {
            let _ = stream.write_all(bytes);
            Next::Close
        });
        let before = app.upstream().count();
        let answer = app.try_ask(get("/public/cut", ""));
        assert_ne!(answer.as_ref().map(|a| a.status), Ok(200), "{what} looks whole: {answer:?}");
        let mut connection = H2::connect(&app);
        let stream = connection.open(&h2::fields("/public/cut", &[]), true);
        let end = connection.end_of(stream);
        assert!(matches!(end, End::Reset(_) | End::Closed | End::GoAway(_)), "{what} over HTTP/2: {end:?}");
        assert_eq!(
            app.upstream().count(),
            before + 2,
            "{what}: nothing is tried again behind the first byte"
        );
    }
    settle(&app);
}
