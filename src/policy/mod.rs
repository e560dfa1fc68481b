//! Rules to decisions: pure and synchronous. Read in this order:
//!
//! - `source`       what configuration hands over: roles, named requirements, routes, rules
//! - `words`        the same, written in Rust
//! - `problem`      what is wrong with it: place, message, likely fix
//! - `compile/`     source -> [`Policy`], all problems at once
//! - `path`         the one canonical form of a path, or why it is refused
//! - `reading`      the other ways an upstream may read that form; each must be allowed as well
//! - `pattern`      `/users/{user}/**` as segments, and how specific they are
//! - `method`       sets of methods; HEAD follows GET
//! - `matcher/`     the index: cost does not grow with the number of rules
//! - `roles`        roles as bits, permissions as sets of roles
//! - `requirement`  three-valued: holds, does not hold, cannot be known of an anonymous caller
//! - `sensitivity`  where a token that may have ended is too much of a risk
//! - `decision`     the question, the answer and its stable reason ids
//! - `snapshot`     [`Policy`] itself: `read_path`, `route`, `decide`
//! - `explain`      the same answer with everything that led to it
//!
//! Invariants: the order of rules never matters; the canonical form is a fixed point; no reading of
//! the forwarded path needs more privilege than was decided (INV-2).

mod compile;
mod decision;
mod explain;
mod matcher;
mod method;
mod path;
mod pattern;
mod problem;
mod reading;
#[cfg(test)]
mod reference;
mod requirement;
mod roles;
mod sensitivity;
mod snapshot;
mod source;
#[cfg(test)]
mod tests;
mod words;

pub use compile::compile;
pub use decision::{Ask, Caller, Decision, Outcome, Reason};
pub use explain::{Candidate, Described, Explanation, Ingredient, Question, State, Verdict, explain};
pub use path::{CanonicalPath, MAX_PATH, PathRefusal};
pub use problem::{Problem, Severity, closest};
pub use roles::RoleSet;
pub use sensitivity::WhenUnknown;
pub use snapshot::{Policy, Route, Rule};
pub use source::{PolicySource, RequirementSource, RoleSource, RouteSource, RuleSource};
pub use words::Problems;
