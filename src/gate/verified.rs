//! A checked token, with everything prepared that each request with it needs; and the cache of those.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Principal;
use crate::model::Timestamp;
use crate::policy::{Caller, Policy, RoleSet};
use crate::token::{Claims, Person};

/// What a display name must not contain to be a header value: everything but visible ASCII, and `%` itself.
const NAME: AsciiSet = CONTROLS.add(b'%').add(b'"').add(b',').add(b';');

/// How many identity fields are set besides the assertion.
pub(super) const FIELDS: usize = 8;

/// The person behind a token whose signature and claims were right when it was first seen.
pub struct Verified {
    principal: Arc<Principal>,
    roles: RoleSet,
    mfa: bool,
    issued_at: Timestamp,
    values: [HeaderValue; FIELDS],
    assertions: Box<[ArcSwapOption<Fresh>]>,
}

/// An assertion that can still be used.
pub(super) struct Fresh {
    pub(super) value: HeaderValue,
    pub(super) until: Timestamp,
}

impl Verified {
    /// Prepares a verified token for requests under `policy` to `upstreams` upstreams.
    pub(super) fn new(claims: Claims, policy: &Policy, upstreams: usize) -> Self {
        let roles = policy.role_set(&claims.roles);
        let issued_at = claims.issued_at();
        let principal = Principal {
            id: claims.sub,
            session: claims.sid,
            email: claims.email,
            email_verified: claims.email_verified,
            name: claims.name,
            // What the roles grant is the policy's to say, now; the token's own list may be older.
            permissions: policy.permissions(&claims.roles),
            roles: claims.roles,
            amr: claims.amr,
            auth_time: Timestamp::from_secs(claims.auth_time),
            expires: Timestamp::from_secs(claims.exp),
        };
        Self {
            roles,
            mfa: principal.amr.iter().any(|m| m == "mfa"),
            issued_at,
            values: side_by_side(&values(&principal)),
            assertions: (0..upstreams).map(|_| ArcSwapOption::empty()).collect(),
            principal: Arc::new(principal),
        }
    }

    /// The person.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// When the token was made.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// The policy's view of the person.
    pub(super) fn caller(&self) -> Caller {
        Caller {
            id: self.principal.id,
            roles: self.roles,
            mfa: self.mfa,
            auth_time: self.principal.auth_time,
        }
    }

    /// The same under another policy, to which the roles may mean something else.
    #[cfg(feature = "gateway")]
    pub(super) fn caller_under(&self, policy: &Policy) -> Caller {
        Caller { roles: policy.role_set(&self.principal.roles), ..self.caller() }
    }

    /// What an assertion says about the person.
    pub(super) fn person(&self) -> Person<'_> {
        let p = &*self.principal;
        Person {
            account: p.id,
            session: p.session,
            email: &p.email,
            email_verified: p.email_verified,
            name: &p.name,
            roles: &p.roles,
            permissions: &p.permissions,
            amr: &p.amr,
            auth_time: p.auth_time,
        }
    }

    /// The identity fields' values, in the order of `UpstreamIdentity::names`.
    pub(super) fn values(&self) -> &[HeaderValue; FIELDS] {
        &self.values
    }

    /// The slot of the assertion for one upstream.
    pub(super) fn assertion(&self, upstream: usize) -> &ArcSwapOption<Fresh> {
        &self.assertions[upstream]
    }
}

fn values(p: &Principal) -> [HeaderValue; FIELDS] {
    let roles: Vec<&str> = p.roles.iter().map(crate::model::RoleName::as_str).collect();
    [
        value(&p.id.to_string()),
        value(&p.email),
        value(&p.name),
        value(&roles.join(",")),
        value(&p.permissions.join(",")),
        value(&p.session.to_string()),
        value(&p.amr.join(",")),
        value(&p.auth_time.secs().to_string()),
    ]
}

/// The same values in one piece of memory: a request with a token that was not seen for a while then waits for fewer
/// cache lines.
fn side_by_side(values: &[HeaderValue; FIELDS]) -> [HeaderValue; FIELDS] {
    let all: bytes::Bytes = values.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().concat().into();
    let mut at = 0;
    std::array::from_fn(|i| {
        let end = at + values[i].len();
        let value = HeaderValue::from_maybe_shared(all.slice(at..end));
        at = end;
        value.expect("a copy of a header value is one")
    })
}

/// As a header value; whatever could end a field or start a list item is percent-encoded (I-08). Lists
/// are made of names that contain no such characters, so their commas stay.
fn value(text: &str) -> HeaderValue {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'%')
        && let Ok(v) = HeaderValue::from_str(text)
    {
        return v;
    }
    let encoded = utf8_percent_encode(text, &NAME).to_string();
    HeaderValue::from_str(&encoded).expect("percent-encoded text is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_08_names_cannot_break_out_of_their_field() {
        assert_eq!(value("a\r\nX-Auth-Roles: admin"), "a%0D%0AX-Auth-Roles: admin");
        assert_eq!(value("a\0b"), "a%00b");
        assert_eq!(value("Zoë 100%"), "Zo%C3%AB 100%25");
        assert_eq!(value("Ada Lovelace"), "Ada Lovelace");
    }
}
