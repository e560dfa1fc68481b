//! Sets of methods. HEAD follows GET everywhere, so the two share a bit.

use http::Method;

/// The methods a rule can name.
pub(super) const NAMED: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The methods of one rule; the empty set stands for "every method".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct MethodSet(u8);

impl MethodSet {
    /// The set of one method, if rules can name it.
    pub(super) fn one(name: &str) -> Option<Self> {
        let name = if name == "HEAD" { "GET" } else { name };
        NAMED.iter().position(|n| *n == name).map(|bit| Self(1 << bit))
    }

    /// The set of a request's method; empty if no rule can name it.
    pub(super) fn of(method: &Method) -> Self {
        Self::one(method.as_str()).unwrap_or_default()
    }

    /// Whether no method is named.
    pub(super) fn is_any(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a request with `method` (from [`Self::of`]) fits a rule with this set.
    pub(super) fn fits(self, method: Self) -> bool {
        self.is_any() || self.names(method)
    }

    /// Whether this set names `method`.
    pub(super) fn names(self, method: Self) -> bool {
        self.0 & method.0 != 0
    }

    /// Whether a rule with this set takes every request that a rule with `other` takes.
    pub(super) fn covers(self, other: Self) -> bool {
        self.is_any() || (!other.is_any() && self.0 & other.0 == other.0)
    }
}
