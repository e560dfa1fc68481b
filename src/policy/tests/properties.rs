//! Properties over random policies and nasty paths, against the slow second opinion.

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::select;

use super::reference::{Answer, Asked, Model, Person, answer};
use super::*;
use RequirementSource as R;

const WORDS: &[&str] = &["a", "b", "A", "admin", "Admin", "a;b", "a@b", "a%20b", "me", "k", "%25"];
const NASTY: &[&str] = &[
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "%2f",
    "%2F",
    "%5c",
    "\\",
    ";",
    ";x",
    "%3b",
    "%3Bx",
    "#",
    "%23",
    "%3f",
    "%00",
    "%0a",
    "%",
    "%25",
    "%2561",
    "%25%36%31",
    "%40",
    "@",
    "%41",
    "%61",
    "%c3%a9",
    "%C3%89",
    "%e2%84%aa",
    "%c0%ae",
    "%ff",
    "*",
    "%2a",
    " ",
    "/",
    "//",
    "é",
    "~",
    "%7e",
    "%20",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(WORDS).prop_map(str::to_owned),
        1 => Just(id().to_string()),
        1 => Just(id().to_string().to_uppercase()),
        3 => (select(WORDS), 0..8_usize).prop_map(|(w, at)| escaped(w, at)),
        3 => (select(WORDS), select(NASTY)).prop_map(|(w, n)| format!("{w}{n}")),
        1 => (select(NASTY), select(WORDS)).prop_map(|(n, w)| format!("{n}{w}")),
        1 => (select(NASTY), select(NASTY)).prop_map(|(n, w)| format!("{n}{w}")),
    ]
}

/// The word with one of its bytes escaped.
fn escaped(word: &str, at: usize) -> String {
    let (before, rest) = word.split_at(at % word.len());
    format!("{before}%{:02x}{}", rest.as_bytes()[0], &rest[1..])
}

/// Paths that are often just within or just outside what is read.
pub(super) fn nasty_path() -> impl Strategy<Value = String> {
    (prop::collection::vec(word(), 0..4), any::<bool>())
        .prop_map(|(words, slash)| format!("/{}{}", words.join("/"), if slash { "/" } else { "" }))
}

/// A path that one of the rules names, slightly disguised.
fn aimed(source: PolicySource) -> impl Strategy<Value = (PolicySource, String)> {
    let patterns: Vec<String> = source.rules.iter().map(|r| r.path.clone()).chain(["/".to_owned()]).collect();
    let disguise = (0..12_u8, 0..8_usize);
    (select(patterns), prop::collection::vec(disguise, 8)).prop_map(move |(pattern, disguises)| {
        let words = pattern.split('/').skip(1).zip(disguises).map(|(word, (kind, at))| match (word, kind) {
            ("", _) => String::new(),
            ("*" | "**" | "{id}", _) => "k".to_owned(),
            (_, 0..=2) => escaped(word, at),
            (_, 3) => word.to_uppercase(),
            (_, 4) => format!("{word};x"),
            (_, 5) => format!("{word}%3Bx"),
            (_, 6) => format!("{word}%23x"),
            // Not the first special character, but each of them.
            (_, 7 | 8) => word.replace('@', "%40").replace(';', "%3b"),
            _ => word.to_owned(),
        });
        (source.clone(), format!("/{}", words.collect::<Vec<_>>().join("/")))
    })
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![5 => select(WORDS), 1 => Just("*"), 2 => Just("{id}")];
    (prop::collection::vec(segment, 0..4), prop::bool::weighted(0.7)).prop_map(|(mut words, open)| {
        // A capture may stand once only.
        let first = words.iter().position(|w| *w == "{id}");
        for (i, word) in words.iter_mut().enumerate() {
            if *word == "{id}" && Some(i) != first {
                *word = "*";
            }
        }
        words.extend(open.then_some("**"));
        format!("/{}", words.join("/"))
    })
}

fn requirement() -> impl Strategy<Value = R> {
    let role = || select(&["admin", "organizer", "guest"][..]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        6 => Just(R::Public),
        1 => Just(R::Authenticated),
        1 => Just(R::Deny),
        1 => role().prop_map(R::Role),
        1 => prop::collection::vec(role(), 1..3).prop_map(R::AnyRole),
        1 => prop::collection::vec(role(), 1..3).prop_map(R::AllRoles),
        1 => select(&["events.view", "events.edit", "users.view"][..]).prop_map(|p| R::Permission(p.into())),
        1 => Just(R::Owner("id".into())),
        1 => Just(R::Mfa),
        1 => Just(R::MaxAge(minutes(10))),
        1 => Just(R::Network(vec!["10.0.0.0/8".parse().unwrap()])),
        1 => Just(R::Named("staff".into())),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(R::AnyOf),
            prop::collection::vec(inner.clone(), 1..3).prop_map(R::AllOf),
            inner.prop_map(|r| R::Not(Box::new(r))),
        ]
    })
}

fn any_rule() -> impl Strategy<Value = RuleSource> {
    let methods = select(vec![vec![], vec![], vec!["GET"], vec!["POST", "GET"], vec!["DELETE"]]);
    let host = select(vec![None, None, None, Some("a.org".to_owned())]);
    (pattern(), host, methods, requirement())
        .prop_map(|(path, host, methods, allow)| RuleSource { host, ..rule(&path, &methods, allow) })
}

/// A policy that loads: rules with errors are taken out until none is left.
fn any_source() -> impl Strategy<Value = PolicySource> {
    let rules = prop::collection::vec(any_rule(), 0..12);
    (rules, any::<bool>(), any::<bool>()).prop_map(|(rules, open, allow_semicolon)| {
        let mut source = source(rules);
        if open {
            // Whatever slips past a narrow rule is let in here.
            source.rules.insert(0, rule("/**", &[], R::Public));
        }
        source.routes[0].allow_semicolon = allow_semicolon;
        source.requirements = vec![("staff".into(), R::AnyRole(vec!["admin".into(), "organizer".into()]))];
        loop {
            let (_, problems) = compile(&source);
            let Some(bad) = problems.iter().find(|p| p.severity == Severity::Error) else { return source };
            let index = bad.at.trim_start_matches("rules[").split(']').next().unwrap().parse::<usize>();
            source.rules.remove(index.unwrap_or_else(|_| panic!("{bad}")));
        }
    })
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let roles =
        select(vec![vec![], vec!["guest"], vec!["organizer"], vec!["admin"], vec!["guest", "organizer"]]);
    let person = (roles, any::<bool>(), select(vec![1, 10, 11])).prop_map(|(roles, mfa, age)| Person {
        id: id().to_string(),
        roles: roles.into_iter().map(str::to_owned).collect(),
        mfa,
        age: minutes(age),
    });
    let method = select(vec!["GET", "HEAD", "POST", "DELETE", "PROPFIND"]);
    let ip = select(vec![IpAddr::from([10, 1, 1, 1]), IpAddr::from([192, 0, 2, 1])]);
    (method, select(vec!["a.org", "b.org"]), ip, prop::option::of(person))
        .prop_map(|(method, host, ip, person)| Asked { method: method.into(), host: host.into(), ip, person })
}

fn caller(policy: &Policy, person: &Person) -> Caller {
    let roles: Vec<&str> = person.roles.iter().map(String::as_str).collect();
    Caller { mfa: person.mfa, auth_time: NOW.before(person.age), ..super::person(policy, &roles) }
}

/// The answer of the policy: position of the rule, outcome.
fn decided(
    policy: &Policy,
    path: &CanonicalPath<'_>,
    route: &Route,
    asked: &Asked,
) -> (Option<usize>, Outcome) {
    let decision = policy.decide(&Ask {
        method: &asked.method.parse().unwrap(),
        host: &asked.host,
        path,
        route,
        caller: asked.person.as_ref().map(|p| caller(policy, p)),
        client_ip: ClientIp::new(asked.ip),
        now: NOW,
    });
    (decision.rule.map(|r| r.id - 1), decision.outcome)
}

fn answer_of(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Allowed { public: true } => Answer::Public,
        Outcome::Allowed { public: false } => Answer::Allowed,
        Outcome::NeedsElevation(_) => Answer::NeedsElevation,
        Outcome::NeedsSignIn(_) => Answer::NeedsSignIn,
        Outcome::Forbidden(_) => Answer::Forbidden,
    }
}

/// The path if it is read and its route takes it.
fn admitted<'a>(policy: &'a Policy, raw: &'a str) -> Option<(CanonicalPath<'a>, &'a Route)> {
    let path = Policy::read_path(raw).ok()?;
    let route = policy.route("b.org", &path)?;
    route.admit(&path).ok()?;
    Some((path, route))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn inv_2_no_reading_needs_more_privilege(
        (source, aimed) in any_source().prop_flat_map(aimed),
        nasty in nasty_path(),
        asked in any_asked(),
    ) {
        let policy = compiled(&source);
        for (path, route) in [&aimed, &nasty].into_iter().filter_map(|raw| admitted(&policy, raw)) {
            let said = answer_of(decided(&policy, &path, route, &asked).1);
            for model in Model::ALL {
                let (rules, needed) = answer(&source, model, &model.segments(path.as_str()), &asked);
                prop_assert!(needed <= said, "{model:?} of {path}: {needed:?} by {rules:?}, decided {said:?}");
            }
        }
    }

    #[test]
    fn inv_2_on_case_insensitive_routes(source in any_source(), raw in nasty_path(), asked in any_asked()) {
        let mut source = source;
        source.routes[0].case_insensitive = true;
        let policy = compiled(&source);
        if let Some((path, route)) = admitted(&policy, &raw) {
            let said = answer_of(decided(&policy, &path, route, &asked).1);
            let (rules, needed) = answer(&source, Model::FoldCase, &Model::FoldCase.segments(path.as_str()), &asked);
            prop_assert!(needed <= said, "{path}: {needed:?} by {rules:?}, decided {said:?}");
        }
    }

    #[test]
    fn plain_paths_are_decided_as_the_reference_says(
        source in any_source(),
        words in prop::collection::vec(select(&["a", "b", "admin", "me", "k", "c"][..]), 0..4),
        asked in any_asked(),
    ) {
        // Without upper case in path and rules only the exact reading counts.
        let mut source = source;
        source.rules.retain(|r| r.path == r.path.to_lowercase());
        let policy = compiled(&source);
        let raw = format!("/{}", words.join("/"));
        let (path, route) = admitted(&policy, &raw).unwrap();
        let (rule, outcome) = decided(&policy, &path, route, &asked);
        let (rules, needed) = answer(&source, Model::Exact, &Model::Exact.segments(&raw), &asked);
        prop_assert_eq!(rules, rule.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(needed, answer_of(outcome));
    }

    #[test]
    fn p_25_order_of_rules_never_matters(
        (source, shuffled) in any_source().prop_flat_map(|s| {
            let order: Vec<usize> = (0..s.rules.len()).collect();
            (Just(s), Just(order).prop_shuffle())
        }),
        raw in nasty_path(),
        asked in any_asked(),
    ) {
        let policy = compiled(&source);
        let rules = shuffled.iter().map(|i| source.rules[*i].clone()).collect();
        let other = compiled(&PolicySource { rules, ..source.clone() });
        if let Some((path, route)) = admitted(&policy, &raw) {
            let (_, one) = decided(&policy, &path, route, &asked);
            let (_, two) = decided(&other, &path, route, &asked);
            prop_assert_eq!(answer_of(one), answer_of(two));
        }
    }

    #[test]
    fn explain_agrees_with_decide(source in any_source(), raw in nasty_path(), asked in any_asked()) {
        let policy = compiled(&source);
        let described = asked.person.as_ref().map(|p| Described {
            id: Some(id()), roles: p.roles.clone(), mfa: p.mfa, age: p.age,
        });
        let told = explain(&policy, &Question {
            method: &asked.method.parse().unwrap(),
            host: &asked.host,
            path: &raw,
            caller: described,
            client_ip: ClientIp::new(asked.ip),
        });
        let cut = raw.split('?').next().unwrap();
        match admitted(&policy, cut) {
            None => prop_assert!(matches!(told.verdict, Verdict::Refused(_))),
            Some((path, route)) => {
                let (rule, outcome) = decided(&policy, &path, route, &asked);
                let label = rule.map(|r| format!("rules[{r}]"));
                prop_assert_eq!(&told.verdict, &Verdict::Decided { rule: label.clone(), outcome });
                let decisive: Vec<_> = told.candidates.iter().filter(|c| c.decides).collect();
                prop_assert_eq!(decisive.first().map(|c| &c.label), label.as_ref());
                prop_assert!(decisive.iter().all(|c| c.host && c.method));
                prop_assert!(decisive.iter().all(|c| (c.requirement.state == State::Hit) == outcome.is_allowed()));
                // Whoever reads the list from the top and takes the first that fits is right as well.
                let exact = |c: &&Candidate| c.host && c.method && c.readings[0] == "as written";
                let first = told.candidates.iter().find(exact).map(|c| c.id - 1);
                let (rules, _) = answer(&source, Model::Exact, &Model::Exact.segments(path.as_str()), &asked);
                prop_assert_eq!(rules, first.into_iter().collect::<Vec<_>>());
            }
        }
    }
}

/// The properties above say nothing about refused paths: enough of the paths must get through, and enough
/// of those must be allowed.
#[test]
fn the_random_cases_are_not_empty() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut read, mut passed, mut again) = (0, 0, 0);
    for _ in 0..400 {
        let source = any_source().new_tree(&mut runner).unwrap().current();
        let raw = nasty_path().new_tree(&mut runner).unwrap().current();
        let asked = any_asked().new_tree(&mut runner).unwrap().current();
        let policy = compiled(&source);
        let Some((path, route)) = admitted(&policy, &raw) else { continue };
        read += 1;
        passed += usize::from(decided(&policy, &path, route, &asked).1.is_allowed());
        again += usize::from(path.readings().useful != 0);
    }
    assert!(read > 150 && passed > 40 && again > 60, "read {read}, passed {passed}, read again {again}");
}
