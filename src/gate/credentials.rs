//! Which credentials a request carries. Reads headers only; checks no signature.

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

/// The names of our cookies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CookieNames {
    /// Carries the access token.
    pub access: &'static str,
    /// Carries the refresh token.
    pub refresh: &'static str,
    /// Whether they are set with `Secure`.
    pub secure: bool,
}

impl CookieNames {
    /// With the `__Host-` prefix (RFC 6265bis section 4.1.3.2) and `Secure`, but not on plain http, where a
    /// browser would not keep such cookies.
    #[must_use]
    pub const fn new(secure: bool) -> Self {
        if secure {
            Self { access: "__Host-stagedoor_access", refresh: "__Host-stagedoor_refresh", secure }
        } else {
            Self { access: "stagedoor_access", refresh: "stagedoor_refresh", secure }
        }
    }

    /// Whether `name` is one of ours under any naming, in any case: also of those that know a device, bind a challenge
    /// or remember where a mail went. No upstream sees or sets them.
    #[must_use]
    pub fn is_ours(name: &str) -> bool {
        bare(name).get(..10).is_some_and(|start| start.eq_ignore_ascii_case("stagedoor_"))
    }

    /// Whether `name` is one of ours that no upstream sees even when it gets the access token.
    #[must_use]
    pub fn is_private(name: &str) -> bool {
        Self::is_ours(name) && !bare(name).eq_ignore_ascii_case("stagedoor_access")
    }
}

/// A cookie's name without white space and without the `__Host-` or `__Secure-` prefix.
fn bare(name: &str) -> &str {
    let name = name.trim();
    let without = |prefix: &str| {
        name.get(..prefix.len()).filter(|p| p.eq_ignore_ascii_case(prefix)).map(|_| &name[prefix.len()..])
    };
    without("__host-").or_else(|| without("__secure-")).unwrap_or(name)
}

/// The access credential of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credentials<'a> {
    /// None.
    None,
    /// `Authorization: Bearer`.
    Bearer(&'a str),
    /// Our access cookie.
    Cookie(&'a str),
    /// Something that can never be valid, such as `Bearer` without a token.
    Malformed,
    /// Two that differ; none of them counts (J-20).
    Ambiguous,
}

/// All that a request presents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Presented<'a> {
    /// The access credential.
    pub access: Credentials<'a>,
    /// The refresh cookie; `None` also when there are two.
    pub refresh: Option<&'a str>,
}

impl<'a> Presented<'a> {
    /// Reads the `Authorization` and `Cookie` fields.
    #[must_use]
    pub fn of(headers: &'a HeaderMap, names: &CookieNames) -> Self {
        let bearer = bearer(headers);
        let (mut access, mut refresh) = (Cookie::Absent, Cookie::Absent);
        for field in headers.get_all(COOKIE) {
            for (name, value) in pairs(field.as_bytes()).filter_map(named) {
                if name == names.access.as_bytes() {
                    access.add(value);
                } else if name == names.refresh.as_bytes() {
                    refresh.add(value);
                }
            }
        }
        let access = match (bearer, access) {
            (Credentials::None, Cookie::Absent) => Credentials::None,
            (Credentials::None, Cookie::One(token)) => Credentials::Cookie(token),
            (Credentials::Bearer(b), Cookie::One(c)) if b == c => Credentials::Bearer(b),
            (bearer, Cookie::Absent) => bearer,
            _ => Credentials::Ambiguous,
        };
        Self { access, refresh: if let Cookie::One(t) = refresh { Some(t) } else { None } }
    }
}

fn bearer(headers: &HeaderMap) -> Credentials<'_> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = fields.next() else { return Credentials::None };
    if fields.next().is_some() {
        return Credentials::Ambiguous;
    }
    let bytes = first.as_bytes();
    let (scheme, rest) = bytes.split_at(bytes.iter().position(|b| *b == b' ').unwrap_or(bytes.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Credentials::None; // another scheme is the upstream's own business
    }
    let token = std::str::from_utf8(rest).ok().map(|rest| rest.trim_matches(' '));
    let Some(token) = token.filter(|t| !t.is_empty() && has_only_token_bytes(t.as_bytes())) else {
        return Credentials::Malformed;
    };
    Credentials::Bearer(token)
}

/// Letters, digits, `-`, `_`, `.`. Looks at every byte on purpose: without an early end the compiler handles sixteen at once.
#[expect(clippy::needless_bitwise_bool, reason = "an early end would make it many times slower")]
fn has_only_token_bytes(token: &[u8]) -> bool {
    token.iter().fold(true, |fits, &b| {
        let digit = b.wrapping_sub(b'0') < 10;
        let letter = (b | 0x20).wrapping_sub(b'a') < 26;
        fits & (digit | letter | (b == b'-') | (b == b'_') | (b == b'.'))
    })
}

enum Cookie<'a> {
    Absent,
    One(&'a str),
    Contradicting,
}

impl<'a> Cookie<'a> {
    /// What is no text is none of our tokens, and still a credential that somebody sent.
    fn add(&mut self, value: &'a [u8]) {
        *self = match (&*self, std::str::from_utf8(value)) {
            (Self::Absent, Ok(value)) => Self::One(value),
            (Self::One(seen), Ok(value)) if *seen == value => return,
            _ => Self::Contradicting,
        };
    }
}

/// The pairs of a `Cookie` field (RFC 6265 section 4.2.1), without the white space around them.
pub(super) fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|b| *b == b';').map(<[u8]>::trim_ascii)
}

/// Name and value, as bytes: one cookie of the application in another encoding does not hide ours.
fn named(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|b| *b == b'=')?;
    Some((pair[..at].trim_ascii_end(), pair[at + 1..].trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut h = HeaderMap::new();
        for (n, v) in pairs {
            h.append(*n, v.parse().unwrap());
        }
        h
    }

    #[test]
    fn j_20_two_different_credentials_are_ambiguous() {
        let names = CookieNames::new(true);
        let cases: [(&[(&str, &str)], Credentials<'_>); 9] = [
            (&[], Credentials::None),
            (&[("authorization", "Bearer a.b.c")], Credentials::Bearer("a.b.c")),
            (&[("cookie", "x=1; __Host-stagedoor_access=a.b.c")], Credentials::Cookie("a.b.c")),
            (
                &[("authorization", "Bearer a.b.c"), ("cookie", "__Host-stagedoor_access=d.e.f")],
                Credentials::Ambiguous,
            ),
            (&[("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")], Credentials::Ambiguous),
            (&[("cookie", "__Host-stagedoor_access=a; __Host-stagedoor_access=b")], Credentials::Ambiguous),
            (
                &[("cookie", "__Host-stagedoor_access=a"), ("cookie", "__Host-stagedoor_access=b")],
                Credentials::Ambiguous,
            ),
            (
                &[("authorization", "Bearer "), ("cookie", "__Host-stagedoor_access=b")],
                Credentials::Ambiguous,
            ),
            (&[("authorization", "Basic dTpw")], Credentials::None),
        ];
        for (given, expected) in cases {
            let h: HeaderMap = {
                let mut h = HeaderMap::new();
                for (n, v) in given {
                    h.append(http::HeaderName::from_bytes(n.as_bytes()).unwrap(), v.parse().unwrap());
                }
                h
            };
            assert_eq!(Presented::of(&h, &names).access, expected, "{given:?}");
        }
    }

    #[test]
    fn i_09_broken_credentials_are_malformed_not_absent() {
        let names = CookieNames::new(false);
        for v in ["Bearer", "Bearer ", "bearer  ", "Bearer a b", "Bearer a,b", "BEARER é"] {
            let mut h = HeaderMap::new();
            h.append(AUTHORIZATION, http::HeaderValue::from_bytes(v.as_bytes()).unwrap());
            assert_eq!(Presented::of(&h, &names).access, Credentials::Malformed, "{v:?}");
        }
    }

    #[test]
    fn cookies_of_the_application_do_not_hide_ours() {
        let mut h = HeaderMap::new();
        h.append(COOKIE, http::HeaderValue::from_bytes(b"city=Z\xfcrich; stagedoor_access=a.b.c").unwrap());
        assert_eq!(Presented::of(&h, &CookieNames::new(false)).access, Credentials::Cookie("a.b.c"));
    }

    #[test]
    fn j_20_a_cookie_of_ours_that_is_no_text_is_a_credential_too() {
        let names = CookieNames::new(false);
        for field in [&b"stagedoor_access=a.\xff.c"[..], b"stagedoor_access=a.b.c; stagedoor_access=\xff"] {
            let mut h = HeaderMap::new();
            h.append(COOKIE, http::HeaderValue::from_bytes(field).unwrap());
            assert_eq!(Presented::of(&h, &names).access, Credentials::Ambiguous, "{field:?}");
            h.append(AUTHORIZATION, "Bearer a.b.c".parse().unwrap());
            assert_eq!(Presented::of(&h, &names).access, Credentials::Ambiguous, "{field:?}");
        }
    }

    #[test]
    fn c_05_cookie_names_are_exact() {
        let names = CookieNames::new(true);
        let h = headers(&[(
            "cookie",
            "__host-stagedoor_access=a; stagedoor_access=b; x__Host-stagedoor_access=c",
        )]);
        assert_eq!(Presented::of(&h, &names).access, Credentials::None);
        assert!(CookieNames::is_ours("__HOST-Stagedoor_Access"));
        for ours in [
            "stagedoor_refresh",
            "__Host-stagedoor_device",
            "__HOST-STAGEDOOR_CHALLENGE",
            "__Secure-stagedoor_mail",
        ] {
            assert!(CookieNames::is_ours(ours) && CookieNames::is_private(ours), "{ours}");
        }
        assert!(!CookieNames::is_private("__Host-stagedoor_access"));
        assert!(!CookieNames::is_ours("stagedoor"));
        assert!(!CookieNames::is_ours("é__Host"));
    }
}
