//! The identity headers of a request: what they claim, and their removal.

use http::header::{HeaderMap, HeaderName};

use super::refusal::Refusal;
use crate::gate::IdentityNames;

/// Every header of this family speaks of identity, whoever sends it.
const FAMILY: &[u8] = b"x-auth-";

/// The names under which identity arrives, folded.
#[derive(Clone)]
pub(super) struct IdentityHeaders {
    assertion: String,
    others: Vec<String>,
}

/// What a request brought along.
#[derive(Debug, PartialEq)]
pub(super) enum Presented {
    /// No identity header at all: an anonymous request.
    Nothing,
    /// One assertion, not verified yet.
    Assertion(String),
}

impl IdentityHeaders {
    pub(super) fn new(names: &IdentityNames) -> Self {
        let others = [
            &names.user_id,
            &names.email,
            &names.name,
            &names.roles,
            &names.permissions,
            &names.session,
            &names.amr,
            &names.auth_time,
        ];
        let fold_text = |name: &String| name.bytes().map(|b| char::from(fold(b))).collect::<String>();
        Self { assertion: fold_text(&names.assertion), others: others.map(fold_text).into() }
    }

    /// Reads the identity headers without believing any of them.
    ///
    /// # Errors
    /// [`Refusal`] when plain identity headers come without an assertion, or the assertion comes more than
    /// once.
    pub(super) fn read(&self, headers: &HeaderMap) -> Result<Presented, Refusal> {
        let mut assertions = headers.iter().filter(|(name, _)| same(name.as_str(), &self.assertion));
        match (assertions.next(), assertions.next()) {
            (Some((_, value)), None) => match value.to_str() {
                Ok(text) => Ok(Presented::Assertion(text.to_owned())),
                Err(_) => Err(Refusal::Assertion("token_malformed")),
            },
            (Some(_), Some(_)) => Err(Refusal::SeveralAssertions),
            (None, _) if headers.keys().any(|name| self.covers(name)) => Err(Refusal::Unsigned),
            (None, _) => Ok(Presented::Nothing),
        }
    }

    /// Removes every identity header, so that nothing behind the layer can believe one by mistake.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        let doomed: Vec<HeaderName> = headers.keys().filter(|name| self.covers(name)).cloned().collect();
        for name in doomed {
            headers.remove(name);
        }
    }

    fn covers(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        let family = name.len() > FAMILY.len() && name.bytes().map(fold).zip(FAMILY).all(|(a, b)| a == *b);
        family || same(name, &self.assertion) || self.others.iter().any(|other| same(name, other))
    }
}

/// One spelling for what frameworks confuse later: CGI and WSGI turn `-` into `_`, some servers `.` and other
/// marks as well. The gateway folds in the same way.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

fn same(name: &str, folded: &str) -> bool {
    name.len() == folded.len() && name.bytes().map(fold).eq(folded.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(n, v)| (HeaderName::from_bytes(n.as_bytes()).unwrap(), v.parse().unwrap()))
            .collect()
    }

    #[test]
    fn i_01_plain_identity_needs_an_assertion() {
        let names = IdentityHeaders::new(&IdentityNames::default());
        for spoofed in
            ["X-Auth-Roles", "x_auth_roles", "X-Auth.User-Id", "X~Auth~User", "x-auth-request-user"]
        {
            let refused = names.read(&headers(&[(spoofed, "admin")]));
            assert_eq!(refused, Err(Refusal::Unsigned), "{spoofed}");
        }
        assert_eq!(names.read(&headers(&[("accept", "*/*")])), Ok(Presented::Nothing));
    }

    #[test]
    fn one_assertion_in_any_spelling_and_never_two() {
        let names = IdentityHeaders::new(&IdentityNames::default());
        let one = headers(&[("X-Auth-Assertion", "a.b.c"), ("X-Auth-Roles", "admin")]);
        assert_eq!(names.read(&one), Ok(Presented::Assertion("a.b.c".into())));
        let two = headers(&[("X-Auth-Assertion", "a.b.c"), ("x_auth_assertion", "d.e.f")]);
        assert_eq!(names.read(&two), Err(Refusal::SeveralAssertions));
    }

    #[test]
    fn everything_of_the_family_is_removed_and_nothing_else() {
        let names = IdentityHeaders::new(&IdentityNames::preset("remote").unwrap());
        let mut all = headers(&[
            ("X-Auth-Assertion", "a.b.c"),
            ("x_auth_roles", "admin"),
            ("Remote-User", "x"),
            ("Cookie", "a=b"),
            ("x-authority", "kept"),
        ]);
        names.strip(&mut all);
        let left: Vec<_> = all.keys().map(HeaderName::as_str).collect();
        assert_eq!(left.len(), 2);
        assert!(left.contains(&"cookie") && left.contains(&"x-authority"));
    }
}
