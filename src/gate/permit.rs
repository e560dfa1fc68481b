//! What an allowed verdict hands over. The proxy builds an upstream peer from a `Permit` and from nothing
//! else; its fields are private, so only the gate makes one.

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::credentials::pairs;
use super::{CookieNames, Snapshot, Verified, is_reserved_header};

/// What a route took off the path.
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Leave to forward one request.
pub struct Permit {
    snapshot: Arc<Snapshot>,
    allowed: Allowed,
}

/// What was allowed.
pub(super) struct Allowed {
    pub(super) upstream: usize,
    pub(super) caller: Option<Arc<Verified>>,
    pub(super) assertion: Option<HeaderValue>,
    pub(super) target: Option<PathAndQuery>,
    pub(super) prefix: Option<HeaderValue>,
    pub(super) token: TokenOnward,
    pub(super) max_body: Option<u64>,
}

/// Which access token goes on to the upstream. The refresh token never does.
#[derive(PartialEq, Eq)]
pub(super) enum TokenOnward {
    /// None.
    None,
    /// What the client sent.
    AsItCame,
    /// This cookie in the place of the one that had ended.
    Renewed(HeaderValue),
}

impl Permit {
    pub(super) fn new(snapshot: Arc<Snapshot>, allowed: Allowed) -> Self {
        Self { snapshot, allowed }
    }

    /// Which upstream, by its place in the configuration.
    #[must_use]
    pub fn upstream(&self) -> usize {
        self.allowed.upstream
    }

    /// The canonical target, where it differs from what the client sent.
    #[must_use]
    pub fn target(&self) -> Option<&PathAndQuery> {
        self.allowed.target.as_ref()
    }

    /// The route's own cap on the request body, in bytes.
    #[must_use]
    pub fn max_body(&self) -> Option<u64> {
        self.allowed.max_body
    }

    /// Who asks; `None` on public paths without a valid token.
    #[must_use]
    pub fn caller(&self) -> Option<&Arc<Verified>> {
        self.allowed.caller.as_ref()
    }

    /// Rewrites a request's fields for the upstream: removes everything a client may not set, and our own
    /// credentials; then sets the identity, each field once. Runs after hop-by-hop fields were stripped,
    /// so that `Connection` cannot nominate ours away (I-05).
    pub fn rewrite(&self, headers: &mut HeaderMap) {
        self.strip(headers);
        if let Some(prefix) = &self.allowed.prefix {
            headers.insert(FORWARDED_PREFIX, prefix.clone());
        }
        let Some(caller) = &self.allowed.caller else { return };
        let upstream = &self.snapshot.upstreams()[self.allowed.upstream];
        // Room for these and for what the proxy adds, in one step.
        headers.reserve(caller.values().len() + 6);
        for (name, value) in upstream.names().iter().zip(caller.values()) {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(assertion) = &self.allowed.assertion {
            headers.insert(upstream.assertion_name().clone(), assertion.clone());
        }
    }

    fn strip(&self, headers: &mut HeaderMap) {
        self.strip_ours(headers);
        join_cookies(headers);
    }

    fn strip_ours(&self, headers: &mut HeaderMap) {
        // Almost every request has none to remove; the list is made only when there are some.
        let extra = self.snapshot.reserved_names();
        let reserved: Vec<HeaderName> =
            headers.keys().filter(|n| is_reserved_header(n) || extra.matches(n)).cloned().collect();
        for name in reserved {
            headers.remove(name);
        }
        let token = &self.allowed.token;
        if *token == TokenOnward::None && headers.get_all(AUTHORIZATION).iter().any(is_bearer) {
            headers.remove(AUTHORIZATION);
        }
        strip_our_cookies(headers, *token == TokenOnward::AsItCame);
        if let TokenOnward::Renewed(cookie) = token {
            headers.append(COOKIE, cookie.clone());
        }
    }
}

/// The access token may go on where the route says so; what renews it never does.
pub(super) fn strip_our_cookies(headers: &mut HeaderMap, forward_token: bool) {
    strip_cookies(headers, if forward_token { CookieNames::is_private } else { CookieNames::is_ours });
}

fn is_bearer(value: &HeaderValue) -> bool {
    value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

/// Takes the cookies out whose names `goes` and leaves the others as they were, byte for byte.
fn strip_cookies(headers: &mut HeaderMap, goes: fn(&str) -> bool) {
    let affected = |v: &HeaderValue| pairs(v.as_bytes()).any(|pair| named(pair, goes));
    if !headers.get_all(COOKIE).iter().any(affected) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|field| {
            let rest: Vec<&[u8]> = pairs(field.as_bytes()).filter(|pair| !named(pair, goes)).collect();
            HeaderValue::from_bytes(&rest.join(&b"; "[..])).ok().filter(|v| !v.is_empty())
        })
        .collect();
    headers.remove(COOKIE);
    for field in kept {
        headers.append(COOKIE, field);
    }
}

/// HTTP/2 brings cookies in crumbs; outside it they are one field (RFC 9113 section 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// Applications read cookies in UTF-8 or in Latin-1, and many take any kind of white space off a name.
fn named(pair: &[u8], goes: fn(&str) -> bool) -> bool {
    let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
    let latin = || name.iter().map(|b| char::from(*b)).collect::<String>();
    goes(&String::from_utf8_lossy(name)) || (!name.is_ascii() && goes(&latin()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_14_our_cookies_leave_and_others_stay() {
        let mut h = HeaderMap::new();
        let field = "a=Z\u{fc}rich; stagedoor_refresh=x; b=2";
        h.append(COOKIE, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        h.append(COOKIE, "__Host-stagedoor_access=y".parse().unwrap());
        let mut forwarding = h.clone();
        strip_cookies(&mut h, CookieNames::is_ours);
        assert_eq!(
            h.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>(),
            ["a=Z\u{fc}rich; b=2".as_bytes()]
        );
        strip_cookies(&mut forwarding, CookieNames::is_private);
        let left: Vec<_> = forwarding.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(left, ["a=Z\u{fc}rich; b=2".as_bytes(), b"__Host-stagedoor_access=y"]);
    }

    #[test]
    fn i_14_a_name_is_ours_in_every_encoding() {
        for ours in [&b"\xa0stagedoor_access=x"[..], b"\xc2\xa0stagedoor_refresh=x", b"stagedoor_\xff=x"] {
            let mut h = HeaderMap::new();
            h.append(COOKIE, HeaderValue::from_bytes(&[b"\xfc=1; ", ours].concat()).unwrap());
            strip_cookies(&mut h, CookieNames::is_ours);
            assert_eq!(h[COOKIE].as_bytes(), b"\xfc=1", "{ours:?}");
        }
    }
}
