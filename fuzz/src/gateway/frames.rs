//! The frames of HTTP/2 (RFC 9113 section 4), to be read; `h2_bytes` writes them.

pub use super::h2_bytes::*;

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
