//! Reads the compact serialization (RFC 7515 section 7.1) the way we write it and no other way.
//!
//! Every freedom of the format that we do not use is a place where two readers could disagree, so it is refused: other
//! header members (`jku`, `jwk`, `x5u`, `crit`, `b64`, `zip`, …), doubled members, padding, line breaks and stray bits
//! in base64url, encryption (five segments), the JSON serialization.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::Rejection;

/// Longest token that is looked at (bytes). Longer ones are refused before anything is decoded.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Longest header and signature, decoded (bytes). Ours have about 60 and at most 256.
const MAX_HEADER: usize = 384;
const MAX_SIGNATURE: usize = 1024;

/// The three segments, none of them empty, not yet decoded.
pub(super) struct Segments<'a> {
    pub header: &'a str,
    pub payload: &'a str,
    pub signature: &'a str,
    /// What the signature covers: header, dot, payload.
    pub signed: &'a [u8],
}

impl<'a> Segments<'a> {
    pub fn split(token: &'a str) -> Result<Self, Rejection> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::Malformed);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Rejection::Malformed);
        };
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(Rejection::Malformed);
        }
        let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
        Ok(Self { header, payload, signature, signed })
    }

    /// The length of the decoded signature, once it is known to be canonical base64url.
    pub fn signature_len(&self) -> Result<usize, Rejection> {
        let mut buf = [0; MAX_SIGNATURE + 2];
        URL_SAFE_NO_PAD.decode_slice(self.signature, &mut buf).map_err(|_| Rejection::Malformed)
    }
}

/// A token's header: these three members and no others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub alg: Cow<'a, str>,
    #[serde(borrow)]
    pub typ: Cow<'a, str>,
    #[serde(borrow)]
    pub kid: Cow<'a, str>,
}

/// Room for a decoded header, on the caller's stack.
pub(super) type HeaderBuf = [u8; MAX_HEADER];

/// An empty [`HeaderBuf`].
pub(super) const HEADER_BUF: HeaderBuf = [0; MAX_HEADER];

impl<'a> Header<'a> {
    pub fn read(segment: &str, buf: &'a mut HeaderBuf) -> Result<Self, Rejection> {
        let len = URL_SAFE_NO_PAD.decode_slice(segment, buf).map_err(|_| Rejection::Malformed)?;
        object(&buf[..len]).ok_or(Rejection::Malformed)
    }
}

/// Reads one JSON object into a struct. Serde would also take an array for a struct, member by position; and white
/// space or a byte order mark around it: neither is ours.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    match json {
        [b'{', .., b'}'] => serde_json::from_slice(json).ok(),
        _ => None,
    }
}

/// Canonical, unpadded base64url only.
pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The same, written.
pub(super) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
