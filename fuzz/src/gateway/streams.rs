//! What was sent on a connection of HTTP/2, read slowly: the streams with a request that nobody can read in two ways; and
//! which of them were answered. Fields are decoded by another library than the gateway's.

use std::collections::BTreeMap;

use loona_hpack::Decoder;
use loona_hpack::decoder::DecoderError;

use super::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, LONGEST, RST_STREAM};
use super::sent::Sent;
use crate::raw_head::{FIELDS, Head};

type Field = (Vec<u8>, Vec<u8>);
/// What the table of fields may hold.
const TABLE_BYTES: usize = 4096;

/// One stream of a client.
struct Stream {
    /// `None`: not a request, or not one that everybody would agree on.
    head: Option<Sent>,
    body: Vec<u8>,
    /// Whether the client has no more to say there, in whatever way.
    over: bool,
    /// Whether it came to its end.
    ended: bool,
}

impl Stream {
    /// A length that was declared ends the body as well; what does not fit under it goes nowhere.
    fn add(&mut self, data: &[u8], ends: bool) {
        if self.over {
            return;
        }
        if self.declared().is_some_and(|length| self.body.len() + data.len() > length) {
            self.over = true;
            return;
        }
        self.body.extend_from_slice(data);
        (self.over, self.ended) = (ends, ends);
    }

    fn declared(&self) -> Option<usize> {
        let text = self.head.as_ref()?.values("content-length").first().copied()?;
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    fn into_sent(self) -> Option<Sent> {
        let whole = self.declared().map_or(self.ended, |length| length == self.body.len());
        let body = whole.then_some(self.body);
        self.head.map(|head| Sent { body, ..head })
    }
}

/// The requests in what a client sent behind its preface, by stream.
pub fn sent(bytes: &[u8]) -> Vec<(u32, Sent)> {
    let mut reading = Reading { decoder: Decoder::new(), streams: BTreeMap::new(), open: None };
    reading.decoder.set_max_allowed_table_size(TABLE_BYTES);
    let mut rest = bytes;
    while let Some(frame) = Frame::take(&mut rest) {
        if reading.read(&frame).is_none() {
            break;
        }
    }
    let streams = reading.streams.into_iter();
    streams.filter_map(|(number, stream)| Some((number, stream.into_sent()?))).collect()
}

struct Reading {
    decoder: Decoder<'static>,
    streams: BTreeMap<u32, Stream>,
    /// A block of fields that goes on.
    open: Option<Block>,
}

struct Block {
    stream: u32,
    /// Whether the stream ends with it.
    ends: bool,
    /// Whether it came in more than one frame.
    cut: bool,
    bytes: Vec<u8>,
}

impl Reading {
    /// `None`: nothing on this connection counts from here on.
    fn read(&mut self, frame: &Frame<'_>) -> Option<()> {
        if frame.payload.len() > LONGEST {
            return None;
        }
        let awaited = |open: &Block| frame.kind == CONTINUATION && frame.stream == open.stream;
        if self.open.as_ref().is_some_and(|open| !awaited(open)) {
            // The library gives up a stream whose fields are malformed so far, and goes on behind it.
            let open = self.open.take()?;
            decode(&mut self.decoder, &open.bytes)?;
        }
        match frame.kind {
            DATA | HEADERS | RST_STREAM if frame.stream == 0 => return None,
            DATA => {
                let data = frame.content()?;
                if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    stream.add(data, frame.has(END_STREAM));
                }
            }
            // The library passes over such a block, and leaves out of its table what came with it.
            HEADERS if frame.is_circular() => return frame.has(END_HEADERS).then_some(()),
            HEADERS => {
                let (bytes, ends) = (frame.content()?.to_vec(), frame.has(END_STREAM));
                self.open = Some(Block { stream: frame.stream, ends, cut: false, bytes });
            }
            CONTINUATION => {
                let open = self.open.as_mut()?;
                open.cut = true;
                open.bytes.extend_from_slice(frame.payload);
            }
            RST_STREAM => {
                if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    stream.over = true;
                }
            }
            _ => {}
        }
        if matches!(frame.kind, HEADERS | CONTINUATION) && frame.has(END_HEADERS) {
            let block = self.open.take()?;
            let fields = decode(&mut self.decoder, &block.bytes)?;
            self.add(&block, &fields);
        }
        Some(())
    }

    fn add(&mut self, block: &Block, fields: &[Field]) {
        if let Some(stream) = self.streams.get_mut(&block.stream) {
            // Trailers, which are dropped.
            stream.add(b"", block.ends);
            stream.over = true;
            return;
        }
        // Numbers of clients are odd and grow.
        let last = self.streams.last_key_value().map_or(0, |(last, _)| *last);
        if block.stream % 2 == 1 && last < block.stream {
            let (head, over) = (head(fields, block.cut), block.ends);
            self.streams.insert(block.stream, Stream { head, over, ended: over, body: Vec::new() });
        }
    }
}

/// RFC 9113 section 8.3, to the letter; but where a block is `cut`, the library may drop a field instead of the request: it
/// forgets what was wrong with it when the frame ends in the middle of another field.
fn head(fields: &[Field], cut: bool) -> Option<Sent> {
    let (mut named, mut read) = (BTreeMap::new(), Vec::new());
    for (name, value) in fields {
        let name = std::str::from_utf8(name).ok()?;
        let fits = if name.starts_with(':') {
            let fits = read.is_empty() && !named.contains_key(name);
            if ![":method", ":scheme", ":authority", ":path"].contains(&name) {
                return None;
            }
            if fits {
                named.insert(name, std::str::from_utf8(value).ok()?);
            }
            fits
        } else {
            let steers = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
            let fits = !steers.contains(&name) && (name != "te" || value == b"trailers");
            let padded = value.trim_ascii().len() != value.len();
            if fits {
                read.push((name, value.as_slice()));
            }
            if padded || name.contains(|c: char| c.is_ascii_uppercase()) {
                return None;
            }
            fits
        };
        if !fits && !cut {
            return None;
        }
    }
    named.get(":scheme")?;
    // A fragment is nobody's business but the client's.
    let (method, path) = (named.get(":method")?, named.get(":path")?.split('#').next()?);
    if read.len() > FIELDS {
        return None;
    }
    if let Some(authority) = named.get(":authority") {
        let same = |(name, value): &(&str, &[u8])| {
            *name != "host" || value.eq_ignore_ascii_case(authority.as_bytes())
        };
        if !read.iter().all(same) || read.iter().filter(|(name, _)| *name == "host").count() > 1 {
            return None;
        }
        read.retain(|(name, _)| *name != "host");
        read.push(("host", authority.as_bytes()));
    }
    Head::of(method, path, read).map(|head| Sent::of(&head))
}

/// The numbers of the upstream's answers in what the gateway said, by stream.
pub fn answered(mut bytes: &[u8]) -> Vec<(u32, usize)> {
    let mut bodies: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    while let Some(frame) = Frame::take(&mut bytes) {
        if frame.kind == DATA {
            let data = frame.content().expect("INV-1: our frames can be read");
            bodies.entry(frame.stream).or_default().extend_from_slice(data);
        }
    }
    let number = |body: &[u8]| -> Option<usize> {
        let text = std::str::from_utf8(body).ok()?;
        text.strip_prefix("upstream ")?.strip_suffix('.')?.parse().ok()
    };
    bodies.into_iter().filter_map(|(stream, body)| Some((stream, number(&body)?))).collect()
}

/// The fields of a block; `None` when it cannot be read.
fn decode(decoder: &mut Decoder<'static>, block: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let read =
        decoder.decode_with_cb(block, |name, value| fields.push((name.into_owned(), value.into_owned())));
    // The gateway's library does not mind a change of size that nothing comes behind.
    matches!(read, Ok(()) | Err(DecoderError::SizeUpdateAtEnd)).then_some(fields)
}
