//! What is refused at load, where it is reported and what help it comes with.

use std::time::Duration;

use super::*;
use crate::policy::source::RequirementSource as R;
use crate::policy::tests::{roles, rule, source};

/// `at: message (help)` of everything that is wrong with these rules.
fn problems(rules: Vec<RuleSource>) -> Vec<String> {
    problems_of(&source(rules))
}

fn problems_of(source: &PolicySource) -> Vec<String> {
    compile(source).1.iter().map(ToString::to_string).collect()
}

fn named(requirements: Vec<(&str, R)>, allow: R) -> PolicySource {
    let requirements = requirements.into_iter().map(|(n, r)| (n.to_owned(), r)).collect();
    PolicySource { requirements, ..source(vec![rule("/a/{id}", &[], allow)]) }
}

fn name(name: &str) -> R {
    R::Named(name.into())
}

#[test]
fn an_empty_policy_denies_everything_and_loads() {
    let (policy, problems) = compile(&PolicySource::default());
    assert!(policy.is_some() && problems.is_empty());
}

#[test]
fn all_problems_at_once() {
    let mut source = source(vec![
        rule("/a", &["GTE"], R::AnyRole(vec!["admin".into(), "organiser".into()])),
        rule("b", &[], name("staf")),
        RuleSource { host: Some("http://x".into()), ..rule("/c", &[], R::Public) },
        rule("/c/{id}", &[], R::Owner("user".into())),
        rule("/d", &["HEAD"], R::AnyOf(vec![])),
    ]);
    source.requirements = vec![("staff".into(), R::Role("amin".into())), ("idle".into(), R::Public)];
    source.roles.push(RoleSource { name: "Boss".into(), permissions: vec!["a b".into()] });
    source.roles.push(RoleSource { name: "guest".into(), permissions: vec![] });
    assert!(compile(&source).0.is_none());
    let expected = [
        "roles.Boss.permissions[0]: `a b`: a permission is dot-separated lower-case words such as events.view; the last word may be *",
        "roles.Boss: `Boss`: a role name starts with a lower-case letter and has at most 32 lower-case letters, digits, '_' or '-'",
        "roles.guest: the role `guest` is defined twice",
        "requirements.staff.role: there is no role `amin` (did you mean `admin`?)",
        "rules[0].methods[0]: `GTE` is not a method that rules can name (known: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)",
        "rules[0].allow.any_role[1]: there is no role `organiser` (did you mean `organizer`?)",
        "rules[1].path: the path `b` does not start with `/` (write `/b`)",
        "rules[1].allow: there is no requirement `staf` (did you mean `staff`?)",
        "rules[2].host: `http://x` is not a host name (write one exact name without scheme and port, such as admin.example.org)",
        "rules[3].allow: `owner: user`, but the path has no `{user}` (known: id)",
        "rules[4].methods: HEAD follows GET and cannot be ruled alone (name GET)",
        "rules[4].allow.any_of: the list is empty (write `deny` to admit nobody)",
        "requirements.staff: nothing uses the requirement `staff`",
        "requirements.idle: nothing uses the requirement `idle`",
    ];
    assert_eq!(problems_of(&source), expected);
}

#[test]
fn p_25_rules_that_tie() {
    let tie = |a: RuleSource, b: RuleSource| problems(vec![a, b]);
    let any = |path| rule(path, &[], R::Public);
    for (a, b) in [
        (any("/a"), any("/a/")),
        (any("/u/{id}/x"), any("/u/{user}/x")),
        (any("/u/**"), any("/u/**")),
        (any("/%61"), any("/a")),
        (any("/a@b"), any("/a%40b")),
        (any("/é"), any("/%c3%a9")),
        (rule("/a", &["GET", "PUT"], R::Public), rule("/a", &["HEAD", "GET"], R::Deny)),
        (
            RuleSource { host: Some("A.org".into()), ..any("/a") },
            RuleSource { host: Some("a.org.".into()), ..any("/a") },
        ),
    ] {
        let found = tie(a, b);
        let expected =
            "rules[1]: fits the same requests as rules[0] (remove one of them, or tell them apart)";
        assert_eq!(found, [expected]);
    }
    for (a, b) in [
        (any("/a"), rule("/a", &["GET"], R::Public)),
        (any("/a"), any("/a/**")),
        (any("/a/{x}/b"), any("/a/*/c")),
        (rule("/a", &["GET"], R::Public), rule("/a", &["PUT"], R::Public)),
        (any("/a"), RuleSource { host: Some("a.org".into()), ..any("/a") }),
    ] {
        assert_eq!(tie(a, b), [] as [&str; 0]);
    }
    let mut twice = source(vec![]);
    twice.routes.push(twice.routes[0].clone());
    assert_eq!(
        problems_of(&twice)[0],
        "routes[1]: fits the same requests as routes[0] (remove one of them, or tell them apart)"
    );
}

#[test]
fn p_25_rules_that_nothing_reaches() {
    let hidden =
        |rules: Vec<RuleSource>| problems(rules).iter().any(|p| p.starts_with("rules[0]: can never apply"));
    let any = |path| rule(path, &[], R::Public);
    let only = |methods: &[&str], path| rule(path, methods, R::Public);
    assert!(hidden(vec![any("/a/*"), any("/a/{x}")]));
    assert!(hidden(vec![any("/a/*/c"), any("/a/{x}/*")]));
    assert!(hidden(vec![any("/a/*/c/**"), any("/a/{x}/**")]));
    assert!(hidden(vec![any("/*/*"), any("/*/{x}")]));
    assert!(hidden(vec![only(&["GET", "PUT"], "/*"), only(&["GET"], "/{x}"), only(&["PUT"], "/{x}/**")]));
    assert!(!hidden(vec![any("/a/*/**"), any("/a/{x}")]));
    assert!(!hidden(vec![any("/a/*/c"), any("/a/{x}/d")]));
    assert!(!hidden(vec![any("/a/*"), any("/a/b"), any("/a/**")]));
    assert!(!hidden(vec![any("/a/*"), only(&["GET"], "/a/{x}")]));
    assert!(!hidden(vec![only(&["GET", "PUT"], "/*"), only(&["GET"], "/{x}")]));
    assert!(!hidden(vec![any("/a/*"), RuleSource { host: Some("a.org".into()), ..any("/a/{x}") }]));
}

#[test]
fn bad_patterns() {
    for (path, said) in [
        ("/a/**/b", "`**` must be the last segment"),
        ("/a*", "mixes text and a wildcard"),
        ("/{a}x", "mixes text and a wildcard"),
        ("/{}", "is not a capture"),
        ("/{A}", "is not a capture"),
        ("/{a}/{a}", "occurs twice"),
        ("//", "empty segment"),
        ("/a//b", "empty segment"),
        ("/a/../b", "(dot_segment)"),
        ("/a%2fb", "(encoded_slash)"),
        ("/a b", "(unescaped_character)"),
        ("/;x", "(empty_segment)"),
        ("/%2561", "(double_encoding)"),
        ("", "does not start with `/`"),
        (&"/a".repeat(33), "more than 32 segments"),
    ] {
        let found = problems(vec![rule(path, &[], R::Public)]);
        assert!(found.len() == 1 && found[0].contains(said), "{path}: {found:?}");
        assert!(found[0].starts_with("rules[0].path: "), "{found:?}");
    }
    assert_eq!(problems(vec![rule("/%2A/%2a/{a}/*/%7Bx%7D/**", &[], R::Public)]), [] as [&str; 0]);
}

#[test]
fn requirements_that_define_themselves() {
    let found = problems_of(&named(
        vec![
            ("a", name("b")),
            ("b", R::AnyOf(vec![R::Public, name("c")])),
            ("c", R::Not(Box::new(name("b")))),
            ("d", name("d")),
        ],
        R::AllOf(vec![name("a"), name("d")]),
    ));
    let expected = [
        "requirements.b: is defined by itself: b -> c -> b",
        "requirements.c: is defined by itself: c -> b -> c",
        "requirements.d: is defined by itself: d -> d",
    ];
    assert_eq!(found, expected);
}

#[test]
fn requirements_are_bounded_in_depth_and_size() {
    let nested = |n| (0..n).fold(R::Mfa, |r, _| R::Not(Box::new(r)));
    assert!(compile(&named(vec![], nested(15))).0.is_some());
    assert_eq!(problems_of(&named(vec![], nested(16))), ["rules[0].allow: nests deeper than 16 levels"]);
    // Names of names: two to the power of 15 parts, found without visiting them all.
    let names: Vec<String> = (0..16).map(|i| format!("n{i}")).collect();
    let mut chain = vec![("n0", R::Mfa)];
    chain.extend((1..15).map(|i| (names[i].as_str(), R::AnyOf(vec![name(&names[i - 1]); 40]))));
    let found = problems_of(&named(chain, name("n14")));
    assert!(found.iter().any(|p| p.contains("n2: has more than 256 parts")), "{found:?}");
    let nets = R::Network(vec!["10.0.0.0/8".parse().unwrap(); 1025]);
    assert_eq!(
        problems_of(&named(vec![], nets)),
        ["rules[0].allow.network: the list has more than 1024 networks"]
    );
}

#[test]
fn names_of_requirements() {
    let found = problems_of(&named(
        vec![("public", R::Deny), ("Staff", R::Deny), ("x", R::Deny), ("x", R::Public)],
        R::AnyOf(vec![name("public"), name("Staff"), name("x")]),
    ));
    let expected = [
        "requirements.public: `public` has a meaning of its own and cannot be a name",
        "requirements.Staff: `Staff` is not a name for a requirement (use lower-case letters, digits, `_` and `-`, a letter first)",
        "requirements.x: the requirement `x` is defined twice",
    ];
    assert_eq!(found, expected);
    // An owner inside a name is checked for each rule that uses it.
    let found = problems_of(&named(vec![("own", R::Owner("user".into()))], name("own")));
    assert_eq!(found, ["rules[0].allow: `owner: user`, but the path has no `{user}` (known: id)"]);
}

#[test]
fn permissions_that_rules_ask_for() {
    let ask = |p: &str| {
        let mut source = source(vec![rule("/a", &[], R::AnyPermission(vec![p.into()]))]);
        source.roles.retain(|r| r.name == "guest");
        problems_of(&source)
    };
    assert_eq!(ask("events.view"), [] as [&str; 0]);
    assert_eq!(
        ask("events.veiw"),
        ["rules[0].allow.any_permission[0]: no role grants `events.veiw` (did you mean `events.view`?)"]
    );
    assert!(ask("events.*")[0].contains("is a wildcard"));
    assert!(ask("Events")[0].contains("a permission is"));
}

#[test]
fn warnings_do_not_refuse() {
    let (policy, problems) = compile(&source(vec![rule("/A", &[], R::Public), rule("/a", &[], R::Deny)]));
    assert!(policy.is_some());
    assert_eq!(problems[0].severity, Severity::Warning);
    let expected = "rules[1].path: differs from rules[0] in upper and lower case only \
                    (a path in either case must fulfil both)";
    assert_eq!(problems[0].to_string(), expected);
}

#[test]
fn more_roles_than_bits() {
    let role = |i| RoleSource { name: format!("r{i}"), permissions: vec![] };
    let with = |n| PolicySource { roles: (0..n).map(role).collect(), ..PolicySource::default() };
    assert!(compile(&with(64)).0.is_some());
    assert_eq!(problems_of(&with(65)), ["roles: 65 roles, but a policy can have 64"]);
    assert_eq!(roles().len(), 3);
}

#[test]
fn requirements_are_shown_as_written() {
    let all = R::AllOf(vec![
        R::AnyRole(vec!["a".into(), "b".into()]),
        R::Not(Box::new(R::Network(vec!["10.0.0.0/8".parse().unwrap()]))),
        R::MaxAge(Duration::from_secs(600)),
        R::MaxAge(Duration::from_secs(90)),
        name("staff"),
    ]);
    let expected = "all_of: [{ any_role: [a, b] }, { not: { network: [10.0.0.0/8] } }, \
                    { max_age: 10m }, { max_age: 90s }, { staff }]";
    assert_eq!(all.to_string(), expected);
}

#[test]
fn p_09_a_prefix_that_a_path_might_not_have_is_refused() {
    let problems = |path: &str, prefix: &str| {
        let mut source = source(vec![rule("/a", &[], R::Public)]);
        source.routes[0].path = path.into();
        source.routes[0].strip_prefix = Some(prefix.into());
        problems_of(&source)
    };
    for (path, prefix) in
        [("/api/**", "/api"), ("/a/b/**", "/a"), ("/a/b", "/a/b/"), ("/\u{e4}/**", "/%C3%A4")]
    {
        assert!(problems(path, prefix).is_empty(), "{:?}", problems(path, prefix));
    }
    for (path, prefix) in [
        ("/**", "/api"),
        ("/api/**", "/ap"),
        ("/api/**", "/api/v1"),
        ("/api/**", "/"),
        ("/{x}/**", "/{x}"),
        ("/*/**", "/*"),
        ("/api/**", "/API"),
        ("/api/**", "^/api(.*)"),
        ("/api/**", "/a/../api"),
    ] {
        let found = problems(path, prefix);
        assert_eq!(found.len(), 1, "{path} {prefix}: {found:?}");
        assert!(found[0].starts_with("routes[0].strip_prefix: "), "{found:?}");
    }
}
