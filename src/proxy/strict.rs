//! Whether the bytes of a request head are HTTP/1.x as RFC 9112 writes it. Pingora is more lenient in many places
//! (docs/ARCHITECTURE.md lists them); what two parsers could read differently is refused here, before either
//! has read it.

use memchr::memchr;

use super::settings::Limits;
use crate::gate::HeadRefusal;
use crate::gate::form::{check_method, check_target, is_authority};

const fn bad(id: &'static str) -> HeadRefusal {
    HeadRefusal::Malformed(id)
}

/// Longest name of a field. Longer ones are nobody's, and have overflowed the counters of other programs (S-38).
pub(super) const MAX_NAME: usize = 254;

/// Checks the head in `head`, which ends with the empty line. Says whether a chunked body follows.
///
/// # Errors
/// The first reason to refuse it.
pub(super) fn check(head: &[u8], limits: &Limits) -> Result<bool, HeadRefusal> {
    let head = head.strip_suffix(b"\r\n\r\n").ok_or(bad("head_incomplete"))?;
    let mut lines = Lines(Some(head));
    let version = request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    let mut count = 0;
    for line in lines {
        count += 1;
        if count > limits.headers {
            return Err(HeadRefusal::TooManyFields);
        }
        fields.add(line)?;
    }
    fields.finish(version)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// Splits at CRLF; any other CR or LF stays inside a line, where it is refused.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let mut from = 0;
        while let Some(at) = memchr(b'\n', &rest[from..]).map(|i| i + from) {
            if at > 0 && rest[at - 1] == b'\r' {
                self.0 = Some(&rest[at + 1..]);
                return Some(&rest[..at - 1]);
            }
            from = at + 1;
        }
        self.0 = None;
        Some(rest)
    }
}

fn request_line(line: &[u8]) -> Result<Version, HeadRefusal> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad("request_line"));
    };
    check_method(method)?;
    check_target(target)?;
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit() => {
            Err(HeadRefusal::Version)
        }
        _ => Err(bad("http_version_malformed")),
    }
}

/// What must be known of the fields together.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    content_length: bool,
    chunked: bool,
    expects: bool,
}

impl<'a> Fields<'a> {
    fn add(&mut self, line: &'a [u8]) -> Result<(), HeadRefusal> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(bad("folded_field"));
        }
        let colon = memchr(b':', line).ok_or(bad("field_without_colon"))?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if name.is_empty() || name.len() > MAX_NAME || !name.iter().all(|b| is_token(*b)) {
            return Err(bad("field_name"));
        }
        if has_control_byte(value) {
            return Err(bad("field_value"));
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            6 if name.eq_ignore_ascii_case(b"expect") => self.expect(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &'a [u8]) -> Result<(), HeadRefusal> {
        if self.host.replace(value).is_some() {
            return Err(bad("host_twice"));
        }
        if is_authority(value) { Ok(()) } else { Err(bad("host_malformed")) }
    }

    /// Servers differ on whether the same expectation may stand there twice.
    fn expect(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        let again = std::mem::replace(&mut self.expects, true);
        if !again && value.eq_ignore_ascii_case(b"100-continue") {
            Ok(())
        } else {
            Err(HeadRefusal::Expectation)
        }
    }

    /// Stricter than RFC 9112 section 6.3: equal duplicates and leading zeros are refused too.
    fn content_length(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        if std::mem::replace(&mut self.content_length, true) || !is_length(value) {
            return Err(bad("content_length"));
        }
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        if std::mem::replace(&mut self.chunked, true) {
            return Err(bad("transfer_encoding_twice"));
        }
        if value.eq_ignore_ascii_case(b"chunked") { Ok(()) } else { Err(HeadRefusal::TransferCoding) }
    }

    fn finish(&self, version: Version) -> Result<bool, HeadRefusal> {
        if self.host.is_none() {
            return Err(bad("host_missing"));
        }
        if self.chunked && self.content_length {
            return Err(bad("two_lengths"));
        }
        if self.chunked && version == Version::Http10 {
            return Err(bad("chunked_in_http_1_0"));
        }
        if self.expects && version == Version::Http10 {
            return Err(HeadRefusal::Expectation);
        }
        Ok(self.chunked)
    }
}

/// Digits that fit into 64 bits, without zeros before them.
pub(super) fn is_length(value: &[u8]) -> bool {
    let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    digits && (value.len() == 1 || value.first() != Some(&b'0'))
}

/// Anything below a space but the tab, or DEL. Looks at every byte on purpose, so that the compiler can take many at once.
#[expect(clippy::needless_bitwise_bool, reason = "an early end would make it many times slower")]
fn has_control_byte(value: &[u8]) -> bool {
    value.iter().fold(false, |found, &b| found | ((b < 0x20) & (b != b'\t')) | (b == 0x7f))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a token may have this byte in it (RFC 9110 section 5.6.2).
pub(super) fn is_token(b: u8) -> bool {
    TOKEN[usize::from(b)]
}

/// Which bytes a token is made of.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"!#$%&'*+-.^_`|~";
    let mut b = 0;
    while b < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "b is below 256")]
        let byte = b as u8;
        table[b] = byte.is_ascii_alphanumeric();
        b += 1;
    }
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    table
};

#[cfg(test)]
#[path = "strict_tests.rs"]
mod tests;
