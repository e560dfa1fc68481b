//! What WebSockets may cost (D-14): they count as connections, and what flows through them is not kept.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::flow::{Flow, Kind};
use crate::support::{Next, RawClient, TestApp, client_frame, get, server_frame};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// A message that nobody would want in memory.
const LARGE: usize = 128 << 20;

/// Memory of this process, gateway and test together, in bytes.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

#[test]
fn d_14_open_websockets_count_as_connections() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.connections_per_address = 5);
    });
    let user = app.person("user");
    app.await_no_connection();
    let mut open: Vec<Flow> =
        (0..5).map(|_| Flow::open(&app, Kind::WebSocket, "/api", Some(&user))).collect();
    assert!(app.connect().is_closed(), "the sixth");
    open.iter_mut().for_each(Flow::assert_goes_on);
    drop(open);
    app.await_no_connection();
}

/// A WebSocket to `path`, after its handshake.
fn upgraded(app: &TestApp, path: &str, bearer: &str) -> RawClient {
    let mut client = app.connect();
    client.send(get(path, &format!("{UPGRADE}{bearer}")));
    assert_eq!(client.head().map(|head| head.status), Ok(101));
    client
}

#[test]
fn d_14_a_websocket_over_which_nothing_passes_ends() {
    let idle = Duration::from_millis(2000);
    let app = TestApp::with(move |setup| {
        setup.tweak(move |settings| settings.proxy.limits.websocket_idle = idle);
    });
    let user = app.person("user");
    let (tell, told) = mpsc::channel();
    // One talks and never listens, the other the other way round; a third says nothing at all.
    app.upstream().script("/api/", move |request, stream| {
        std::thread::sleep(Duration::from_millis(40));
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let mut chunk = [0; 4096];
        if request.path() == "/api/talks" {
            while stream.write_all(&server_frame(1, b"beat")).is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        while stream.read(&mut chunk).is_ok_and(|n| n > 0) {}
        let _ = tell.send(request.path().to_owned());
        Next::Close
    });
    let mut silent = upgraded(&app, "/api/silent", &user.bearer());
    let mut hears = upgraded(&app, "/api/talks", &user.bearer());
    let mut talks = upgraded(&app, "/api/listens", &user.bearer());
    let beat = server_frame(1, b"beat");
    for n in 0..45 {
        assert_eq!(hears.exactly(beat.len()), Ok(beat.clone()), "{n}");
        talks.send(client_frame(1, b"word"));
    }
    // More than four seconds have passed.
    assert!(silent.is_closed());
    assert_eq!(
        told.recv_timeout(Duration::from_secs(8)),
        Ok("/api/silent".to_owned()),
        "the upstream is let go"
    );
    assert!(talks.try_send(&client_frame(1, b"word")).is_ok() && talks.is_open_and_quiet());
    drop((hears, talks));
    app.settle();
}

#[test]
fn d_14_idle_websockets_cost_little_and_harm_nobody() {
    const OPEN: usize = 200;
    let app = TestApp::start();
    let user = app.person("user");
    assert_eq!(app.ask(get("/api/x", &user.bearer())).status, 200);
    let before = memory();
    let open: Vec<RawClient> = (0..OPEN).map(|_| upgraded(&app, "/ws", &user.bearer())).collect();
    let each = memory().saturating_sub(before) / OPEN;
    println!("{each} bytes for each, with both ends of this test");
    assert_eq!(app.metric("stagedoor_streams_open", ""), OPEN);
    assert_eq!(app.ask(get("/api/x", &user.bearer())).status, 200);
    assert!(each <= 512 << 10, "{each}");
    drop(open);
    crate::support::until("all are given back", || {
        (app.metric("stagedoor_streams_open", "") == 0).then_some(())
    });
    app.settle();
}

#[test]
fn d_14_a_large_message_and_many_pings_pass_without_being_kept() {
    let app = TestApp::start();
    let user = app.person("user");
    let (tell, told) = mpsc::channel();
    app.upstream().script("/api/sink", move |_, stream| {
        std::thread::sleep(Duration::from_millis(40));
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let (mut seen, mut chunk) = (0, vec![0; 65536]);
        while seen < LARGE {
            match stream.read(&mut chunk) {
                Ok(n) if n > 0 => seen += n,
                _ => break,
            }
        }
        let _ = tell.send(seen);
        Next::Close
    });
    let mut client = app.connect();
    client.send(get("/api/sink", &format!("{UPGRADE}{}", user.bearer())));
    assert_eq!(client.head().map(|head| head.status), Ok(101));
    let before = memory();
    let piece = vec![0x5a; 65536];
    for _ in 0..LARGE / piece.len() {
        client.send(&piece);
    }
    assert_eq!(told.recv_timeout(Duration::from_secs(30)), Ok(LARGE));
    let grown = memory().saturating_sub(before);
    println!("memory grew by {} kB", grown / 1024);
    assert!(grown < 16 << 20, "{grown} bytes more");
    // Pings belong to the application; it answers each.
    let mut client = app.connect();
    client.send(get("/ws", &format!("{UPGRADE}{}", user.bearer())));
    assert_eq!(client.head().map(|head| head.status), Ok(101));
    for _ in 0..100 {
        client.send(client_frame(9, b"ping").repeat(100));
        let expected = server_frame(9, b"ping").repeat(100);
        assert!(client.exactly(expected.len()) == Ok(expected));
    }
}
