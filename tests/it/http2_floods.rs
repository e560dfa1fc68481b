//! HTTP/2 clients that cost us more than themselves (Z-01 to Z-06): each connection is ended, and everybody else is
//! served meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::h2::{self, End, H2, fields, frame, literal};
use crate::support::{Next, TestApp, get, until};

/// A name and frames that make us reset a stream.
type Fault<'a> = (&'a str, Box<dyn Fn(&mut H2) -> Vec<u8> + 'a>);

const CALM_DOWN: End = End::GoAway(0xb);
/// What a flood would send if nobody stopped it.
const MANY: usize = 100_000;

fn block(path: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    fields(path, more).iter().flat_map(|(n, v)| literal(n.as_bytes(), v)).collect()
}

/// Sends what `make` makes, many frames at a time, until the gateway takes no more. What it takes says little: the
/// system has buffers, and what comes behind the last word is thrown away. That word says what was made of it.
fn flood(connection: &mut H2, times: usize, mut make: impl FnMut(&mut H2) -> Vec<u8>) {
    for _ in (0..times).step_by(100) {
        let piece: Vec<u8> = (0..100).flat_map(|_| make(connection)).collect();
        if !connection.burst(&piece) {
            return;
        }
    }
}

/// Says so even when the attack fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs `attack` while an honest client asks one thing after the other; each is answered, and soon.
fn beside_honest(app: &TestApp, attack: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let honest = scope.spawn(|| {
            let (mut asked, mut slowest) = (0, Duration::ZERO);
            while !over.load(Ordering::SeqCst) || asked < 20 {
                let began = app.now();
                let answer = app.ask(get("/auth/.well-known/jwks.json", ""));
                assert_eq!(answer.status, 200);
                slowest = slowest.max(app.now().since(began));
                asked += 1;
            }
            (asked, slowest)
        });
        {
            let _over = Over(&over);
            attack();
        }
        let (asked, slowest) = honest.join().expect("an honest client is served");
        println!("{asked} honest requests beside it, the slowest took {} ms", slowest.as_millis());
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    });
}

/// Memory of this process, gateway and test together, in bytes.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

#[test]
fn z_01_requests_that_are_cancelled_at_once_end_the_connection() {
    let app = TestApp::start();
    let head = block("/public/x", &[]);
    beside_honest(&app, || {
        let mut connection = H2::connect(&app);
        flood(&mut connection, MANY, |c| {
            let stream = c.next_stream();
            let mut both = frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, stream, &head);
            both.extend(frame(h2::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
            both
        });
        assert_eq!(connection.goodbye(), CALM_DOWN);
    });
    let seen = app.settle();
    println!("the upstream saw {seen} of {MANY} cancelled requests");
    assert!(seen < 1000, "{seen} requests reached the upstream");
}

/// Slowly enough that the library sees each request accepted before it is cancelled.
#[test]
fn z_01_requests_that_are_cancelled_one_by_one_end_the_connection() {
    let app = TestApp::start();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    app.upstream().script("/public/slow", move |_, _| {
        let _ = gate.lock().unwrap().recv_timeout(Duration::from_secs(5));
        Next::Close
    });
    let head = block("/public/slow", &[]);
    let mut connection = H2::connect(&app);
    let mut sent = 0;
    while sent < 2000 {
        let stream = connection.next_stream();
        let mut both = frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, stream, &head);
        both.extend(frame(h2::PING, 0, 0, &[0; 8]));
        if !connection.burst(&both) || !connection.pong() {
            break;
        }
        connection.send(h2::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        sent += 1;
    }
    assert!(sent < 2000, "everything was taken");
    drop(open);
    let seen = app.settle();
    println!("{sent} were cancelled, the upstream saw {seen}");
    assert_eq!(app.metric("stagedoor_denials_total", "http2_flood"), 1);
}

/// A proxy of ours speaks for many people, and each of them may close a tab: what one does must not end the requests of
/// all.
#[test]
fn z_01_a_trusted_proxy_may_cancel_as_its_people_do() {
    let app = TestApp::with(|setup| {
        setup.server("trusted_proxies: [127.0.0.1]");
    });
    let head = block("/public/x", &[]);
    let mut connection = H2::connect(&app);
    for _ in 0..600 {
        let stream = connection.next_stream();
        let mut both = frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, stream, &head);
        both.extend(frame(h2::PING, 0, 0, &[0; 8]));
        assert!(connection.burst(&both) && connection.pong(), "stream {stream}");
        connection.send(h2::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    }
    let stream = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(stream).status(), Some(200));
    assert_eq!(app.metric("stagedoor_denials_total", "http2_flood"), 0);
    app.settle();
}

#[test]
fn z_02_a_block_of_fields_without_an_end_ends_the_connection() {
    let app = TestApp::start();
    let fields: Vec<u8> = (0..100).flat_map(|i| literal(format!("x-{i}").as_bytes(), &[b'a'; 130])).collect();
    let before = memory();
    beside_honest(&app, || {
        for more in [&fields[..], b""] {
            let mut connection = H2::connect(&app);
            let stream = connection.next_stream();
            connection.send(h2::HEADERS, h2::END_STREAM, stream, &block("/public/x", &[]));
            flood(&mut connection, 10_000, |_| frame(h2::CONTINUATION, 0, stream, more));
            assert!(matches!(connection.goodbye(), End::GoAway(_)), "pieces of {} bytes", more.len());
        }
    });
    let grown = memory().saturating_sub(before);
    println!("memory grew by {} kB", grown / 1024);
    assert!(grown < 8 << 20, "{grown} bytes more");
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn z_02_a_block_of_fields_has_a_deadline() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.head_timeout = Duration::from_millis(1500));
    });
    let mut connection = H2::connect(&app);
    let stream = connection.next_stream();
    connection.send(h2::HEADERS, h2::END_STREAM, stream, &block("/public/x", &[]));
    assert_eq!(connection.goodbye(), CALM_DOWN);
    assert_eq!(app.metric("stagedoor_denials_total", "head_too_slow"), 1);
    // Also behind a request that was served.
    let mut connection = H2::connect(&app);
    let stream = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(stream).status(), Some(200));
    let stream = connection.next_stream();
    connection.send(h2::HEADERS, h2::END_STREAM, stream, &block("/public/x", &[]));
    assert_eq!(connection.goodbye(), CALM_DOWN);
    assert_eq!(app.metric("stagedoor_denials_total", "head_too_slow"), 2);
    // Nothing at all: as on HTTP/1, nobody waits for long.
    assert_eq!(H2::connect(&app).goodbye(), End::GoAway(0));
}

#[test]
fn z_03_faults_that_make_us_reset_end_the_connection() {
    let app = TestApp::start();
    let head = block("/public/x", &[]);
    let open = |c: &mut H2, flags: u8| {
        let stream = c.next_stream();
        (stream, frame(h2::HEADERS, h2::END_HEADERS | flags, stream, &head))
    };
    let window = |by: u32| {
        move |c: &mut H2| {
            let (stream, head) = open(c, 0);
            [head, frame(h2::WINDOW_UPDATE, 0, stream, &by.to_be_bytes())].concat()
        }
    };
    let faults: [Fault<'_>; 4] = [
        ("a window that grows by nothing", Box::new(window(0))),
        ("a window that overflows", Box::new(window(0x7fff_ffff))),
        (
            "fields behind the end",
            Box::new(|c| {
                let (stream, first) = open(c, h2::END_STREAM);
                [first, frame(h2::HEADERS, h2::END_HEADERS, stream, &head)].concat()
            }),
        ),
        (
            "a stream that depends on itself",
            Box::new(|c| {
                let (stream, first) = open(c, 0);
                [first, frame(h2::PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[1]].concat())].concat()
            }),
        ),
    ];
    for (what, fault) in &faults {
        beside_honest(&app, || {
            let mut connection = H2::connect(&app);
            flood(&mut connection, 20_000, |c| fault(c));
            assert!(matches!(connection.goodbye(), End::GoAway(_) | End::Closed), "{what}");
        });
    }
    let seen = app.upstream().count();
    println!("the upstream saw {seen} of them begin");
    app.settle();
}

#[test]
fn z_04_data_without_bytes_ends_the_connection() {
    let app = TestApp::start();
    beside_honest(&app, || {
        let mut connection = H2::connect(&app);
        let mut post = fields("/public/x", &[]);
        post[0].1 = b"POST";
        let stream = connection.open(&post, false);
        flood(&mut connection, 10 * MANY, |_| frame(h2::DATA, 0, stream, b""));
        assert_eq!(connection.goodbye(), CALM_DOWN);
    });
}

#[test]
fn z_05_pings_and_settings_have_an_allowance() {
    let app = TestApp::start();
    for (what, flooding) in [
        ("PING", frame(h2::PING, 0, 0, &[7; 8])),
        ("SETTINGS", frame(h2::SETTINGS, 0, 0, &[])),
        ("unknown", frame(0x77, 0, 0, &[])),
    ] {
        beside_honest(&app, || {
            let mut connection = H2::connect(&app);
            flood(&mut connection, MANY, |_| flooding.clone());
            assert_eq!(connection.goodbye(), CALM_DOWN, "{what}");
        });
    }
    assert_eq!(app.metric("stagedoor_denials_total", "http2_flood"), 3);
    // What honest clients send is far below.
    let mut connection = H2::connect(&app);
    for _ in 0..200 {
        connection.send(h2::PING, 0, 0, &[1; 8]);
        assert!(connection.pong());
    }
    let stream = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(stream).status(), Some(200));
}

#[test]
fn z_05_a_client_that_takes_nothing_is_left() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.body_timeout = Duration::from_millis(300));
    });
    let (gone, left) = std::sync::mpsc::channel();
    app.upstream().script("/public/large", move |_, stream| {
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while std::io::Write::write_all(stream, &[b'a'; 8192]).is_ok() {}
        let _ = gone.send(());
        Next::Close
    });
    let mut connection = H2::with_window(&app, 0);
    let stream = connection.open(&fields("/public/large", &[]), true);
    assert_eq!(connection.head_of(stream), 200);
    left.recv_timeout(Duration::from_secs(8)).expect("the upstream is released");
    // The connection itself is fine.
    let other = connection.open(&fields("/api/x", &[]), true);
    assert_eq!(connection.head_of(other), 401);
}

#[test]
fn z_05_a_body_that_stalls_is_left() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.body_timeout = Duration::from_millis(300));
    });
    let mut connection = H2::connect(&app);
    let mut post = fields("/public/x", &[]);
    post[0].1 = b"POST";
    let stream = connection.open(&post, false);
    connection.data(stream, b"half", false);
    assert!(matches!(connection.end_of(stream), End::Reset(_)));
    until("it is counted", || (app.metric("stagedoor_denials_total", "body_too_slow") == 1).then_some(()));
    let cut = until("the upstream to notice", || app.upstream().since(0).pop());
    assert!(!cut.complete, "half a body was taken for a whole one");
}

/// The other side of that deadline: a whole body whose answer takes its time, and a conversation in which the client
/// says nothing for a while.
#[test]
fn a_body_that_came_or_is_a_conversation_may_take_its_time() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.body_timeout = Duration::from_millis(1500));
    });
    app.upstream().script("/public/slow", |_, stream| {
        std::thread::sleep(Duration::from_millis(4000));
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
        Next::KeepAlive
    });
    let mut post = fields("/public/slow", &[]);
    post[0].1 = b"POST";
    let mut connection = H2::connect(&app);
    let stream = connection.open(&post, false);
    connection.data(stream, b"half", false);
    std::thread::sleep(Duration::from_millis(100));
    connection.data(stream, b"half", true);
    assert_eq!(connection.end_of(stream), End::Answer(200, b"slow".to_vec()));
    // The upstream of the tests reads bodies whole before it answers; this one does not.
    let talking = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = talking.local_addr().expect("an address");
    let app = TestApp::with(move |setup| {
        setup.upstream("talk", &format!("{{ servers: [\"http://{address}\"] }}"));
        setup.route("{ path: /public/talk, upstream: talk }");
        setup.tweak(|settings| settings.proxy.limits.body_timeout = Duration::from_millis(1500));
    });
    std::thread::spawn(move || {
        let (mut stream, _) = talking.accept().expect("the gateway");
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        std::io::Write::write_all(&mut stream, head).expect("sent");
        let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
        while !seen.ends_with(b"0\r\n\r\n") {
            let n = std::io::Read::read(&mut stream, &mut chunk).expect("bytes");
            assert!(n > 0, "the gateway left");
            seen.extend_from_slice(&chunk[..n]);
        }
        std::io::Write::write_all(&mut stream, b"3\r\nbye\r\n0\r\n\r\n").expect("sent");
    });
    let mut post = fields("/public/talk", &[]);
    post[0].1 = b"POST";
    let mut connection = H2::connect(&app);
    let stream = connection.open(&post, false);
    connection.data(stream, b"one", false);
    assert_eq!(connection.head_of(stream), 200);
    assert_eq!(connection.piece_of(stream), Ok(b"hello".to_vec()));
    std::thread::sleep(Duration::from_millis(4000));
    connection.data(stream, b"two", true);
    let End::Answer(_, rest) = connection.end_of(stream) else { panic!("it was cut") };
    assert_eq!(rest, b"bye");
    // It went to another upstream than the one that counts.
    app.expect_answered_elsewhere(1);
}

#[test]
fn z_06_fields_that_unfold_are_refused() {
    let app = TestApp::start();
    // One large entry of the dynamic table, named again and again: 40 kB on the wire of memory, 100 bytes on the wire.
    let value = [b'a'; 3900];
    let mut bomb = block("/public/x", &[]);
    let mut entry = literal(b"x-bomb", &value);
    entry[0] = 0x40;
    bomb.extend(entry);
    bomb.extend([0xbe; 100]);
    let mut connection = H2::connect(&app);
    let stream = connection.open_block(&bomb, true);
    let end = connection.end_of(stream);
    assert!(end.is_rejection(), "{end:?}");
    // Just too many fields, and just too long ones.
    let names: Vec<String> = (0..101).map(|i| format!("x-{i}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b"1"[..])).collect();
    assert_eq!(app.h2(&fields("/public/x", &many)).status(), Some(431));
    let long = [b'a'; 9000];
    let few: Vec<(&str, &[u8])> = names[..5].iter().map(|n| (n.as_str(), &long[..])).collect();
    let blocks: Vec<u8> = block("/public/x", &few);
    let mut connection = H2::connect(&app);
    let stream = connection.open_in_pieces(&blocks);
    let end = connection.end_of(stream);
    assert!(end.is_rejection(), "{end:?}");
    assert_eq!(app.upstream().count(), 0);
}

/// More streams at a time than were granted are refused one by one; the connection goes on.
#[test]
fn so_many_streams_at_a_time() {
    let app = TestApp::start();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    app.upstream().script("/public/slow", move |_, stream| {
        let _ = gate.lock().unwrap().recv_timeout(Duration::from_secs(8));
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Next::KeepAlive
    });
    let mut connection = H2::connect(&app);
    let streams: Vec<u32> = (0..100).map(|_| connection.open(&fields("/public/slow", &[]), true)).collect();
    until("all of them at the upstream", || (app.upstream().count() == 100).then_some(()));
    let above = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(above), End::Reset(7), "REFUSED_STREAM");
    drop(open);
    // Read in the order in which they end, whatever it is.
    connection.ends_of(&streams);
    let next = connection.open(&fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(next).status(), Some(200));
}
