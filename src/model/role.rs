//! Names of roles and permissions.

use std::fmt;
use std::sync::Arc;

/// The text is not a name of the expected form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(&'static str);

/// A role of the operator's role set: `[a-z][a-z0-9_-]{0,31}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// Reads a role name.
    ///
    /// # Errors
    /// [`InvalidName`] when a character or the length is outside the form.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if first && rest && text.len() <= 32 {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName(
                "a role name starts with a lower-case letter and has at most 32 lower-case letters, digits, '_' or '-'",
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoleName({})", self.0)
    }
}

/// A permission or a wildcard over permissions: `events.view`, `events.*`, `*`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission(Arc<str>);

impl Permission {
    /// Reads a permission: dot-separated words of `[a-z0-9_-]`; the last word may be `*`.
    ///
    /// # Errors
    /// [`InvalidName`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let words = text.split('.').count();
        let fits = text.len() <= 64
            && text.split('.').enumerate().all(|(i, w)| {
                (w == "*" && i + 1 == words)
                    || (!w.is_empty()
                        && w.bytes()
                            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-'))
            });
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName(
                "a permission is dot-separated lower-case words such as events.view; the last word may be *",
            ))
        }
    }

    /// The text as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name ends in `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.ends_with('*')
    }

    /// Whether holding `self` grants `wanted`: equal, or `self` is a wildcard above it.
    #[must_use]
    pub fn grants(&self, wanted: &Permission) -> bool {
        if let Some(prefix) = self.0.strip_suffix('*') {
            wanted.0.starts_with(prefix) && wanted.0.len() > prefix.len()
        } else {
            self.0 == wanted.0
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_grant_what_lies_below() {
        let p = |s| Permission::parse(s).unwrap();
        assert!(p("*").grants(&p("events.view")));
        assert!(p("events.*").grants(&p("events.view")));
        assert!(!p("events.*").grants(&p("events")));
        assert!(!p("events.*").grants(&p("eventsx.view")));
        assert!(!p("events.view").grants(&p("events.edit")));
    }

    #[test]
    fn odd_names_are_refused() {
        for s in ["", "Admin", "1a", "a b", "a,b", "a\n"] {
            assert!(RoleName::parse(s).is_err(), "{s:?}");
        }
        for s in ["", ".", "a..b", "a.*.b", "a*", "A.b", "a b"] {
            assert!(Permission::parse(s).is_err(), "{s:?}");
        }
    }
}
