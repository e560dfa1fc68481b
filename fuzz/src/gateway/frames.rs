//! The frames of HTTP/2 (RFC 9113 section 4), to be written and to be read.

/// With which a client says that it speaks HTTP/2.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 0x20;

const HEAD_BYTES: usize = 9;
/// Nobody on the stage asks for more.
pub const LONGEST: usize = 16_384;

/// One frame.
pub struct Frame<'b> {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: &'b [u8],
}

impl<'b> Frame<'b> {
    /// Takes the first whole frame off `bytes`.
    pub fn take(bytes: &mut &'b [u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s, t, u, v] = *bytes.first_chunk::<HEAD_BYTES>()?;
        let end = HEAD_BYTES + u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = bytes.get(HEAD_BYTES..end)?;
        *bytes = &bytes[end..];
        Some(Self { kind, flags, stream: u32::from_be_bytes([s, t, u, v]) & 0x7fff_ffff, payload })
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What DATA or HEADERS carry, without padding and priority; `None` when that does not fit.
    pub fn content(&self) -> Option<&'b [u8]> {
        let inside = self.unpadded()?;
        if self.has_priority() { inside.get(5..) } else { Some(inside) }
    }

    /// Whether HEADERS say that their stream depends on itself.
    pub fn is_circular(&self) -> bool {
        let priority = self.payload.get(usize::from(self.has(PADDED))..).and_then(<[u8]>::first_chunk::<5>);
        let parent = priority.map(|[a, b, c, d, _]| u32::from_be_bytes([*a, *b, *c, *d]) & 0x7fff_ffff);
        self.has_priority() && parent == Some(self.stream)
    }

    fn has_priority(&self) -> bool {
        self.kind == HEADERS && self.has(WITH_PRIORITY)
    }

    fn unpadded(&self) -> Option<&'b [u8]> {
        if !self.has(PADDED) {
            return Some(self.payload);
        }
        let (padding, inside) = self.payload.split_first()?;
        inside.get(..inside.len().checked_sub(usize::from(*padding))?)
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A literal field with a name of its own; `first` says whether it is kept (RFC 7541 section 6.2).
pub fn literal(first: u8, name: &[u8], value: &[u8], block: &mut Vec<u8>) {
    block.push(first);
    text(name, block);
    text(value, block);
}

/// A text without Huffman coding.
pub fn text(text: &[u8], block: &mut Vec<u8>) {
    number(0, 7, text.len(), block);
    block.extend_from_slice(text);
}

/// A number behind the first bits of its first byte (RFC 7541 section 5.1).
pub fn number(first: u8, bits: u8, number: usize, block: &mut Vec<u8>) {
    let most = (1usize << bits) - 1;
    if number < most {
        block.push(first | u8::try_from(number).unwrap_or_default());
        return;
    }
    block.push(first | u8::try_from(most).unwrap_or_default());
    let mut rest = number - most;
    while rest >= 0x80 {
        block.push(u8::try_from(rest % 0x80).unwrap_or_default() | 0x80);
        rest /= 0x80;
    }
    block.push(u8::try_from(rest).unwrap_or_default());
}
