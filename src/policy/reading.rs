//! The other ways a program behind us may read a canonical path.
//!
//! A canonical path has one meaning for a program that follows RFC 3986. Others fold case, strip
//! `;params`, decode escapes of characters that need none, or decode and then cut at `#` or `?`. For
//! each of these that could make a difference the path is matched again, in every combination.

use super::path::{escaped_byte, is_reserved_pchar};

/// Ways of reading, one bit each; a reading is a set of them.
pub(super) type Reading = u8;
/// As written.
pub(super) const EXACT: Reading = 0;
/// Letters folded to lower case.
pub(super) const FOLD: Reading = 1;
/// Escapes of sub-delims, `:` and `@` decoded.
pub(super) const DECODE: Reading = 2;
/// Each segment cut at its first `;`.
pub(super) const STRIP: Reading = 4;
/// Each segment cut at its first `%3B`.
pub(super) const STRIP_ESCAPED: Reading = 8;
/// The path cut at its first `%23` or `%3F`.
pub(super) const CUT: Reading = 16;

/// Which ways of reading change anything about one path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Readings {
    /// The ways that can make a difference.
    pub(super) useful: Reading,
    /// Whether an escape occurs at all.
    pub(super) escapes: bool,
}

impl Readings {
    /// Looks through a path whose escapes are well-formed.
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut found = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            let b = bytes[at];
            if b == b'%' {
                found.escapes = true;
                found.useful |= useful_for_escape(escaped_byte(bytes, at).unwrap_or(b'%'));
                at += 3;
                continue;
            }
            if b.is_ascii_uppercase() {
                found.useful |= FOLD;
            } else if b == b';' {
                found.useful |= STRIP;
            }
            at += 1;
        }
        found
    }

    /// Whether a raw `;` occurs.
    pub(super) fn semicolon(self) -> bool {
        self.useful & STRIP != 0
    }
}

fn useful_for_escape(value: u8) -> Reading {
    match value {
        b';' => DECODE | STRIP_ESCAPED,
        b'#' | b'?' => CUT,
        0x80.. => FOLD,
        v if is_reserved_pchar(v) => DECODE,
        _ => EXACT,
    }
}

/// Every reading made of `optional` ways, each with the `always` ways added; the plainest first.
pub(super) fn combinations(optional: Reading, always: Reading) -> impl Iterator<Item = Reading> {
    (0..=optional).filter(move |set| set & !optional == 0).map(move |set| set | always)
}

/// Names of the ways in a reading, for people.
pub(super) fn describe(reading: Reading) -> String {
    let ways = [
        (FOLD, "lower-cased"),
        (DECODE, "decoded"),
        (STRIP, "without ;parameters"),
        (STRIP_ESCAPED, "without %3Bparameters"),
        (CUT, "cut at %23 or %3F"),
    ];
    let named: Vec<&str> = ways.iter().filter(|(bit, _)| reading & bit != 0).map(|(_, name)| *name).collect();
    if named.is_empty() { "as written".to_owned() } else { named.join(", ") }
}

/// Room for one reading: on the stack for all but very long paths.
pub(super) struct Scratch {
    near: [u8; 256],
    far: Vec<u8>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { near: [0; 256], far: Vec::new() }
    }

    /// `text` as `reading` has it. Never longer than `text`.
    pub(super) fn read<'s>(&'s mut self, text: &'s str, reading: Reading) -> &'s [u8] {
        if reading == EXACT {
            return text.as_bytes();
        }
        let room: &mut [u8] = if text.len() <= self.near.len() {
            &mut self.near
        } else {
            self.far.resize(text.len(), 0);
            &mut self.far
        };
        let mut out = Out { room, len: 0 };
        write(text.as_bytes(), reading, &mut out);
        let len = out.len;
        &room[..len]
    }
}

struct Out<'r> {
    room: &'r mut [u8],
    len: usize,
}

impl Out<'_> {
    fn push(&mut self, bytes: &[u8]) {
        self.room[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

fn write(text: &[u8], reading: Reading, out: &mut Out<'_>) {
    let mut at = 0;
    // Inside a parameter that this reading does not see.
    let mut skipping = false;
    while at < text.len() {
        let b = text[at];
        if b == b'/' {
            skipping = false;
        }
        let escaped = if b == b'%' { escaped_byte(text, at) } else { None };
        let step = if escaped.is_some() { 3 } else { 1 };
        if reading & CUT != 0 && matches!(escaped, Some(b'#' | b'?')) {
            return;
        }
        skipping |= reading & STRIP != 0 && b == b';';
        skipping |= reading & STRIP_ESCAPED != 0 && escaped == Some(b';');
        if skipping {
            at += step;
            continue;
        }
        at += match escaped {
            Some(0x80..) if reading & FOLD != 0 => fold_char(text, at, out),
            Some(v) if reading & DECODE != 0 && is_reserved_pchar(v) => {
                out.push(&[v]);
                step
            }
            Some(_) => {
                out.push(&text[at..at + step]);
                step
            }
            None => {
                out.push(&[if reading & FOLD != 0 { b.to_ascii_lowercase() } else { b }]);
                step
            }
        };
    }
}

/// Folds the escaped non-ASCII character at `at` and writes it raw; returns the bytes read. Raw is
/// enough: what is written here is only compared with literals folded the same way.
fn fold_char(text: &[u8], at: usize, out: &mut Out<'_>) -> usize {
    let mut raw = [0_u8; 4];
    let mut n = 0;
    while n < raw.len() && text.get(at + 3 * n) == Some(&b'%') {
        raw[n] = escaped_byte(text, at + 3 * n).unwrap_or(0);
        n += 1;
        if let Ok(one) = std::str::from_utf8(&raw[..n]) {
            one.chars().flat_map(folded).for_each(|c| out.push(c.encode_utf8(&mut [0; 4]).as_bytes()));
            return 3 * n;
        }
    }
    // Not UTF-8, which canonical paths never are: leave it as it stands.
    out.push(&text[at..at + 3]);
    3
}

/// Up, then down: so that letters with two lower-case forms (`s` and the long s, `k` and the Kelvin
/// sign) meet in one.
fn folded(c: char) -> impl Iterator<Item = char> {
    c.to_uppercase().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, reading: Reading) -> String {
        String::from_utf8(Scratch::new().read(text, reading).to_vec()).unwrap()
    }

    #[test]
    fn folding_never_lengthens_an_escaped_character() {
        for c in '\u{80}'..=char::MAX {
            let long: usize = folded(c).map(char::len_utf8).sum();
            assert!(long <= 3 * c.len_utf8(), "{c:?}");
        }
    }

    #[test]
    fn each_way_of_reading() {
        assert_eq!(read("/A/b", FOLD), "/a/b");
        assert_eq!(read("/%C3%89t%C3%A9", FOLD), "/été");
        assert_eq!(read("/%E2%84%AA", FOLD), "/k");
        assert_eq!(read("/a%40b%20c", DECODE), "/a@b%20c");
        assert_eq!(read("/a;x=1/b;y", STRIP), "/a/b");
        assert_eq!(read("/a%3Bx/b;y", STRIP_ESCAPED), "/a/b;y");
        assert_eq!(read("/a%3Bx;y%23/b", STRIP | CUT), "/a%3Bx");
        assert_eq!(read("/a/b%3Fc/d", CUT), "/a/b");
        assert_eq!(read(&format!("/{}", "A".repeat(5000)), FOLD), format!("/{}", "a".repeat(5000)));
    }

    #[test]
    fn only_what_matters_is_read_again() {
        assert_eq!(Readings::of("/a/b-1%20c").useful, EXACT);
        assert_eq!(Readings::of("/A;b").useful, FOLD | STRIP);
        assert_eq!(combinations(FOLD | STRIP, 0).collect::<Vec<_>>(), [0, 1, 4, 5]);
        assert_eq!(combinations(STRIP, FOLD).collect::<Vec<_>>(), [1, 5]);
    }
}
