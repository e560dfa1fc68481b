//! A policy ready for use: immutable, shared by all threads, swapped as a whole.

use super::decision::{Ask, Decision, Outcome, Reason};
use super::matcher::{ByHost, Trie};
use super::method::MethodSet;
use super::path::{CanonicalPath, PathRefusal};
use super::pattern::Pattern;
use super::reading::{EXACT, FOLD, Reading, Scratch, combinations};
use super::requirement::{Facts, Finding, Kind, Requirement};
use super::roles::{RoleSet, RoleTable};
use super::sensitivity::WhenUnknown;
use crate::model::RoleName;

/// The answer where no rule matches.
const NO_RULE: Decision<'static> = Decision { rule: None, outcome: Outcome::Forbidden(Reason::NoRule) };

/// Roles, routes and rules, compiled. Made by [`super::compile()`].
#[derive(Debug, Default)]
pub struct Policy {
    pub(super) roles: RoleTable,
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    pub(super) route_index: ByHost<Trie<usize>>,
    pub(super) rule_index: ByHost<RuleIndex>,
    /// Whether a rule names something in upper case; then every path is read folded, too.
    pub(super) cased: bool,
}

/// Which upstream serves a path, and what that upstream is like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Route {
    /// Position in the file, from 0.
    pub id: usize,
    /// The name of the upstream.
    pub upstream: String,
    /// Whether a `;` may occur in a segment.
    pub allow_semicolon: bool,
    /// Whether the upstream takes `/A` and `/a` for the same.
    pub case_insensitive: bool,
    /// Whether the caller's token is passed on.
    pub forward_token: bool,
    /// Largest request body in bytes; `None`: the server's limit.
    pub max_body: Option<u64>,
    /// What happens where it is not known whether a token has ended; `None`: the rule decides.
    pub on_revocation_unknown: Option<WhenUnknown>,
    /// How many segments at the beginning of the path the upstream does not see. The pattern begins with as many
    /// literals, so every path of this route has them.
    pub strip: usize,
}

impl Route {
    /// Whether the route takes the path at all.
    ///
    /// # Errors
    /// [`PathRefusal::Semicolon`] for a `;` that the route does not allow.
    pub fn admit(&self, path: &CanonicalPath<'_>) -> Result<(), PathRefusal> {
        if path.has_semicolon() && !self.allow_semicolon { Err(PathRefusal::Semicolon) } else { Ok(()) }
    }

    /// Cuts the path in two at a segment border: what the upstream does not see, and what it sees. Rules are about the
    /// whole path. What is left is read once more, so that nothing is forwarded that would not pass by itself (P-07 to
    /// P-09).
    ///
    /// # Errors
    /// [`PathRefusal`] if the rest has no canonical form of its own.
    pub fn split<'p>(&self, path: &'p CanonicalPath<'_>) -> Result<(&'p str, &'p str), PathRefusal> {
        let whole = path.as_str();
        if self.strip == 0 {
            return Ok(("", whole));
        }
        let border = whole.match_indices('/').nth(self.strip).map_or(whole.len(), |(at, _)| at);
        let (prefix, rest) = whole.split_at(border);
        if rest.is_empty() {
            return Ok((prefix, "/"));
        }
        let again = CanonicalPath::read(rest)?;
        if again.is_borrowed() { Ok((prefix, rest)) } else { Err(PathRefusal::DoubleEncoding) }
    }
}

/// One rule, for listings and answers.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Position in the file, from 1.
    pub id: usize,
    /// Its place in the configuration, counted from 0 as in [`super::Problem::at`]: `rules[3]`.
    pub label: String,
    /// The host it is for; `None`: every host.
    pub host: Option<String>,
    /// The path pattern as written.
    pub path: String,
    /// The methods as written; empty: every method.
    pub methods: Vec<String>,
    /// The requirement as written, on one line.
    pub allow: String,
    /// Whether a token that may have ended is too much of a risk here; see [`WhenUnknown`].
    pub sensitive: bool,
    pub(super) pattern: Pattern,
    pub(super) method_set: MethodSet,
    pub(super) requirement: Requirement,
    pub(super) concerns_anyone: bool,
}

/// The rules of one pattern: those that name methods first.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf(Vec<(MethodSet, usize)>);

impl Leaf {
    pub(super) fn add(&mut self, methods: MethodSet, rule: usize) {
        let at = if methods.is_any() { self.0.len() } else { 0 };
        self.0.insert(at, (methods, rule));
    }

    fn pick(&self, method: MethodSet) -> Option<usize> {
        self.0.iter().find(|(set, _)| set.fits(method)).map(|(_, rule)| *rule)
    }
}

/// The rules of one host, by what they say and by what they say folded. Patterns that differ in case
/// only meet in one place of the second.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleIndex {
    pub(super) exact: Trie<Leaf>,
    pub(super) folded: Trie<Vec<Leaf>>,
}

impl Policy {
    /// The one meaning of a raw path (no query), or why it has none.
    ///
    /// # Errors
    /// [`PathRefusal`]; the request is to be answered with 400.
    pub fn read_path(raw: &str) -> Result<CanonicalPath<'_>, PathRefusal> {
        CanonicalPath::read(raw)
    }

    /// The most specific route for the path. Ask [`Route::admit`] whether it takes the path.
    #[must_use]
    pub fn route(&self, host: &str, path: &CanonicalPath<'_>) -> Option<&Route> {
        let mut indices = self.route_index.get(host);
        let found = indices.find_map(|index| index.find(path.as_str().as_bytes(), |id| Some(*id)))?;
        self.routes.get(found)
    }

    /// Who may pass. Every reading of the path that matters is judged and the strictest outcome stands.
    /// Allocates nothing for paths of usual length.
    #[must_use]
    pub fn decide(&self, ask: &Ask<'_>) -> Decision<'_> {
        let (optional, always) = self.ways(ask);
        if optional | always == EXACT {
            return self.judge(ask, ask.path.as_str().as_bytes(), EXACT);
        }
        let mut scratch = Scratch::new();
        combinations(optional, always)
            .map(|way| self.judge(ask, scratch.read(ask.path.as_str(), way), way))
            .reduce(Decision::or_stricter)
            .unwrap_or(NO_RULE)
    }

    /// The ways of reading that may and that must be applied.
    pub(super) fn ways(&self, ask: &Ask<'_>) -> (Reading, Reading) {
        let fold_anyway = if self.cased { FOLD } else { EXACT };
        let optional = ask.path.readings().useful | fold_anyway;
        if ask.route.case_insensitive { (optional & !FOLD, FOLD) } else { (optional, EXACT) }
    }

    fn judge(&self, ask: &Ask<'_>, text: &[u8], way: Reading) -> Decision<'_> {
        let method = MethodSet::of(ask.method);
        let facts = Facts { caller: ask.caller, client_ip: ask.client_ip, now: ask.now, path: text };
        let apply = |rule: usize| self.rules[rule].apply(&facts);
        let mut indices = self.rule_index.get(ask.host);
        let found = indices.find_map(|index| {
            if way & FOLD == 0 {
                return index.exact.find(text, |leaf| leaf.pick(method).map(apply));
            }
            index.folded.find(text, |leaves| {
                let fitting = leaves.iter().filter_map(|leaf| leaf.pick(method).map(apply));
                fitting.reduce(Decision::or_stricter)
            })
        });
        found.unwrap_or(NO_RULE)
    }

    /// The roles as a set. Names that the policy does not know grant nothing.
    #[must_use]
    pub fn role_set(&self, roles: &[RoleName]) -> RoleSet {
        self.roles.set(roles)
    }

    /// What the roles grant together: sorted, each once, wildcards as configured.
    #[must_use]
    pub fn permissions(&self, roles: &[RoleName]) -> Vec<String> {
        self.roles.permissions(roles)
    }

    /// All rules, in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// All routes, in the order of the file.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}

impl Rule {
    fn apply(&self, facts: &Facts<'_>) -> Decision<'_> {
        let outcome = match self.requirement.check(facts) {
            Finding::Holds => Outcome::Allowed { public: self.is_public(facts) },
            Finding::Unknown => Outcome::NeedsSignIn(Reason::Unauthenticated),
            Finding::Fails(reason) => self.refused(facts, reason),
        };
        Decision { rule: Some(self), outcome }
    }

    /// Whether a second factor or a fresh sign-in would help; if not, the reason is what would be left.
    fn refused(&self, facts: &Facts<'_>, reason: Reason) -> Outcome {
        let cures = [
            (true, false, Reason::MfaRequired),
            (false, true, Reason::StepUpRequired),
            (true, true, Reason::MfaRequired),
        ];
        let mut left = reason;
        for (mfa, fresh, missing) in cures {
            match self.requirement.check(&facts.elevated(mfa, fresh)) {
                Finding::Holds => return Outcome::NeedsElevation(missing),
                Finding::Fails(reason) => left = reason,
                Finding::Unknown => {}
            }
        }
        Outcome::Forbidden(left)
    }

    /// Whether the request would pass without a caller.
    fn is_public(&self, facts: &Facts<'_>) -> bool {
        matches!(self.requirement.kind, Kind::Public)
            || (self.concerns_anyone
                && self.requirement.check(&Facts { caller: None, ..*facts }) == Finding::Holds)
    }
}
