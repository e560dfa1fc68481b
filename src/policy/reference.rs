//! A slow second opinion for tests and fuzzing: rules straight from the source, read one by one,
//! sharing no code with the index, the compiled requirements or the readings.

use std::net::IpAddr;
use std::time::Duration;

use super::{PolicySource, RequirementSource, RuleSource};

/// How a program behind the gate may read the path it receives (INV-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    Exact,
    RemoveDots,
    MergeSlashes,
    DecodeSlash,
    DecodeBackslash,
    BackslashToSlash,
    StripParams,
    FoldCase,
    DecodeAgain,
    CutAtHash,
    CutAtNul,
}

impl Model {
    pub const ALL: [Self; 11] = [
        Self::Exact,
        Self::RemoveDots,
        Self::MergeSlashes,
        Self::DecodeSlash,
        Self::DecodeBackslash,
        Self::BackslashToSlash,
        Self::StripParams,
        Self::FoldCase,
        Self::DecodeAgain,
        Self::CutAtHash,
        Self::CutAtNul,
    ];

    /// The segments that such a program sees.
    pub fn segments(self, path: &str) -> Vec<Vec<u8>> {
        let text = match self {
            Self::DecodeSlash => path.replace("%2F", "/").replace("%2f", "/").into_bytes(),
            Self::DecodeBackslash => path.replace("%5C", "/").replace("%5c", "/").into_bytes(),
            Self::BackslashToSlash => path.replace('\\', "/").into_bytes(),
            Self::FoldCase => path.to_ascii_lowercase().into_bytes(),
            Self::DecodeAgain => decode(path.as_bytes()),
            Self::CutAtHash => path.split('#').next().unwrap_or("").as_bytes().to_vec(),
            Self::CutAtNul => path.split(['\0']).next().unwrap_or("").as_bytes().to_vec(),
            _ => path.as_bytes().to_vec(),
        };
        let mut segments: Vec<Vec<u8>> = text.split(|b| *b == b'/').skip(1).map(<[u8]>::to_vec).collect();
        match self {
            Self::StripParams => {
                for s in &mut segments {
                    s.truncate(s.iter().position(|b| *b == b';').unwrap_or(s.len()));
                }
            }
            Self::MergeSlashes => segments.retain(|s| !s.is_empty()),
            Self::RemoveDots => segments = without_dots(segments),
            _ => {}
        }
        if segments.last().is_some_and(Vec::is_empty) {
            segments.pop();
        }
        segments
    }

    /// Whether a literal of a rule names that segment for such a program.
    fn same(self, literal: &str, segment: &[u8]) -> bool {
        match self {
            Self::FoldCase => literal.to_ascii_lowercase().as_bytes() == segment,
            Self::DecodeAgain => decode(literal.as_bytes()) == segment,
            _ => literal.as_bytes() == segment,
        }
    }
}

fn without_dots(segments: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for segment in segments {
        match segment.as_slice() {
            b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    kept
}

/// Decodes every escape once.
pub fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        // `from_str_radix` takes a sign, too.
        let hex = tail.get(..2).filter(|h| h.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(value) if *first == b'%' => {
                out.push(value);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Who asks for what.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub host: String,
    pub ip: IpAddr,
    pub person: Option<Person>,
}

/// A caller.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub roles: Vec<String>,
    pub mfa: bool,
    pub age: Duration,
}

/// The answer, from lenient to strict.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Answer {
    Public,
    Allowed,
    NeedsElevation,
    NeedsSignIn,
    Forbidden,
}

/// The strictest answer of the rules that are most specific for the segments, and their positions.
pub fn answer(
    source: &PolicySource,
    model: Model,
    segments: &[Vec<u8>],
    asked: &Asked,
) -> (Vec<usize>, Answer) {
    let fitting = |rule: &RuleSource| {
        let host = rule.host.as_ref().is_none_or(|h| *h == asked.host);
        host && names(rule, &asked.method) != Some(false) && matches(&rule.path, model, segments)
    };
    let all: Vec<usize> = (0..source.rules.len()).filter(|i| fitting(&source.rules[*i])).collect();
    // Method last, and only among rules with the same pattern.
    let key = |i: &usize| (source.rules[*i].host.is_some(), kinds(&source.rules[*i].path));
    let best = all.iter().map(key).max();
    let mut winners: Vec<usize> = all.into_iter().filter(|i| Some(key(i)) == best).collect();
    let naming: Vec<usize> =
        winners.iter().copied().filter(|i| names(&source.rules[*i], &asked.method) == Some(true)).collect();
    let shape = |i: usize| {
        let path = &source.rules[i].path;
        words(path).iter().map(|w| if w.starts_with('{') { "{}" } else { w }).collect::<Vec<_>>().join("/")
    };
    winners.retain(|i| naming.contains(i) || naming.iter().all(|n| shape(*n) != shape(*i)));
    let one = |i: &usize| judge(source, &source.rules[*i], segments, asked);
    let strictest = winners.iter().map(one).max().unwrap_or(Answer::Forbidden);
    (winners, strictest)
}

fn names(rule: &RuleSource, method: &str) -> Option<bool> {
    let method = if method == "HEAD" { "GET" } else { method };
    if rule.methods.is_empty() { None } else { Some(rule.methods.iter().any(|m| m == method)) }
}

fn words(pattern: &str) -> Vec<&str> {
    pattern.split('/').filter(|w| !w.is_empty()).collect()
}

fn kinds(pattern: &str) -> Vec<u8> {
    let kind = |w: &&str| match *w {
        "**" => 0,
        "*" => 2,
        w if w.starts_with('{') => 3,
        _ => 4,
    };
    words(pattern).iter().map(kind).chain([1]).collect()
}

fn matches(pattern: &str, model: Model, segments: &[Vec<u8>]) -> bool {
    let words = words(pattern);
    let open = words.last() == Some(&"**");
    let fixed = words.len() - usize::from(open);
    let long_enough = if open { segments.len() >= fixed } else { segments.len() == fixed };
    long_enough
        && words.iter().take(fixed).zip(segments).all(|(word, segment)| {
            !segment.is_empty() && (*word == "*" || word.starts_with('{') || model.same(word, segment))
        })
}

fn judge(source: &PolicySource, rule: &RuleSource, segments: &[Vec<u8>], asked: &Asked) -> Answer {
    let holds = |asked: &Asked| truth(source, rule, &rule.allow, segments, asked);
    let stranger = Asked { person: None, ..asked.clone() };
    let raised = Asked {
        person: asked.person.clone().map(|p| Person { mfa: true, age: Duration::ZERO, ..p }),
        ..asked.clone()
    };
    let partly = [(true, false), (false, true)].map(|(mfa, fresh)| {
        let raise =
            |p: Person| Person { mfa: mfa || p.mfa, age: if fresh { Duration::ZERO } else { p.age }, ..p };
        Asked { person: asked.person.clone().map(raise), ..asked.clone() }
    });
    match holds(asked) {
        Some(true) if holds(&stranger) == Some(true) => Answer::Public,
        Some(true) => Answer::Allowed,
        None => Answer::NeedsSignIn,
        Some(false) if [&raised, &partly[0], &partly[1]].iter().any(|a| holds(a) == Some(true)) => {
            Answer::NeedsElevation
        }
        Some(false) => Answer::Forbidden,
    }
}

/// `None`: cannot be known of an anonymous caller.
fn truth(
    source: &PolicySource,
    rule: &RuleSource,
    wanted: &RequirementSource,
    segments: &[Vec<u8>],
    asked: &Asked,
) -> Option<bool> {
    use RequirementSource as R;
    let part = |w: &RequirementSource| truth(source, rule, w, segments, asked);
    let person = asked.person.as_ref();
    let holds = |role: &String| person.map(|p| p.roles.contains(role));
    let permitted = |wanted: &String| {
        let grants = |held: &String| match held.strip_suffix('*') {
            Some(prefix) => wanted.starts_with(prefix),
            None => held == wanted,
        };
        person.map(|p| {
            source.roles.iter().any(|r| p.roles.contains(&r.name) && r.permissions.iter().any(grants))
        })
    };
    match wanted {
        R::Public => Some(true),
        R::Deny => Some(false),
        R::Authenticated => person.map(|_| true),
        R::Role(role) => holds(role),
        R::AnyRole(roles) => any(roles.iter().map(holds)),
        R::AllRoles(roles) => all(roles.iter().map(holds)),
        R::Permission(p) => permitted(p),
        R::AnyPermission(ps) => any(ps.iter().map(permitted)),
        R::Owner(capture) => {
            let at = words(&rule.path).iter().position(|w| *w == format!("{{{capture}}}"))?;
            person.map(|p| segments[at] == b"me" || segments[at] == p.id.as_bytes())
        }
        R::Mfa => person.map(|p| p.mfa),
        R::MaxAge(age) => person.map(|p| p.age <= *age),
        R::Network(nets) => Some(nets.iter().any(|n| n.contains(&asked.ip))),
        R::AnyOf(parts) => any(parts.iter().map(part)),
        R::AllOf(parts) => all(parts.iter().map(part)),
        R::Not(inner) => part(inner).map(|held| !held),
        R::Named(name) => part(&source.requirements.iter().find(|(n, _)| n == name)?.1),
    }
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let parts: Vec<_> = parts.collect();
    if parts.contains(&Some(false)) {
        return Some(false);
    }
    if parts.contains(&None) { None } else { Some(true) }
}

fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.map(|p| p.map(|held| !held))).map(|held| !held)
}
