//! Answers that do not end by themselves: a WebSocket, events, a download and an HTTP/2 stream.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::h2::{self, End, H2};
use super::{Next, Person, RawClient, TestApp, client_frame, get, server_frame};

/// How soon the upstream sends something again.
const BEAT: Duration = Duration::from_millis(20);
/// How long a test waits for an end that must come.
const BOUND: Duration = Duration::from_secs(5);

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What kind of answer it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    WebSocket,
    /// Server-sent events in chunks.
    Events,
    /// A long body with a length.
    Download,
    /// Events over HTTP/2.
    Http2,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::WebSocket, Self::Events, Self::Download, Self::Http2];
}

/// Upstream connections that were taken from the endless answers.
#[derive(Clone, Default)]
pub struct Released(Arc<AtomicUsize>);

impl Released {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// The upstream answers `…/events` and `…/download` below `folder` without an end.
pub fn endless(app: &TestApp, folder: &str) -> Released {
    let released = Released::default();
    for (name, head, piece) in [
        (
            "events",
            "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked",
            &b"9\r\ndata: x\n\n\r\n"[..],
        ),
        ("download", "Content-Length: 100000000", &b"0123456789abcdef"[..]),
    ] {
        let count = released.0.clone();
        app.upstream().script(&format!("{folder}/{name}"), move |_, stream| {
            let mut go_on = stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).is_ok();
            while go_on {
                go_on = stream.write_all(piece).is_ok();
                std::thread::sleep(BEAT);
            }
            count.fetch_add(1, Ordering::SeqCst);
            Next::Close
        });
    }
    released
}

/// One such answer, seen by its client.
pub struct Flow {
    pub kind: Kind,
    client: Client,
}

enum Client {
    Http1(RawClient),
    Http2(H2, u32),
}

impl Flow {
    /// Asks for it below `folder` and waits until it has begun.
    pub fn open(app: &TestApp, kind: Kind, folder: &str, who: Option<&Person>) -> Self {
        let token = who.map(Person::bearer).unwrap_or_default();
        let client = match kind {
            Kind::WebSocket => {
                Self::http1(app, get(&format!("{folder}/ws"), &format!("{UPGRADE}{token}")), 101)
            }
            Kind::Events => Self::http1(app, get(&format!("{folder}/events"), &token), 200),
            Kind::Download => Self::http1(app, get(&format!("{folder}/download"), &token), 200),
            Kind::Http2 => {
                let value = who.map(|p| format!("Bearer {}", p.access)).unwrap_or_default();
                let field = [("authorization", value.as_bytes())];
                let mut connection = H2::connect(app);
                let more = if who.is_some() { &field[..] } else { &[] };
                let stream = connection.open(&h2::fields(&format!("{folder}/events"), more), true);
                assert_eq!(connection.head_of(stream), 200);
                Client::Http2(connection, stream)
            }
        };
        Self { kind, client }
    }

    fn http1(app: &TestApp, request: Vec<u8>, status: u16) -> Client {
        let mut client = app.connect();
        client.send(request);
        let head = client.head().expect("the answer begins");
        assert_eq!(head.status, status);
        Client::Http1(client)
    }

    /// All kinds of them.
    pub fn open_all(app: &TestApp, folder: &str, who: Option<&Person>) -> Vec<Self> {
        Kind::ALL.into_iter().map(|kind| Self::open(app, kind, folder, who)).collect()
    }

    /// Something still comes.
    pub fn assert_goes_on(&mut self) {
        match (&mut self.client, self.kind) {
            (Client::Http1(client), Kind::WebSocket) => {
                client.send(client_frame(1, b"still there?"));
                let expected = server_frame(1, b"still there?");
                assert_eq!(client.exactly(expected.len()), Ok(expected), "the WebSocket");
            }
            (Client::Http1(client), kind) => {
                // More than what may have been under way.
                client.some().unwrap_or_else(|e| panic!("{kind:?}: {e:?}"));
                assert!(client.some().is_ok_and(|b| !b.is_empty()), "{kind:?}");
            }
            (Client::Http2(connection, stream), kind) => {
                connection.piece_of(*stream).unwrap_or_else(|e| panic!("{kind:?}: {e:?}"));
            }
        }
    }

    /// It ends, and its client can tell that it was not whole.
    pub fn assert_is_cut(&mut self, app: &TestApp) {
        let began = app.now();
        let late = || app.now().since(began) > BOUND;
        match (&mut self.client, self.kind) {
            (Client::Http1(client), Kind::WebSocket) => assert!(client.is_closed(), "the WebSocket"),
            (Client::Http1(client), kind) => {
                let mut tail = Vec::new();
                while let Some(bytes) = client.some().ok().filter(|bytes| !bytes.is_empty()) {
                    assert!(!late(), "{kind:?} goes on");
                    tail = bytes;
                }
                assert!(!tail.ends_with(b"0\r\n\r\n"), "{kind:?} looks like a whole answer");
            }
            (Client::Http2(connection, stream), kind) => loop {
                match connection.piece_of(*stream) {
                    Ok(_) => assert!(!late(), "{kind:?} goes on"),
                    Err(End::Reset(_)) => break,
                    Err(end) => panic!("{kind:?} ended with {end:?}"),
                }
            },
        }
    }

    /// The connection of an HTTP/2 stream, which outlives it.
    pub fn http2(self) -> Option<H2> {
        if let Client::Http2(connection, _) = self.client { Some(connection) } else { None }
    }

    /// The client goes away without a word.
    pub fn abort(self) {
        match self.client {
            Client::Http1(client) => client.abort(),
            Client::Http2(connection, _) => connection.abort(),
        }
    }

    /// The client no longer wants an HTTP/2 stream.
    pub fn cancel(&mut self) {
        let Client::Http2(connection, stream) = &mut self.client else { panic!("only HTTP/2 can") };
        connection.send(h2::RST_STREAM, 0, *stream, &8_u32.to_be_bytes());
    }
}
