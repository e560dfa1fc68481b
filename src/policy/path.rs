//! The one meaning of a path: its canonical form, or why it has none.
//!
//! Exactly this form is matched *and* forwarded. It consists of RFC 3986 `pchar` and `/` only;
//! unreserved characters are never escaped, escapes are upper-case; no dot segment, no empty segment,
//! no hidden separator in any encoding is in it.

use std::borrow::Cow;
use std::fmt;

use super::decision::ids;
use super::reading::Readings;

/// Longest path that is read, in bytes.
pub const MAX_PATH: usize = 8 * 1024;

ids! {
    /// Why a path is refused (400).
    PathRefusal {
        /// `%2F`.
        EncodedSlash => "encoded_slash",
        /// A backslash, raw or as `%5C`.
        Backslash => "backslash",
        /// NUL or another control character, raw or escaped.
        ControlCharacter => "control_character",
        /// A `%` without two hexadecimal digits behind it.
        InvalidEscape => "invalid_escape",
        /// Escapes that are not UTF-8.
        InvalidUtf8 => "invalid_utf8",
        /// `.` or `..`, in any encoding, also in front of a parameter, an escaped `#` or `?`.
        DotSegment => "dot_segment",
        /// `//`, or a segment of nothing but parameters.
        EmptySegment => "empty_segment",
        /// A raw `#`.
        Fragment => "fragment",
        /// A `;` where the route does not allow it.
        Semicolon => "semicolon",
        /// Not a path that starts with `/`: absolute, opaque, `*` or empty.
        NotOriginForm => "not_origin_form",
        /// An escaped `%` that makes a second escape.
        DoubleEncoding => "double_encoding",
        /// A byte that must be escaped in a path.
        UnescapedCharacter => "unescaped_character",
        /// More than [`MAX_PATH`] bytes.
        TooLong => "too_long",
    }
}

/// A path in its canonical form. Borrows when it arrived in that form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CanonicalPath<'a> {
    text: Cow<'a, str>,
    readings: Readings,
}

impl<'a> CanonicalPath<'a> {
    /// Reads a raw path (no query).
    ///
    /// # Errors
    /// [`PathRefusal`] for everything that another program could read in a different way.
    pub fn read(raw: &'a str) -> Result<Self, PathRefusal> {
        if raw.len() > MAX_PATH {
            return Err(PathRefusal::TooLong);
        }
        if !raw.starts_with('/') {
            return Err(PathRefusal::NotOriginForm);
        }
        let text = normalise(raw)?;
        let readings = Readings::of(&text);
        if readings.escapes {
            check_escapes(&text)?;
        }
        check_segments(&text)?;
        Ok(Self { text, readings })
    }

    /// The text, starting with `/`. Nothing else may be forwarded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a raw `;` occurs; only routes with `allow_semicolon` take such a path.
    #[must_use]
    pub fn has_semicolon(&self) -> bool {
        self.readings.semicolon()
    }

    /// Whether it still is the text that was read.
    #[must_use]
    pub fn is_borrowed(&self) -> bool {
        matches!(self.text, Cow::Borrowed(_))
    }

    /// The same path, independent of the text it was read from.
    #[must_use]
    pub fn into_owned(self) -> CanonicalPath<'static> {
        CanonicalPath { text: Cow::Owned(self.text.into_owned()), readings: self.readings }
    }

    pub(super) fn readings(&self) -> &Readings {
        &self.readings
    }
}

impl fmt::Display for CanonicalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// RFC 3986 section 2.3.
pub(super) fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// What `pchar` adds to the unreserved characters: sub-delims, `:` and `@`. These mean themselves raw,
/// and some upstreams take their escapes for the same.
pub(super) fn is_reserved_pchar(b: u8) -> bool {
    matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

/// The byte that the escape at `at` stands for.
pub(super) fn escaped_byte(text: &[u8], at: usize) -> Option<u8> {
    let digit = |i: usize| char::from(*text.get(at + i)?).to_digit(16);
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

/// Escapes in their one form; refuses what may not stand in a path.
fn normalise(raw: &str) -> Result<Cow<'_, str>, PathRefusal> {
    let bytes = raw.as_bytes();
    let mut out: Option<String> = None;
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        if b == b'%' {
            let value = escaped_byte(bytes, at).ok_or(PathRefusal::InvalidEscape)?;
            check_escaped(value)?;
            let as_is = &raw[at..at + 3];
            if is_unreserved(value) {
                out.get_or_insert_with(|| raw[..at].to_owned()).push(char::from(value));
            } else if as_is.bytes().any(|d| d.is_ascii_lowercase()) {
                let out = out.get_or_insert_with(|| raw[..at].to_owned());
                out.extend(as_is.chars().map(|d| d.to_ascii_uppercase()));
            } else if let Some(out) = &mut out {
                out.push_str(as_is);
            }
            at += 3;
        } else {
            check_raw(b)?;
            if let Some(out) = &mut out {
                out.push(char::from(b));
            }
            at += 1;
        }
    }
    Ok(out.map_or(Cow::Borrowed(raw), Cow::Owned))
}

fn check_escaped(value: u8) -> Result<(), PathRefusal> {
    match value {
        b'/' => Err(PathRefusal::EncodedSlash),
        b'\\' => Err(PathRefusal::Backslash),
        0..=0x1f | 0x7f => Err(PathRefusal::ControlCharacter),
        _ => Ok(()),
    }
}

fn check_raw(b: u8) -> Result<(), PathRefusal> {
    if is_unreserved(b) || b == b'/' || is_reserved_pchar(b) {
        return Ok(());
    }
    Err(match b {
        b'\\' => PathRefusal::Backslash,
        b'#' => PathRefusal::Fragment,
        0..=0x1f | 0x7f => PathRefusal::ControlCharacter,
        _ => PathRefusal::UnescapedCharacter,
    })
}

/// Second escapes and what the escapes spell. Works on the normalised text, because decoding an
/// unreserved character can complete a second escape: `%25%36%31` is `%2561`.
fn check_escapes(text: &str) -> Result<(), PathRefusal> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let value = if bytes[at] == b'%' { escaped_byte(bytes, at) } else { None };
        if value == Some(b'%') && (escaped_byte(bytes, at + 2).is_some() || is_percent_u(&bytes[at + 3..])) {
            return Err(PathRefusal::DoubleEncoding);
        }
        plain.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 3 } else { 1 };
    }
    match std::str::from_utf8(&plain) {
        // C1 controls: two bytes each, so the byte-wise check above could not see them.
        Ok(plain) if plain.chars().any(char::is_control) => Err(PathRefusal::ControlCharacter),
        Ok(_) => Ok(()),
        Err(_) => Err(PathRefusal::InvalidUtf8),
    }
}

/// `%u002e`, the escape that only some Windows servers know.
fn is_percent_u(rest: &[u8]) -> bool {
    matches!(rest.first(), Some(b'u' | b'U'))
}

/// Dot segments and empty segments, also those that appear once a reader has cut off a parameter, a
/// query or a fragment.
fn check_segments(text: &str) -> Result<(), PathRefusal> {
    let mut segments = text[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment.as_bytes().first() {
            None if segments.peek().is_some() => return Err(PathRefusal::EmptySegment),
            Some(b'.') if matches!(stem(segment), "." | "..") => return Err(PathRefusal::DotSegment),
            Some(b';') => return Err(PathRefusal::EmptySegment),
            Some(b'%') if segment.starts_with("%3B") => return Err(PathRefusal::EmptySegment),
            _ => {}
        }
    }
    Ok(())
}

/// The segment up to its first parameter, escaped `?` or escaped `#`.
fn stem(segment: &str) -> &str {
    let cut = [";", "%3B", "%23", "%3F"].iter().filter_map(|mark| segment.find(mark)).min();
    &segment[..cut.unwrap_or(segment.len())]
}
