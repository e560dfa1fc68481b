//! What RFC 9113 and RFC 7541 say an endpoint MUST do with what a client sends (Z-16), one line for each case. The same
//! ground is covered by outside judges ([docs/conformance.md]); this keeps their result without having to install them.
//!
//! [docs/conformance.md]: ../../../docs/conformance.md

mod connection;
mod hpack;
mod messages;
mod streams;

use crate::support::h2::{self, End, H2, fields, frame, literal};
use crate::support::{Silence, TestApp};

/// Error codes (RFC 9113 section 7).
const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const REFUSED: u32 = 7;
const COMPRESSION: u32 = 9;

const PADDED: u8 = 8;
const PRIORITISED: u8 = 0x20;
const WHOLE: u8 = h2::END_HEADERS | h2::END_STREAM;

/// What has to come of it.
#[derive(Clone, Copy, Debug)]
enum Must {
    /// A GOAWAY with this code, and the end of the connection. The library often says no more than that the protocol was
    /// not kept, where the RFC has a code for the very fault; the connection ends all the same.
    End(u32),
    /// Stream 1 is reset with this code, and the connection goes on.
    Reset(u32),
    /// Stream 1 is reset with this code, or the connection is ended: both refuse what was sent.
    Refuse(u32),
    /// Stream 1 is answered with this status, and the connection goes on.
    Answer(u16),
}

/// Section, what is sent behind the preface, and what must come of it.
struct Case(&'static str, &'static str, Vec<u8>, Must);

/// A request for `path` on this stream, in one frame.
fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(h2::HEADERS, WHOLE, stream, &block("GET", path, &[]))
}

/// The head of a request with a body.
fn post(stream: u32) -> Vec<u8> {
    frame(h2::HEADERS, h2::END_HEADERS, stream, &block("POST", "/public/x", &[]))
}

/// The fields of a request as literals.
fn block(method: &str, path: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all = fields(path, more);
    all[0].1 = method.as_bytes();
    all.iter().flat_map(|(name, value)| literal(name.as_bytes(), value)).collect()
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(h2::SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn then(pieces: &[Vec<u8>]) -> Vec<u8> {
    pieces.concat()
}

/// How stream 1 ended, or the connection; nothing when neither does.
fn end(connection: &mut H2, must: Must) -> Option<End> {
    if !matches!(must, Must::End(_)) {
        return Some(connection.end_of(1));
    }
    let mut last = End::Closed;
    loop {
        match connection.next_frame() {
            Ok((h2::GOAWAY, _, _, payload)) => last = End::GoAway(u32::from(payload[7])),
            Ok(_) => {}
            Err(Silence::Closed) => return Some(last),
            Err(_) => return None,
        }
    }
}

/// Runs the cases, each on a connection of its own, and tells all that went otherwise at once.
fn judge(cases: Vec<Case>) {
    let app = TestApp::start();
    let mut wrong = Vec::new();
    for Case(section, what, bytes, must) in cases {
        let mut connection = H2::connect(&app);
        connection.burst(&bytes);
        let end = end(&mut connection, must);
        let right = match (&end, must) {
            (Some(End::GoAway(code)), Must::End(expected) | Must::Refuse(expected)) => {
                *code == expected || *code == PROTOCOL
            }
            (Some(End::Reset(code)), Must::Reset(expected) | Must::Refuse(expected)) => *code == expected,
            (Some(End::Answer(status, _)), Must::Answer(expected)) => *status == expected,
            _ => false,
        };
        let goes_on = matches!(end, Some(End::GoAway(_))) || {
            connection.send(h2::PING, 0, 0, b"good day");
            connection.pong()
        };
        if !right || !goes_on {
            wrong.push(format!("{section} {what}: {must:?}, but {end:?} (goes on: {goes_on})"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Requests that were whole before their connection was ended have been forwarded, and nobody was there to answer.
    app.settle();
}
