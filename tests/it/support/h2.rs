//! HTTP/2 over plain TCP by prior knowledge, frame by frame (RFC 9113), with literal header fields (RFC 7541) and no
//! Huffman coding on our side: every byte of a field is what the test says.

use std::collections::BTreeSet;

pub use super::h2_bytes::*;
use super::wire::{RawClient, Silence};
use super::{TestApp, h2_bytes};

pub const ACK: u8 = 1;

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// An answer: status and body.
    Answer(u16, Vec<u8>),
    /// RST_STREAM with this error code.
    Reset(u32),
    /// GOAWAY with this error code.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
}

impl End {
    pub fn status(&self) -> Option<u16> {
        if let Self::Answer(status, _) = self { Some(*status) } else { None }
    }

    /// REJ: a refusal as malformed, a reset stream or the end of the connection.
    pub fn is_rejection(&self) -> bool {
        self.status().is_none_or(|s| matches!(s, 400 | 404 | 405 | 413 | 414 | 421 | 431 | 501 | 505))
    }
}

/// One connection.
pub struct H2 {
    client: RawClient,
    next_stream: u32,
    /// Streams that ended while something else was awaited.
    ended: BTreeSet<u32>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn ends_its_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

impl H2 {
    /// Connects and exchanges the preface and SETTINGS.
    pub fn connect(app: &TestApp) -> Self {
        // Room for answers of any size that a test asks for.
        Self::with_window(app, 1 << 30)
    }

    /// The same with so much room for each answer (SETTINGS_INITIAL_WINDOW_SIZE), and enough for all together.
    pub fn with_window(app: &TestApp, window: u32) -> Self {
        Self::over(app.connect(), window)
    }

    /// The same on a connection that is there.
    pub fn over(mut client: RawClient, window: u32) -> Self {
        let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
        client.send(PREFACE).send(frame(SETTINGS, 0, 0, &setting));
        client.send(frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
        Self { client, next_stream: 1, ended: BTreeSet::new() }
    }

    /// Opens a stream with these fields, in this order; returns its number.
    pub fn open(&mut self, fields: &[(&str, &[u8])], ends: bool) -> u32 {
        let block: Vec<u8> = fields.iter().flat_map(|(n, v)| literal(n.as_bytes(), v)).collect();
        self.open_block(&block, ends)
    }

    /// The same with a block of header bytes.
    pub fn open_block(&mut self, block: &[u8], ends: bool) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.client.send(frame(HEADERS, flags, stream, block));
        stream
    }

    pub fn data(&mut self, stream: u32, bytes: &[u8], ends: bool) {
        self.client.send(frame(DATA, if ends { END_STREAM } else { 0 }, stream, bytes));
    }

    /// Trailers: a second block of fields that ends the stream.
    pub fn trailers(&mut self, stream: u32, fields: &[(&str, &[u8])]) {
        let block: Vec<u8> = fields.iter().flat_map(|(n, v)| literal(n.as_bytes(), v)).collect();
        self.client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
    }

    /// Gives a stream up: RST_STREAM with CANCEL.
    pub fn reset(&mut self, stream: u32) {
        self.client.send(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }

    /// Reads until the stream or the connection has ended.
    pub fn end_of(&mut self, stream: u32) -> End {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let frame = match self.frame() {
                Ok(frame) => frame,
                Err(Silence::Closed) => return End::Closed,
                Err(other) => panic!("{other:?} on stream {stream}"),
            };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]),
                PING if frame.flags & ACK == 0 => self.send(PING, ACK, 0, &frame.payload),
                GOAWAY if number(&frame.payload[4..8]) != 0 => {
                    return End::GoAway(number(&frame.payload[4..8]));
                }
                RST_STREAM if frame.stream == stream => return End::Reset(number(&frame.payload)),
                HEADERS if frame.stream == stream && status == 0 => status = status_of(&frame.payload),
                DATA if frame.stream == stream => body.extend_from_slice(&frame.payload),
                _ => continue,
            }
            let ends = matches!(frame.kind, DATA | HEADERS)
                && frame.stream == stream
                && frame.flags & END_STREAM != 0;
            if ends {
                return End::Answer(status, body);
            }
        }
    }

    /// The status of the answer, which goes on.
    pub fn head_of(&mut self, stream: u32) -> u16 {
        loop {
            let frame = self.frame().expect("a frame");
            if frame.kind == HEADERS && frame.stream == stream {
                return status_of(&frame.payload);
            }
        }
    }

    /// The next piece of the answer.
    pub fn piece_of(&mut self, stream: u32) -> Result<Vec<u8>, End> {
        loop {
            let Ok(frame) = self.frame() else { return Err(End::Closed) };
            match frame.kind {
                DATA if frame.stream == stream && frame.flags & END_STREAM == 0 => return Ok(frame.payload),
                DATA if frame.stream == stream => return Err(End::Answer(200, frame.payload)),
                RST_STREAM if frame.stream == stream => return Err(End::Reset(number(&frame.payload))),
                GOAWAY => return Err(End::GoAway(number(&frame.payload[4..8]))),
                _ => {}
            }
        }
    }

    /// Reads until the connection ends; the code of the last GOAWAY.
    pub fn goodbye(&mut self) -> End {
        let mut last = End::Closed;
        loop {
            match self.frame() {
                Ok(frame) if frame.kind == GOAWAY => last = End::GoAway(number(&frame.payload[4..8])),
                Ok(_) => {}
                Err(Silence::Closed) => return last,
                Err(other) => panic!("{other:?} instead of an end"),
            }
        }
    }

    /// Waits for a GOAWAY; its code.
    pub fn told_to_leave(&mut self) -> u32 {
        loop {
            let frame = self.frame().expect("a GOAWAY");
            if frame.ends_its_stream() {
                self.ended.insert(frame.stream);
            }
            if frame.kind == GOAWAY {
                return number(&frame.payload[4..8]);
            }
        }
    }

    /// How long to wait for a frame.
    pub fn patience(&mut self, time: std::time::Duration) -> &mut Self {
        self.client.patience(time);
        self
    }

    /// Reads until all these streams have ended, in whatever order.
    pub fn ends_of(&mut self, streams: &[u32]) {
        let mut open: BTreeSet<u32> = streams.iter().copied().filter(|s| !self.ended.contains(s)).collect();
        while !open.is_empty() {
            let frame = self.frame().expect("a frame");
            if frame.ends_its_stream() {
                open.remove(&frame.stream);
            }
        }
    }

    /// Waits for the answer to a PING; false when the connection ends before it.
    pub fn pong(&mut self) -> bool {
        loop {
            match self.frame() {
                Ok(frame) if frame.kind == PING && frame.flags & ACK != 0 => return true,
                Ok(frame) if frame.kind == GOAWAY => return false,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// A stream whose block of fields is too long for one frame.
    pub fn open_in_pieces(&mut self, block: &[u8]) -> u32 {
        let stream = self.next_stream();
        let pieces: Vec<&[u8]> = block.chunks(16_000).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let flags = if at + 1 == pieces.len() { END_HEADERS } else { 0 };
            match at {
                0 => self.send(HEADERS, flags | END_STREAM, stream, piece),
                _ => self.send(CONTINUATION, flags, stream, piece),
            }
        }
        stream
    }

    /// Many frames in one piece; whether the other side still takes bytes.
    pub fn burst(&mut self, frames: &[u8]) -> bool {
        self.client.try_send(frames).is_ok()
    }

    /// The number that the next stream gets.
    pub fn next_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Breaks the connection off.
    pub fn abort(self) {
        self.client.abort();
    }

    /// Any frame at all.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.client.send(frame(kind, flags, stream, payload));
    }

    /// The next frame, whatever it is: kind, flags, stream, payload.
    pub fn next_frame(&mut self) -> Result<(u8, u8, u32, Vec<u8>), Silence> {
        self.frame().map(|f| (f.kind, f.flags, f.stream, f.payload))
    }

    fn frame(&mut self) -> Result<Frame, Silence> {
        let head = self.client.exactly(9)?;
        let length = number(&[0, head[0], head[1], head[2]]) as usize;
        let stream = number(&head[5..9]) & 0x7fff_ffff;
        Ok(Frame { kind: head[3], flags: head[4], stream, payload: self.client.exactly(length)? })
    }
}

impl TestApp {
    /// A GET-like request on a connection of its own: what the fields say, no body.
    pub fn h2(&self, fields: &[(&str, &[u8])]) -> End {
        let mut connection = H2::connect(self);
        let stream = connection.open(fields, true);
        connection.end_of(stream)
    }
}

/// `:method`, `:scheme`, `:authority`, `:path` of an ordinary GET, and more fields behind them.
pub fn fields<'a>(path: &'a str, more: &[(&'a str, &'a [u8])]) -> Vec<(&'a str, &'a [u8])> {
    let mut all: Vec<(&str, &[u8])> = vec![
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"localhost"),
        (":path", path.as_bytes()),
    ];
    all.extend_from_slice(more);
    all
}

/// Literal header field never indexed, new name (RFC 7541 section 6.2.3).
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    h2_bytes::literal(0x10, name, value, &mut out);
    out
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// The value of `:status`, which comes first and on a fresh connection is in no dynamic table.
fn status_of(block: &[u8]) -> u16 {
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    // Size updates of the dynamic table may come before it.
    let block = &block[block.iter().take_while(|b| **b & 0xe0 == 0x20).count()..];
    match block[0] {
        first @ 0x88..=0x8e => indexed[usize::from(first - 0x88)],
        // A literal with an indexed name: static entries 8 to 14 are all `:status`.
        first if (0x48..=0x4e).contains(&first) || (0x08..=0x0e).contains(&first) => digits(&block[1..]),
        other => panic!("the answer begins with {other:#x}"),
    }
}

fn digits(text: &[u8]) -> u16 {
    let length = usize::from(text[0] & 0x7f);
    let bytes = &text[1..=length];
    if text[0] & 0x80 == 0 {
        return String::from_utf8_lossy(bytes).parse().expect("a status");
    }
    // Huffman: '0' to '2' are five bits, '3' to '9' are six (RFC 7541 appendix B).
    let bits: Vec<bool> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1 == 1)).collect();
    let mut at = 0;
    let mut take = |n: usize| {
        let value = bits[at..at + n].iter().fold(0u16, |v, b| v << 1 | u16::from(*b));
        at += n;
        value
    };
    let mut status = 0;
    for _ in 0..3 {
        let five = take(5);
        let digit = if five < 3 { five } else { five << 1 | take(1) };
        status = status * 10 + if five < 3 { digit } else { digit - 0b01_1001 + 3 };
    }
    status
}

#[test]
fn huffman_coded_statuses_are_read() {
    // "401" is 011010 00000 00001 and ones to fill the byte.
    assert_eq!(digits(&[0x82, 0b0110_1000, 0b0000_0001]), 401);
    assert_eq!(digits(&[0x03, b'5', b'0', b'3']), 503);
}
