//! Cookie fields: which of ours the gate reads, and that none of ours reaches an upstream while all others do.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};
use stagedoor::gate::fuzzing::strip_cookies;
use stagedoor::gate::{CookieNames, Credentials, Presented};

const PIECES: [&str; 24] = [
    "stagedoor_access",
    "stagedoor_refresh",
    "stagedoor_device",
    "__Host-stagedoor_access",
    "__Host-stagedoor_refresh",
    "__Secure-stagedoor_mail",
    "__host-STAGEDOOR_ACCESS",
    "__Host-",
    "Stagedoor_",
    "stagedoor",
    "sid",
    "=",
    "=",
    "=a.b.c",
    "=d.e.f",
    ";",
    "; ",
    ";;",
    " ",
    "\t",
    "\"",
    ",",
    "\u{a0}",
    "%",
];

/// Any fields: the same credentials as in the slow reading, and only the others go on, as they were.
pub fn cookies(data: &[u8]) {
    // Too few bytes make no case.
    let _ = case(&mut Unstructured::new(data));
}

fn case(u: &mut Unstructured<'_>) -> Result<()> {
    let names = CookieNames::new(u.arbitrary()?);
    let bearer = u.choose(&[None, Some("Bearer a.b.c"), Some("Basic dTpw"), Some("bearer  d.e.f ")])?;
    let mut headers = HeaderMap::new();
    if let Some(bearer) = bearer {
        headers.insert(AUTHORIZATION, HeaderValue::from_static(bearer));
    }
    let fields = fields(u)?;
    for field in &fields {
        headers.append(COOKIE, HeaderValue::from_bytes(field).expect("checked"));
    }
    let said = Presented::of(&headers, &names);
    let (access, refresh) = (read(&fields, names.access), read(&fields, names.refresh));
    assert_eq!(
        said.refresh,
        if let Read::One(t) = &refresh { Some(t.as_str()) } else { None },
        "{headers:?}"
    );
    let token = bearer.filter(|b| b[..6].eq_ignore_ascii_case("bearer")).map(|b| b[6..].trim_matches(' '));
    let expected = match (token, &access) {
        (None, Read::Nothing) => Credentials::None,
        (None, Read::One(cookie)) => Credentials::Cookie(cookie),
        (Some(token), Read::Nothing) => Credentials::Bearer(token),
        (Some(token), Read::One(cookie)) if token == cookie => Credentials::Bearer(token),
        _ => Credentials::Ambiguous,
    };
    assert_eq!(said.access, expected, "{headers:?}");
    for forward_token in [false, true] {
        assert_stripped(&headers, &fields, forward_token);
    }
    Ok(())
}

fn fields(u: &mut Unstructured<'_>) -> Result<Vec<Vec<u8>>> {
    let mut fields = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let mut field = Vec::new();
        for _ in 0..u.int_in_range(0..=14)? {
            if u.ratio(1, 6)? {
                field.extend_from_slice(u.arbitrary::<&[u8]>()?);
            } else {
                field.extend_from_slice(u.choose(&PIECES)?.as_bytes());
            }
        }
        if HeaderValue::from_bytes(&field).is_ok() {
            fields.push(field);
        }
    }
    Ok(fields)
}

/// What goes on is what is not ours, in its order and byte for byte.
fn assert_stripped(headers: &HeaderMap, fields: &[Vec<u8>], forward_token: bool) {
    let mut after = headers.clone();
    strip_cookies(&mut after, forward_token);
    let left: Vec<&[u8]> = after.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    assert!(left.len() <= 1, "one field: {after:?}");
    let left: Vec<&[u8]> = left.iter().flat_map(|field| pieces(field)).collect();
    let stays = |name: &str| forward_token && bare(name) == "stagedoor_access";
    let goes = |pair: &[u8]| named(pair, |name| is_ours(name) && !stays(name));
    let mut expected: Vec<&[u8]> = fields.iter().flat_map(|f| pieces(f)).filter(|pair| !goes(pair)).collect();
    let mut left: Vec<&[u8]> = left;
    // Nothing between two semicolons says nothing.
    expected.retain(|pair| !pair.is_empty());
    left.retain(|pair| !pair.is_empty());
    assert_eq!(left, expected, "of {headers:?}, forward_token {forward_token}");
    if !fields.iter().flat_map(|f| pieces(f)).any(goes) {
        let whole = fields.join(&b"; "[..]);
        let as_it_was = after.get(COOKIE).map(HeaderValue::as_bytes).unwrap_or_default();
        assert_eq!(as_it_was, whole, "none of ours, so nothing changes");
    }
}

/// The pairs of a field.
pub fn pieces(field: &[u8]) -> Vec<&[u8]> {
    field.split(|b| *b == b';').map(|piece| piece.trim_ascii()).collect()
}

/// A name as upstreams might read it: in UTF-8 or in Latin-1, without whatever kind of white space is around it.
fn readings(pair: &[u8]) -> [String; 2] {
    let name: Vec<u8> = pair.iter().copied().take_while(|b| *b != b'=').collect();
    let latin: String = name.iter().map(|b| char::from(*b)).collect();
    [String::from_utf8_lossy(&name).into_owned(), latin].map(|text| text.trim().to_ascii_lowercase())
}

/// Whether `fits` holds for any reading of a pair's name.
pub fn named(pair: &[u8], fits: impl Fn(&str) -> bool) -> bool {
    readings(pair).iter().any(|name| fits(name))
}

/// Whether a name, in lower case, is one of ours under any naming.
pub fn is_ours(name: &str) -> bool {
    bare(name).starts_with("stagedoor_")
}

fn bare(name: &str) -> &str {
    name.strip_prefix("__host-").or_else(|| name.strip_prefix("__secure-")).unwrap_or(name)
}

/// What is read under one name.
enum Read {
    Nothing,
    One(String),
    Contradicting,
}

/// All values of a name; the same one twice is one, and one that is no text contradicts.
fn read(fields: &[Vec<u8>], wanted: &str) -> Read {
    let mut values = BTreeSet::new();
    for pair in fields.iter().flat_map(|f| pieces(f)) {
        let Some(at) = pair.iter().position(|b| *b == b'=') else { continue };
        if pair[..at].trim_ascii() == wanted.as_bytes() {
            values.insert(String::from_utf8(pair[at + 1..].trim_ascii().to_vec()).ok());
        }
    }
    match (values.len(), values.pop_first()) {
        (1, Some(Some(value))) => Read::One(value),
        (0, _) => Read::Nothing,
        _ => Read::Contradicting,
    }
}
