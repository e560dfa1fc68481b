//! What a request line has to look like before anybody asks what it means. Every front holds its requests to this: the
//! proxy to the raw bytes, forward-auth to what another proxy says, the Tower layer to what its server has parsed.

use super::HeadRefusal;

/// Longest request target, in bytes.
pub const MAX_TARGET: usize = 16 * 1024;

/// The methods of RFC 9110 and RFC 5789 that can be forwarded.
///
/// # Errors
/// [`HeadRefusal`] for every other one.
pub fn check_method(method: &[u8]) -> Result<(), HeadRefusal> {
    match method {
        b"GET" | b"HEAD" | b"POST" | b"PUT" | b"PATCH" | b"DELETE" | b"OPTIONS" => Ok(()),
        b"TRACE" | b"CONNECT" => Err(HeadRefusal::MethodNotAllowed),
        m if !m.is_empty() && m.len() <= 32 && m.iter().all(u8::is_ascii_uppercase) => {
            Err(HeadRefusal::MethodUnknown)
        }
        _ => Err(bad("method_malformed")),
    }
}

/// Origin form only (RFC 9112 section 3.2.1), and only bytes that no parser repairs. What the path means is the
/// policy's business.
///
/// # Errors
/// [`HeadRefusal`] for every other target.
pub fn check_target(target: &[u8]) -> Result<(), HeadRefusal> {
    if target.len() > MAX_TARGET {
        return Err(HeadRefusal::TargetTooLong);
    }
    if target.first() != Some(&b'/') {
        return Err(bad("not_origin_form"));
    }
    if target.contains(&b'#') {
        return Err(bad("fragment"));
    }
    if target.iter().any(|b| !(0x21..0x7f).contains(b) || matches!(b, b'"' | b'<' | b'>')) {
        return Err(bad("unescaped_character"));
    }
    // Browsers escape it in a path and not in a query; the library behind us refuses it, without a word of ours.
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    if path.contains(&b'`') {
        return Err(bad("unescaped_character"));
    }
    Ok(())
}

/// `name[:port]`, `address[:port]` or `[IPv6][:port]`, without user information; ASCII only (H-02, H-09, H-10).
#[must_use]
pub fn is_authority(text: &[u8]) -> bool {
    let (host, port) = if text.first() == Some(&b'[') {
        let Some(end) = text.iter().position(|b| *b == b']') else { return false };
        let Ok(inner) = std::str::from_utf8(&text[1..end]) else { return false };
        if inner.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        (None, &text[end + 1..])
    } else {
        let end = text.iter().position(|b| *b == b':').unwrap_or(text.len());
        (Some(&text[..end]), &text[end..])
    };
    let name_fits = host.is_none_or(|h| {
        !h.is_empty()
            && h.len() <= 254
            && h.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    });
    let port_fits = match port {
        [] => true,
        [b':', digits @ ..] => {
            (1..=5).contains(&digits.len())
                && digits.iter().all(u8::is_ascii_digit)
                && std::str::from_utf8(digits).is_ok_and(|d| d.parse::<u16>().is_ok())
        }
        _ => false,
    };
    name_fits && port_fits
}

const fn bad(id: &'static str) -> HeadRefusal {
    HeadRefusal::Malformed(id)
}
