//! The answer of a policy with everything that led to it, for people: the command line, the admin
//! panel and the admin API print this.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use http::Method;

use super::decision::{Ask, Caller, Outcome, Reason};
use super::matcher::{Trie, bare_lower};
use super::method::MethodSet;
use super::path::{CanonicalPath, PathRefusal};
use super::reading::{FOLD, Scratch, combinations, describe};
use super::requirement::{Facts, Finding, Kind, Requirement};
use super::sensitivity::WhenUnknown;
use super::snapshot::{Policy, Route, Rule};
use crate::model::{AccountId, ClientIp, RoleName, Timestamp};

/// What to explain.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host, with or without a port.
    pub host: &'a str,
    /// The raw path; a query is ignored.
    pub path: &'a str,
    /// Who asks; `None`: anonymous.
    pub caller: Option<Described>,
    /// Where the request comes from.
    pub client_ip: ClientIp,
}

/// A caller by description.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Described {
    /// The account, for `owner`.
    pub id: Option<AccountId>,
    /// Names of roles; unknown ones are reported.
    pub roles: Vec<String>,
    /// Whether a second factor was proved.
    pub mfa: bool,
    /// How long ago the person signed in.
    pub age: Duration,
}

/// The answer and what led to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The canonical path, as it would be forwarded.
    pub path: Option<String>,
    /// The upstream of the route.
    pub upstream: Option<String>,
    /// Roles of the caller that the policy does not know.
    pub unknown_roles: Vec<String>,
    /// Every rule whose path matches in some reading, the most specific first.
    pub candidates: Vec<Candidate>,
    /// What happens while it is not known whether the caller's token has ended; `None` where that makes no difference.
    pub when_unknown: Option<WhenUnknown>,
    /// The answer.
    pub verdict: Verdict,
}

/// One rule whose path matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Position in the file, from 1.
    pub id: usize,
    /// Its place in the configuration.
    pub label: String,
    /// The path pattern as written.
    pub path: String,
    /// In which readings of the path it matches.
    pub readings: Vec<String>,
    /// Whether the host fits.
    pub host: bool,
    /// Whether the method fits.
    pub method: bool,
    /// What was asked for, and whether it is there.
    pub requirement: Ingredient,
    /// Whether this rule decided.
    pub decides: bool,
}

/// One part of a requirement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ingredient {
    /// As written.
    pub text: String,
    /// Whether it holds.
    pub state: State,
    /// Why it does not.
    pub reason: Option<Reason>,
    /// What it is made of.
    pub parts: Vec<Ingredient>,
}

/// Whether an ingredient holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It does.
    Hit,
    /// It does not.
    Miss,
    /// It cannot be known of an anonymous caller.
    Unknown,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The path is refused before any rule is asked.
    Refused(PathRefusal),
    /// No route serves the path.
    NoRoute,
    /// A rule, or the absence of one, decided.
    Decided {
        /// The rule's place in the configuration.
        rule: Option<String>,
        /// What it said.
        outcome: Outcome,
    },
}

/// Explains what the policy says to a request. A policy without any route (as the Tower layer has) is
/// asked as if one plain route served everything.
#[must_use]
pub fn explain(policy: &Policy, question: &Question<'_>) -> Explanation {
    let mut told = Explanation {
        path: None,
        upstream: None,
        unknown_roles: unknown_roles(policy, question.caller.as_ref()),
        candidates: Vec::new(),
        when_unknown: None,
        verdict: Verdict::NoRoute,
    };
    let raw = question.path.split('?').next().unwrap_or_default();
    let path = match CanonicalPath::read(raw) {
        Ok(path) => path,
        Err(refusal) => return Explanation { verdict: Verdict::Refused(refusal), ..told },
    };
    told.path = Some(path.as_str().to_owned());
    let plain = Route::default();
    let any = policy.routes().is_empty().then_some(&plain);
    let Some(route) = any.or_else(|| policy.route(question.host, &path)) else { return told };
    told.upstream = any.is_none().then(|| route.upstream.clone());
    if let Err(refusal) = route.admit(&path) {
        return Explanation { verdict: Verdict::Refused(refusal), ..told };
    }
    judge(policy, question, route, &path, told)
}

/// Ages are counted back from here; the zero point itself does not matter.
const NOW: Timestamp = Timestamp::from_secs(1 << 40);

fn judge(
    policy: &Policy,
    question: &Question<'_>,
    route: &Route,
    path: &CanonicalPath<'_>,
    mut told: Explanation,
) -> Explanation {
    let caller = question.caller.as_ref().map(|described| caller(policy, described));
    let (method, host, client_ip) = (question.method, question.host, question.client_ip);
    let ask = Ask { method, host, path, route, caller, client_ip, now: NOW };
    let decision = policy.decide(&ask);
    let decisive = decision.rule.map(|rule| rule.id);
    let mut rules: Vec<&Rule> = policy.rules().iter().collect();
    rules
        .sort_by_cached_key(|r| Reverse((r.host.is_some(), r.pattern.specificity(), !r.method_set.is_any())));
    told.candidates = rules.iter().filter_map(|rule| candidate(policy, &ask, rule, decisive)).collect();
    let opens = caller.is_some() && decision.outcome.is_allowed();
    told.when_unknown = opens.then(|| decision.when_unknown(route));
    let rule = decision.rule.map(|rule| rule.label.clone());
    told.verdict = Verdict::Decided { rule, outcome: decision.outcome };
    told
}

fn candidate(policy: &Policy, ask: &Ask<'_>, rule: &Rule, decisive: Option<usize>) -> Option<Candidate> {
    let (optional, always) = policy.ways(ask);
    let (mut exact, mut folded) = (Trie::default(), Trie::default());
    *exact.slot(rule.pattern.segments()) = Some(());
    *folded.slot(&rule.pattern.folded()) = Some(());
    let mut scratch = Scratch::new();
    let mut readings = Vec::new();
    let mut findings: Vec<Ingredient> = Vec::new();
    for way in combinations(optional, always) {
        let text = scratch.read(ask.path.as_str(), way);
        let index = if way & FOLD == 0 { &exact } else { &folded };
        if index.find(text, |()| Some(())).is_some() {
            readings.push(describe(way));
            let facts = Facts { caller: ask.caller, client_ip: ask.client_ip, now: ask.now, path: text };
            findings.push(ingredient(&rule.requirement, &facts));
        }
    }
    // `owner` can hold in one reading and not in another: the worst is what counts.
    let worst = findings.iter().position(|i| i.state != State::Hit).unwrap_or(0);
    (!findings.is_empty()).then(|| Candidate {
        id: rule.id,
        label: rule.label.clone(),
        path: rule.path.clone(),
        readings,
        host: rule.host.as_ref().is_none_or(|host| *host == bare_lower(ask.host)),
        method: rule.method_set.fits(MethodSet::of(ask.method)),
        requirement: findings.swap_remove(worst),
        decides: decisive == Some(rule.id),
    })
}

fn ingredient(requirement: &Requirement, facts: &Facts<'_>) -> Ingredient {
    let (state, reason) = match requirement.check(facts) {
        Finding::Holds => (State::Hit, None),
        Finding::Unknown => (State::Unknown, Some(Reason::Unauthenticated)),
        Finding::Fails(reason) => (State::Miss, Some(reason)),
    };
    let parts: &[Requirement] = match &requirement.kind {
        Kind::AnyOf(parts) | Kind::AllOf(parts) => parts,
        Kind::Not(inner) => std::slice::from_ref(inner),
        _ => &[],
    };
    let parts = parts.iter().map(|part| ingredient(part, facts)).collect();
    Ingredient { text: requirement.text.to_string(), state, reason, parts }
}

fn caller(policy: &Policy, described: &Described) -> Caller {
    let roles: Vec<RoleName> = described.roles.iter().filter_map(|r| RoleName::parse(r).ok()).collect();
    Caller {
        id: described.id.unwrap_or(AccountId::from_bytes([0; 16])),
        roles: policy.role_set(&roles),
        mfa: described.mfa,
        auth_time: NOW.before(described.age),
    }
}

fn unknown_roles(policy: &Policy, described: Option<&Described>) -> Vec<String> {
    let roles = described.map(|d| d.roles.as_slice()).unwrap_or_default();
    roles.iter().filter(|r| policy.roles.bit(r).is_none()).cloned().collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            writeln!(f, "path      {path}")?;
        }
        if let Some(upstream) = &self.upstream {
            writeln!(f, "upstream  {upstream}")?;
        }
        for role in &self.unknown_roles {
            writeln!(f, "warning   there is no role `{role}`; it counts for nothing")?;
        }
        self.candidates.iter().try_for_each(|c| write!(f, "{c}"))?;
        writeln!(f, "verdict   {}", self.verdict)?;
        let public =
            matches!(self.verdict, Verdict::Decided { outcome: Outcome::Allowed { public: true }, .. });
        self.when_unknown.iter().try_for_each(|when| writeln!(f, "unsure    {}", when.words(public)))
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |hit: bool| if hit { "hit " } else { "miss" };
        let decides = if self.decides { "  <- decides" } else { "" };
        writeln!(f, "{}  {}{decides}", self.label, self.path)?;
        writeln!(f, "  hit   path ({})", self.readings.join("; "))?;
        writeln!(f, "  {}  host", mark(self.host))?;
        writeln!(f, "  {}  method", mark(self.method))?;
        self.requirement.write(f, 1)
    }
}

impl Ingredient {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let mark = match self.state {
            State::Hit => "hit ",
            State::Miss => "miss",
            State::Unknown => "open",
        };
        write!(f, "{:depth$}{mark}  {}", "", self.text, depth = 2 * depth)?;
        match self.reason {
            Some(reason) => writeln!(f, " ({reason})")?,
            None => writeln!(f)?,
        }
        self.parts.iter().try_for_each(|part| part.write(f, depth + 1))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused (400): {refusal}"),
            Self::NoRoute => f.write_str("no route (404)"),
            Self::Decided { rule, outcome } => {
                match outcome {
                    Outcome::Allowed { public: true } => f.write_str("allowed (public)")?,
                    Outcome::Allowed { public: false } => f.write_str("allowed")?,
                    Outcome::NeedsSignIn(reason) => write!(f, "sign-in needed: {reason}")?,
                    Outcome::NeedsElevation(reason) => write!(f, "step-up needed: {reason}")?,
                    Outcome::Forbidden(reason) => write!(f, "forbidden: {reason}")?,
                }
                rule.iter().try_for_each(|rule| write!(f, " by {rule}"))
            }
        }
    }
}
