//! HTTP/2 as it is written: frames (RFC 9113 section 4) and literal fields without Huffman coding (RFC 7541). The fuzz
//! targets have it from here.

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
