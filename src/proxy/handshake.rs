//! Whether a request for a WebSocket is one (RFC 6455 section 4.2.1). An application that takes half a handshake for an
//! ordinary request, or for a whole one, would disagree with us about what the bytes behind it are.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::gate::HeadRefusal;

/// A key is 16 bytes in base64.
const KEY: usize = 24;

/// Checks the handshake.
///
/// # Errors
/// The first reason to refuse it.
pub(super) fn check(headers: &HeaderMap) -> Result<(), HeadRefusal> {
    let malformed = HeadRefusal::Malformed("websocket_handshake");
    let body = [header::TRANSFER_ENCODING, header::CONTENT_LENGTH]
        .iter()
        .any(|name| headers.get(name).is_some_and(|value| value.as_bytes() != b"0"));
    let nominated = headers.get_all(header::CONNECTION).iter().any(|value| {
        value
            .as_bytes()
            .split(|b| *b == b',')
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    if body || !nominated || !only(headers, &header::SEC_WEBSOCKET_KEY).is_some_and(is_key) {
        return Err(malformed);
    }
    match only(headers, &header::SEC_WEBSOCKET_VERSION) {
        Some(b"13") => Ok(()),
        Some(_) => Err(HeadRefusal::WebSocketVersion),
        None => Err(malformed),
    }
}

/// The value of a field that must occur exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut all = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    all.next().filter(|_| all.next().is_none())
}

fn is_key(value: &[u8]) -> bool {
    value.len() == KEY
        && value.ends_with(b"==")
        && value[..KEY - 2].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}
