//! What two patterns can do to each other: tie, hide, differ in case only.

use ahash::AHashMap;

use crate::policy::method::MethodSet;
use crate::policy::pattern::{Pattern, Segment};
use crate::policy::problem::Problem;

/// Where a rule or route stands and what it is for.
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) host: Option<String>,
    pub(super) pattern: Pattern,
    pub(super) methods: MethodSet,
}

type Key<'a> = (&'a Option<String>, Vec<Segment>);

/// The segments without the names of captures: what decides whether two patterns are the same.
pub(super) fn shape(segments: &[Segment]) -> Vec<Segment> {
    let nameless = |s: &Segment| match s {
        Segment::Capture(_) => Segment::Capture("".into()),
        other => other.clone(),
    };
    segments.iter().map(nameless).collect()
}

/// Reports places of the same shape that some request would fit equally well.
pub(super) fn ties(list: &str, places: &[Place], problems: &mut Vec<Problem>) {
    let mut seen: AHashMap<Key<'_>, Vec<&Place>> = AHashMap::new();
    for place in places {
        let same = seen.entry((&place.host, shape(place.pattern.segments()))).or_default();
        if let Some(other) = same.iter().find(|other| overlap(place.methods, other.methods)) {
            let at = format!("{list}[{}]", place.index);
            let message = format!("fits the same requests as {list}[{}]", other.index);
            problems.push(Problem::error(at, message).help("remove one of them, or tell them apart"));
        }
        same.push(place);
    }
}

fn overlap(a: MethodSet, b: MethodSet) -> bool {
    (a.is_any() && b.is_any()) || a.names(b)
}

/// Reports places that no request can reach. Where patterns match the same path the more specific one
/// wins, so a place is hidden only by places that say `{name}` where it says `*`.
pub(super) fn unreachable(list: &str, places: &[Place], problems: &mut Vec<Problem>) {
    let mut capturing: AHashMap<Key<'_>, Vec<&Place>> = AHashMap::new();
    for place in places {
        for key in keys(place, |s| matches!(s, Segment::Capture(_))) {
            capturing.entry(key).or_default().push(place);
        }
    }
    for place in places {
        let keys = keys(place, |s| *s == Segment::One);
        let hiding: Vec<&Place> = (keys.iter())
            .flat_map(|key| capturing.get(key).into_iter().flatten().map(|p| (key.1.len(), *p)))
            .filter(|(at, p)| covers(&p.pattern.segments()[at + 1..], &place.pattern.segments()[at + 1..]))
            .map(|(_, p)| p)
            .collect();
        if hides(&hiding, place.methods) {
            let others: Vec<String> = hiding.iter().map(|p| format!("{list}[{}]", p.index)).collect();
            let message = format!("can never apply: {} always fits better", others.join(", "));
            let at = format!("{list}[{}]", place.index);
            problems.push(Problem::error(at, message).help("`{name}` is more specific than `*`"));
        }
    }
}

/// The host and everything before each segment of the wanted kind.
fn keys(place: &Place, wanted: fn(&Segment) -> bool) -> Vec<Key<'_>> {
    let segments = place.pattern.segments();
    let at = segments.iter().enumerate().filter(|(_, s)| wanted(s));
    at.map(|(i, _)| (&place.host, shape(&segments[..i]))).collect()
}

/// Whether every path that `inner` matches is matched by `outer`.
fn covers(outer: &[Segment], inner: &[Segment]) -> bool {
    match (outer.split_first(), inner.split_first()) {
        (Some((Segment::Rest, _)), _) | (None, None) => true,
        (None, Some(_)) | (Some(_), None | Some((Segment::Rest, _))) => false,
        (Some((Segment::Literal(a), outer)), Some((b, inner))) => {
            matches!(b, Segment::Literal(b) if a == b) && covers(outer, inner)
        }
        (Some((_, outer)), Some((_, inner))) => covers(outer, inner),
    }
}

fn hides(hiding: &[&Place], methods: MethodSet) -> bool {
    let named = hiding.iter().fold(MethodSet::default(), |set, p| set.union(p.methods));
    hiding.iter().any(|p| p.methods.is_any()) || (!named.is_any() && named.covers(methods))
}

/// Warns of rules that differ in upper and lower case only: for upstreams that fold case they are one,
/// so a request must fulfil both.
pub(super) fn case_only(places: &[Place], problems: &mut Vec<Problem>) {
    let mut seen: AHashMap<Key<'_>, &Place> = AHashMap::new();
    for place in places {
        let first = seen.entry((&place.host, shape(&place.pattern.folded()))).or_insert(place);
        if shape(first.pattern.segments()) != shape(place.pattern.segments()) {
            let at = format!("rules[{}].path", place.index);
            let message = format!("differs from rules[{}] in upper and lower case only", first.index);
            problems.push(Problem::warning(at, message).help("a path in either case must fulfil both"));
        }
    }
}
