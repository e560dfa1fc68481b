//! Group S: bytes that two programs on the way could cut into requests in two ways. The client's half; what upstreams send
//! back is in `upstream_answers`. Everything goes over raw sockets, and what reaches the upstream is read by several parsers
//! at the end of each test (INV-1).
//!
//! - `lengths`, `codings`: how long a body is said to be · `chunks`: how it says so itself · `bodies`: where none is expected
//! - `lines`, `heads`: what heads are made of, and how many of it
//! - `own`: what we answer ourselves without reading on · `pipelines`: requests that do not wait
//! - `hops`: what ends at this connection · `upgrades`: what is no HTTP any more

mod bodies;
mod chunks;
mod codings;
mod heads;
mod hops;
mod lengths;
mod lines;
mod own;
mod pipelines;
mod upgrades;

use std::time::Duration;

use crate::support::{Silence, TestApp, until};

/// What an attacker would like somebody to take for a request.
const SMUGGLED: &str = "GET /admin/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn stage() -> TestApp {
    TestApp::start().with_outside_judges()
}

/// Deadlines that a test can wait for.
fn hurried() -> TestApp {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| {
            let limits = &mut settings.proxy.limits;
            limits.head_timeout = Duration::from_millis(1500);
            limits.body_timeout = Duration::from_millis(1500);
        });
    });
    app.with_outside_judges()
}

/// `POST /public/x` with these field lines (each with its CRLF) and whatever follows the head.
fn post(lines: impl AsRef<[u8]>, rest: impl AsRef<[u8]>) -> Vec<u8> {
    let head = b"POST /public/x HTTP/1.1\r\nHost: localhost\r\n";
    [head, lines.as_ref(), b"\r\n", rest.as_ref()].concat()
}

/// Bytes whose fault comes when the upstream has part of the request already: refused or cut off, and the upstream never
/// has the whole of it.
fn cut_off(app: &TestApp, pieces: &[&[u8]], status: u16) {
    let what = String::from_utf8_lossy(&pieces.concat()).chars().take(200).collect::<String>();
    let (before, bytes) = (app.upstream().count(), app.upstream().bytes());
    let mut client = app.connect();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            // What was sent before has gone as far as it goes; whatever comes now comes alone.
            until("the head at the upstream", || (app.upstream().bytes() > bytes).then_some(()));
        }
        client.send(piece);
    }
    match client.answer() {
        Ok(answer) => assert_eq!(answer.status, status, "{what:?}: {}", answer.text()),
        Err(silence) => assert_eq!(silence, Silence::Closed, "{what:?}"),
    }
    assert!(client.is_closed(), "the connection stays open after {what:?}");
    let cut = until("the upstream to notice", || app.upstream().since(before).pop());
    assert!(!cut.complete, "{what:?} was forwarded as a whole request");
    assert_eq!(app.upstream().count(), before + 1, "{what:?}");
    app.judge_since(before, None, &what);
}
