//! Bodies larger than anything that may be kept, in both directions, and readers that take their time: what the process
//! holds in memory does not grow with them.

use std::io::Write as _;
use std::time::Duration;

use crate::support::{Next, TestApp, get};

const PIECE: usize = 1 << 20;
const PIECES: usize = 256;
/// What the process may grow by: buffers of sockets and of allocators, not bodies. The upstream of the test, which
/// keeps a few MiB of what it gets, lives in the same process.
const GROWTH: usize = 48 << 20;

fn app() -> TestApp {
    TestApp::with(|setup| {
        setup.route("{ path: /public/large/**, upstream: app, max_body: 1GiB }");
    })
}

/// Memory in use now and at most so far, in bytes.
fn memory() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let field = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name)).expect("a field");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok()).expect("KiB") * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Runs `work` and checks how far memory went up meanwhile.
fn bounded(what: &str, work: impl FnOnce()) {
    let before = memory().1;
    work();
    let after = memory().1;
    assert!(after <= before + GROWTH, "{what}: from {} to {} MiB", before >> 20, after >> 20);
}

#[test]
fn an_upload_of_256_mib_streams() {
    let app = app();
    let piece = vec![b'u'; PIECE];
    assert_eq!(app.ask(get("/public/large/warm", "")).status, 200);
    bounded("upload", || {
        let mut client = app.connect();
        client.send(format!(
            "POST /public/large/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            PIECE * PIECES
        ));
        for _ in 0..PIECES {
            client.try_send(&piece).expect("it goes on");
        }
        assert_eq!(client.patience(Duration::from_secs(30)).answer().map(|a| a.status), Ok(200));
    });
    let seen = app.upstream().last();
    assert_eq!((seen.body_bytes, seen.complete), (PIECE * PIECES, true));
}

#[test]
fn a_download_of_256_mib_streams_to_a_reader_that_pauses() {
    let app = app();
    app.upstream().script("/public/large/down", |_, stream| {
        let piece = vec![b'd'; PIECE];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PIECE * PIECES);
        let sent = stream.write_all(head.as_bytes());
        let sent = sent.and_then(|()| (0..PIECES).try_for_each(|_| stream.write_all(&piece)));
        if sent.is_ok() { Next::KeepAlive } else { Next::Close }
    });
    assert_eq!(app.ask(get("/public/large/warm", "")).status, 200);
    bounded("download", || {
        let mut client = app.connect();
        client.send(get("/public/large/down", ""));
        assert_eq!(client.head().map(|h| h.status), Ok(200));
        let mut left = PIECE * PIECES;
        let mut next_pause = left;
        while left > 0 {
            if left <= next_pause {
                // Everything on the way fills up.
                std::thread::sleep(Duration::from_millis(100));
                next_pause = left.saturating_sub(64 * PIECE);
            }
            left -= client.some().expect("it goes on").len();
        }
    });
}

/// 5.18: an upstream that dribbles holds a connection and nothing else; one that is silent is a 504.
#[test]
fn case_5_18_a_slow_upstream_is_its_own_problem() {
    let app = TestApp::with(|setup| {
        setup.upstream_option("timeouts: { read: 2s }");
    });
    app.upstream().script("/public/dribble", |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(300));
            let _ = stream.write_all(b"x");
        }
        Next::KeepAlive
    });
    app.upstream().script("/public/silent", |_, stream| {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = std::io::Read::read(stream, &mut [0]);
        Next::Close
    });
    app.upstream().script("/public/stalls", |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = std::io::Read::read(stream, &mut [0]);
        Next::Close
    });
    std::thread::scope(|scope| {
        let dribble = scope.spawn(|| app.ask(get("/public/dribble", "")));
        let silent = scope.spawn(|| app.ask(get("/public/silent", "")));
        let stalls = scope.spawn(|| app.try_ask(get("/public/stalls", "")));
        for _ in 0..5 {
            assert_eq!(app.ask(get("/auth/login/", "")).status, 200);
        }
        let answer = dribble.join().unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 10), "slow is not silent");
        assert_eq!(silent.join().unwrap().status, 504);
        assert!(stalls.join().unwrap().is_err(), "half an answer looked whole");
    });
    assert_eq!(app.metric("stagedoor_upstream_errors_total", "kind=\"timeout\""), 2);
    app.expect_unanswered(app.upstream().complete() - app.forwards_said());
}
