//! One element of a `Forwarded` field (RFC 7239 section 4): what a proxy says about whoever came to it.
//!
//! Lists are cut at every comma before they come here, also inside of quoted strings. That is what makes it safe to read
//! them from the right: the tail of a string that was cut ends in a quote too many and cannot be read, so that nothing
//! in the quotes of a proxy is ever taken for an element of its own; and a quote that a client leaves open spoils what
//! the client wrote, not what the proxy put behind it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::ClientIp;

/// How many parameters an element may have. Four are registered.
const PARAMETERS: usize = 8;

/// By which scheme somebody came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scheme {
    Unsaid,
    Https,
    /// `http`, or a word that is no scheme of ours (F-07).
    Other,
}

/// What an element says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Element {
    /// `for`; unknown where it is left out, obfuscated or no address.
    pub(super) node: ClientIp,
    /// `proto`.
    pub(super) scheme: Scheme,
}

/// What could not be read says nothing that anybody should rely on.
const UNREADABLE: Element = Element { node: ClientIp::UNKNOWN, scheme: Scheme::Other };

/// Reads one element.
pub(super) fn element(text: &[u8]) -> Element {
    parse(text).unwrap_or(UNREADABLE)
}

/// `None` when it is malformed, or has a parameter twice.
fn parse(text: &[u8]) -> Option<Element> {
    let mut read = Element { node: ClientIp::UNKNOWN, scheme: Scheme::Unsaid };
    let (mut names, mut count) = ([&b""[..]; PARAMETERS], 0);
    let mut rest = skip_space(text);
    while !rest.is_empty() {
        if rest[0] != b';' {
            let (name, after) = token(rest)?;
            let (value, after) = value(after.strip_prefix(b"=")?)?;
            if names[..count].iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return None;
            }
            *names.get_mut(count)? = name;
            count += 1;
            read.set(name, &value);
            rest = skip_space(after);
        }
        match rest {
            [] => {}
            [b';', more @ ..] => rest = skip_space(more),
            _ => return None,
        }
    }
    Some(read)
}

impl Element {
    fn set(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"for") {
            self.node = node(value).unwrap_or(ClientIp::UNKNOWN);
        } else if name.eq_ignore_ascii_case(b"proto") {
            self.scheme = if value.eq_ignore_ascii_case(b"https") { Scheme::Https } else { Scheme::Other };
        }
    }
}

/// `203.0.113.9`, `203.0.113.9:4711`, `[2001:db8::9]`, `[2001:db8::9]:_port`. `unknown` and `_hidden` are nobody's address.
fn node(value: &[u8]) -> Option<ClientIp> {
    let text = std::str::from_utf8(value).ok()?;
    let (ip, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            (IpAddr::V6(inner.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (IpAddr::V4(name.parse::<Ipv4Addr>().ok()?), port)
        }
    };
    is_port(port.as_bytes()).then_some(ClientIp::new(ip))
}

/// Nothing, or a colon with a number or an obfuscated one.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', b'_', name @ ..] => {
            !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
        }
        [b':', digits @ ..] => (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn value(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    match text {
        [b'"', rest @ ..] => quoted(rest),
        _ => token(text).map(|(value, rest)| (Cow::Borrowed(value), rest)),
    }
}

/// RFC 9110 section 5.6.4, behind the first quote.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut plain = Vec::new();
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' if plain.is_empty() => return Some((Cow::Borrowed(&text[..at]), &text[at + 1..])),
            b'"' => return Some((Cow::Owned(plain), &text[at + 1..])),
            b'\\' => {
                if plain.is_empty() {
                    plain.extend_from_slice(&text[..at]);
                }
                at += 1;
                plain.push(*text.get(at)?);
            }
            byte if !plain.is_empty() => plain.push(*byte),
            _ => {}
        }
        at += 1;
    }
}

/// RFC 9110 section 5.6.2: at least one byte.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|b| !is_token_byte(*b)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Whether a token may hold this byte.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn skip_space(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(text.len());
    &text[end..]
}

#[cfg(test)]
#[path = "rfc7239_tests.rs"]
mod tests;
