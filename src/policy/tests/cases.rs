//! Cases of the security page against small policies, and what each criterion means.

use super::*;
use RequirementSource as R;

const NO_RULE: Result<Outcome, &str> = Ok(Outcome::Forbidden(Reason::NoRule));
const PUBLIC: Result<Outcome, &str> = Ok(Outcome::Allowed { public: true });
const ALLOWED: Result<Outcome, &str> = Ok(Outcome::Allowed { public: false });
const SIGN_IN: Result<Outcome, &str> = Ok(Outcome::NeedsSignIn(Reason::Unauthenticated));

#[test]
fn p_01_rules_never_see_a_query() {
    let policy = compiled(&sample());
    // The gate splits the query off; what is left of the three requests is this.
    assert_eq!(get(&policy, "/admin", None), SIGN_IN);
    assert_eq!(get(&policy, "/api/a", None), SIGN_IN);
    // And a query that was not split off is refused, not matched.
    assert_eq!(get(&policy, "/admin?x=/public/", None), Err("unescaped_character"));
    let question = Question {
        method: &Method::GET,
        host: "a",
        path: "/admin?/public/../public",
        caller: None,
        client_ip: ClientIp::new([127, 0, 0, 1].into()),
    };
    let decided = Verdict::Decided {
        rule: Some("rules[2]".into()),
        outcome: Outcome::NeedsSignIn(Reason::Unauthenticated),
    };
    assert_eq!(explain(&policy, &question).verdict, decided);
}

#[test]
fn p_02_an_escaped_fragment_is_data_and_hides_nothing() {
    let policy = compiled(&source(vec![
        rule("/public/**", &[], R::Public),
        rule("/public/x", &[], R::Role("admin".into())),
        rule("/admin/**", &[], R::Role("admin".into())),
    ]));
    assert_eq!(get(&policy, "/admin/x%23/public/y", None), SIGN_IN);
    assert_eq!(get(&policy, "/public/z%23y", None), PUBLIC);
    // An upstream that decodes and then cuts would serve /public/x.
    assert_eq!(get(&policy, "/public/x%23y", None), SIGN_IN);
    assert_eq!(get(&policy, "/public/x%3Fy/z", None), SIGN_IN);
}

#[test]
fn p_06_escaped_delimiters_decide_like_decoded_ones() {
    let policy = compiled(&source(vec![
        rule("/*", &[], R::Public),
        rule("/a:b", &[], R::Role("admin".into())),
        rule("/c", &[], R::Role("admin".into())),
    ]));
    assert_eq!(get(&policy, "/a%3Ab", None), SIGN_IN);
    assert_eq!(get(&policy, "/a%3ac", None), PUBLIC);
    assert_eq!(get(&policy, "/c%3Bx", None), SIGN_IN);
    assert_eq!(get(&policy, "/d%3Bx", None), PUBLIC);
}

#[test]
fn p_12_parameters_are_stripped_and_judged_again() {
    let mut source = source(vec![
        rule("/public/**", &[], R::Public),
        rule("/public/admin/**", &[], R::Role("admin".into())),
    ]);
    source.routes[0].allow_semicolon = true;
    let policy = compiled(&source);
    assert_eq!(get(&policy, "/public/a;x=1/y", None), PUBLIC);
    assert_eq!(get(&policy, "/public/admin;x=1/y", None), SIGN_IN);
    assert_eq!(get(&policy, "/public/ADMIN;x=1/y", None), SIGN_IN);
    assert_eq!(get(&policy, "/admin;x=1/y", None), NO_RULE);
}

#[test]
fn p_14_case() {
    let mut source =
        source(vec![rule("/**", &[], R::Public), rule("/admin/**", &[], R::Role("admin".into()))]);
    let policy = compiled(&source);
    for raw in ["/ADMIN/x", "/Admin/x", "/%41dmin/x", "/admin/X"] {
        assert_eq!(get(&policy, raw, None), SIGN_IN, "{raw}");
    }
    assert_eq!(get(&policy, "/Other", None), PUBLIC);
    // A rule in upper case guards the lower-case path, too.
    source.rules[1].path = "/Admin/**".into();
    assert_eq!(get(&compiled(&source), "/admin/x", None), SIGN_IN);
    // Letters beyond ASCII: é and É, and the Kelvin sign that folds to k.
    source.rules[1].path = "/été/**".into();
    assert_eq!(get(&compiled(&source), "/%C3%89T%C3%89/x", None), SIGN_IN);
    source.rules[1].path = "/kitchen/**".into();
    assert_eq!(get(&compiled(&source), "/%E2%84%AAitchen/x", None), SIGN_IN);
    let policy = compiled(&sample());
    assert_eq!(get(&policy, "/ADMIN/x", None), NO_RULE);
}

#[test]
fn p_14_case_insensitive_route() {
    let mut source =
        source(vec![rule("/Reports/**", &[], R::Public), rule("/admin/**", &[], R::Role("admin".into()))]);
    source.routes[0].case_insensitive = true;
    let policy = compiled(&source);
    assert_eq!(get(&policy, "/REPORTS/x", None), PUBLIC);
    assert_eq!(get(&policy, "/reports/x", None), PUBLIC);
    let admin = person(&policy, &["admin"]);
    assert_eq!(get(&policy, "/ADMIN/x", Some(admin)), ALLOWED);
    assert_eq!(get(&policy, "/ADMIN/x", None), SIGN_IN);
    source.routes[0].case_insensitive = false;
    assert_eq!(get(&compiled(&source), "/REPORTS/x", None), NO_RULE);
}

#[test]
fn p_07_p_15_p_29_a_prefix_ends_at_a_border() {
    let policy = compiled(&sample());
    for raw in [
        "/publicadmin",
        "/public.json",
        "/public%41",
        "/api%2e/admin",
        "/admin.",
        "/admin%20",
        "/admin::$DATA",
    ] {
        assert_eq!(get(&policy, raw, None), NO_RULE, "{raw}");
    }
    for raw in ["/public", "/public/", "/%70ublic/x"] {
        assert_eq!(get(&policy, raw, None), PUBLIC, "{raw}");
    }
    assert_eq!(get(&policy, "/admin/.", None), Err("dot_segment"));
}

#[test]
fn p_24_methods() {
    let policy = compiled(&source(vec![
        rule("/a", &["GET"], R::Public),
        rule("/a", &["PUT", "DELETE"], R::Authenticated),
        rule("/a/**", &[], R::Deny),
    ]));
    let ask = |method: &str, raw| asked(&policy, &method.parse().unwrap(), "h", raw, None);
    assert_eq!(ask("GET", "/a"), PUBLIC);
    assert_eq!(ask("HEAD", "/a/"), PUBLIC);
    assert_eq!(ask("DELETE", "/a"), SIGN_IN);
    // No rule of that path takes it: the next less specific path decides.
    for method in ["POST", "OPTIONS", "PROPFIND", "TRACE", "get"] {
        assert_eq!(ask(method, "/a"), Ok(Outcome::Forbidden(Reason::DeniedByRule)), "{method}");
    }
}

#[test]
fn p_25_the_most_specific_rule_decides_in_any_order() {
    let rules = [
        rule("/a/**", &[], R::Public),
        rule("/a/*/c", &[], R::Role("guest".into())),
        rule("/a/{id}/c", &["POST"], R::Authenticated),
        rule("/a/b/**", &[], R::Role("organizer".into())),
        rule("/a/b/c", &[], R::Deny),
        rule("/a/b/c", &["GET"], R::Mfa),
    ];
    for turn in 0..rules.len() {
        let mut rules = rules.to_vec();
        rules.rotate_left(turn);
        let (mut reversed, policy) = (rules.clone(), compiled(&source(rules)));
        reversed.reverse();
        for policy in [policy, compiled(&source(reversed))] {
            let decided = |method: &Method, raw| {
                let path = Policy::read_path(raw).unwrap();
                let route = policy.route("h", &path).unwrap();
                let client_ip = ClientIp::new([1, 1, 1, 1].into());
                let ask = Ask { method, host: "h", path: &path, route, caller: None, client_ip, now: NOW };
                policy.decide(&ask).rule.map(|r| (r.path.clone(), r.methods.len()))
            };
            let cases = [
                ("GET", "/a/b/c", "/a/b/c", 1),
                ("POST", "/a/b/c", "/a/b/c", 0),
                ("POST", "/a/x/c", "/a/{id}/c", 1),
                ("GET", "/a/x/c", "/a/*/c", 0),
                ("GET", "/a/b/d", "/a/b/**", 0),
                ("GET", "/a/b", "/a/b/**", 0),
                ("GET", "/a/x/d", "/a/**", 0),
                ("GET", "/a", "/a/**", 0),
            ];
            for (method, raw, path, named) in cases {
                assert_eq!(
                    decided(&method.parse().unwrap(), raw),
                    Some((path.into(), named)),
                    "{method} {raw}"
                );
            }
        }
    }
}

#[test]
fn h_05_h_06_rules_of_a_host_come_first() {
    let mut special = rule("/**", &[], R::Role("admin".into()));
    special.host = Some("Admin.Example.com".into());
    let mut rules = vec![rule("/a/b", &[], R::Public), special];
    rules.extend(
        (0..150).map(|i| RuleSource { host: Some(format!("h{i}.example.com")), ..rule("/**", &[], R::Deny) }),
    );
    let policy = compiled(&source(rules));
    let ask = |host| asked(&policy, &Method::GET, host, "/a/b", None);
    for host in ["admin.example.com", "ADMIN.EXAMPLE.COM", "admin.example.com.", "admin.example.com:443"] {
        assert_eq!(ask(host), SIGN_IN, "{host}");
    }
    assert_eq!(ask("www.example.com"), PUBLIC);
    assert_eq!(ask("h77.example.com"), Ok(Outcome::Forbidden(Reason::DeniedByRule)));
}

/// What one requirement says on `/u/{user}`, asked by a guest who signed in 20 minutes ago.
fn said(allow: R, caller: bool, path: &str) -> Outcome {
    let policy = compiled(&source(vec![rule("/u/{user}", &[], allow)]));
    let guest = Caller { auth_time: NOW.before(minutes(20)), ..person(&policy, &["guest"]) };
    get(&policy, path, caller.then_some(guest)).unwrap()
}

#[test]
fn every_reason_has_its_case() {
    let net = |text: &str| R::Network(vec![text.parse().unwrap()]);
    let not = |inner| R::Not(Box::new(inner));
    let guest = || R::Role("guest".into());
    let cases = [
        (R::Deny, "denied_by_rule"),
        (R::Role("admin".into()), "role_required"),
        (R::AnyRole(vec!["admin".into(), "organizer".into()]), "role_required"),
        (R::AllRoles(vec!["guest".into(), "admin".into()]), "role_required"),
        (R::Permission("events.edit".into()), "permission_required"),
        (R::Owner("user".into()), "not_owner"),
        (R::Mfa, "mfa_required"),
        (R::MaxAge(minutes(10)), "step_up_required"),
        (net("10.0.0.0/8"), "network_denied"),
        (not(guest()), "excluded"),
        (R::AllOf(vec![R::Mfa, R::Role("admin".into())]), "role_required"),
        (R::AllOf(vec![R::Mfa, R::MaxAge(minutes(10))]), "mfa_required"),
        (R::AnyOf(vec![R::Role("admin".into()), R::MaxAge(minutes(10))]), "step_up_required"),
    ];
    let mut ids: Vec<&str> = Vec::new();
    for (allow, id) in cases {
        let outcome = said(allow.clone(), true, "/u/x");
        assert_eq!(outcome.reason().map(Reason::id), Some(id), "{allow}");
        let curable = matches!(id, "mfa_required" | "step_up_required");
        assert_eq!(matches!(outcome, Outcome::NeedsElevation(_)), curable, "{allow}");
        ids.push(id);
    }
    assert_eq!(said(R::Authenticated, false, "/u/x").reason().map(Reason::id), Some("unauthenticated"));
    ids.extend(["unauthenticated", "no_rule"]);
    assert_eq!(get(&compiled(&sample()), "/x", None).unwrap().reason().map(Reason::id), Some("no_rule"));
    assert!(Reason::ALL.iter().all(|r| ids.contains(&r.id())));
}

#[test]
fn what_admits_whom() {
    let net = |text: &str| R::Network(vec![text.parse().unwrap()]);
    let not = |inner| R::Not(Box::new(inner));
    let id = id().to_string();
    for (allow, path) in [
        (R::Authenticated, "/u/x"),
        (R::Role("guest".into()), "/u/x"),
        (R::Permission("events.view".into()), "/u/x"),
        (R::AnyPermission(vec!["events.edit".into(), "events.view".into()]), "/u/x"),
        (R::Owner("user".into()), "/u/me"),
        (R::Owner("user".into()), &format!("/u/{id}")),
        (R::MaxAge(minutes(20)), "/u/x"),
        (not(R::Role("admin".into())), "/u/x"),
        (not(R::Mfa), "/u/x"),
    ] {
        assert_eq!(said(allow.clone(), true, path), Outcome::Allowed { public: false }, "{allow}");
        assert_eq!(
            said(allow.clone(), false, path),
            Outcome::NeedsSignIn(Reason::Unauthenticated),
            "{allow}"
        );
    }
    // Ids have one spelling; a trailing slash changes nothing.
    assert!(!said(R::Owner("user".into()), true, &format!("/u/{}", id.to_uppercase())).is_allowed());
    assert!(!said(R::Owner("user".into()), true, "/u/ME").is_allowed());
    assert!(said(R::Owner("user".into()), true, "/u/me/").is_allowed());
    for allow in [R::Public, net("127.0.0.0/8"), net("::ffff:127.0.0.0/104"), not(R::Deny)] {
        assert_eq!(said(allow.clone(), false, "/u/x"), Outcome::Allowed { public: true }, "{allow}");
        assert_eq!(said(allow.clone(), true, "/u/x"), Outcome::Allowed { public: true }, "{allow}");
    }
    // Unknown inside a failed AND is a failure; inside a fulfilled OR it does not matter.
    let both = |wrap: fn(Vec<R>) -> R, text| said(wrap(vec![R::Mfa, net(text)]), false, "/u/x");
    assert_eq!(both(R::AllOf, "10.0.0.0/8"), Outcome::Forbidden(Reason::NetworkDenied));
    assert_eq!(both(R::AllOf, "127.0.0.0/8"), Outcome::NeedsSignIn(Reason::Unauthenticated));
    assert_eq!(both(R::AnyOf, "127.0.0.0/8"), Outcome::Allowed { public: true });
}

#[test]
fn roles_and_permissions() {
    let policy = compiled(&sample());
    let names = |rs: &[&str]| rs.iter().map(|r| RoleName::parse(r).unwrap()).collect::<Vec<_>>();
    assert_eq!(policy.permissions(&names(&["guest", "organizer"])), ["events.*", "events.view"]);
    assert!(policy.role_set(&names(&["gone"])).is_empty());
    assert!(policy.role_set(&names(&["guest", "admin"])).contains_all(policy.role_set(&names(&["admin"]))));
}

#[test]
fn routes_are_chosen_like_rules() {
    let route = |path: &str, upstream: &str, host: Option<&str>| RouteSource {
        path: path.into(),
        upstream: upstream.into(),
        host: host.map(Into::into),
        ..RouteSource::default()
    };
    let policy = compiled(&PolicySource {
        routes: vec![
            route("/**", "all", None),
            route("/api/**", "api", None),
            route("/**", "shop", Some("shop.org")),
        ],
        ..PolicySource::default()
    });
    let upstream = |host, raw| {
        let path = Policy::read_path(raw).unwrap();
        policy.route(host, &path).map(|r| (r.id, r.upstream.clone()))
    };
    assert_eq!(upstream("a.org", "/x"), Some((0, "all".into())));
    assert_eq!(upstream("a.org", "/api"), Some((1, "api".into())));
    assert_eq!(upstream("Shop.org:80", "/api"), Some((2, "shop".into())));
}

/// What the upstream sees of a path; a refusal as its id.
fn seen_of(path: &str, prefix: &str, raw: &str) -> Result<(String, String), &'static str> {
    let route = RouteSource {
        path: path.into(),
        upstream: "up".into(),
        strip_prefix: Some(prefix.into()),
        ..RouteSource::default()
    };
    let policy = compiled(&PolicySource { routes: vec![route], ..PolicySource::default() });
    let path = Policy::read_path(raw).map_err(|e| e.id())?;
    let route = policy.route("localhost", &path).ok_or("no_route")?;
    let (prefix, rest) = route.split(&path).map_err(|e| e.id())?;
    assert_eq!(Policy::read_path(rest).unwrap().as_str(), rest, "canonical by itself");
    Ok((prefix.to_owned(), rest.to_owned()))
}

#[test]
fn p_07_p_08_p_09_prefixes_are_cut_at_segment_borders() {
    let cut = |raw| seen_of("/api/**", "/api", raw);
    let both = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
    for (raw, rest) in [
        ("/api", "/"),
        ("/api/", "/"),
        ("/api/x", "/x"),
        ("/api/x/", "/x/"),
        ("/%61pi/%7ex/%c3%a4", "/~x/%C3%A4"),
        ("/api/api/x", "/api/x"),
        ("/api/%25", "/%25"),
    ] {
        assert_eq!(cut(raw), both("/api", rest), "{raw}");
    }
    for raw in ["/api../admin", "/apix", "/api%2e/admin/secret", "/Api/x", "/api;/x", "/api%20/x"] {
        assert!(cut(raw).is_err(), "{raw}: {:?}", cut(raw));
    }
    for raw in ["/api//admin", "/api/../admin", "/%61pi/../admin", "/api/%2e%2e/admin", "/api/%2Fadmin"] {
        assert!(cut(raw).is_err(), "{raw}: {:?}", cut(raw));
    }
    assert_eq!(seen_of("/a/b/{x}/**", "/a/b", "/a/b/c/d"), both("/a/b", "/c/d"));
    assert_eq!(seen_of("/a!/**", "/a%21/", "/a!/x"), both("/a!", "/x"));
}

#[test]
fn an_explanation_reads_like_this() {
    let policy = compiled(&source(vec![
        rule("/admin/**", &[], R::AllOf(vec![R::Role("admin".into()), R::MaxAge(minutes(10))])),
        rule("/**", &["POST"], R::Public),
    ]));
    let roles = vec!["organizer".into(), "gone".into()];
    let question = Question {
        method: &Method::GET,
        host: "localhost",
        path: "/admin/x",
        caller: Some(Described { roles, age: minutes(3), ..Described::default() }),
        client_ip: ClientIp::new([127, 0, 0, 1].into()),
    };
    let text = explain(&policy, &question).to_string();
    let expected = "\
path      /admin/x
upstream  up
warning   there is no role `gone`; it counts for nothing
rules[0]  /admin/**  <- decides
  hit   path (as written)
  hit   host
  hit   method
  miss  all_of: [{ role: admin }, { max_age: 10m }] (role_required)
    miss  role: admin (role_required)
    hit   max_age: 10m
rules[1]  /**
  hit   path (as written)
  hit   host
  miss  method
  hit   public
verdict   forbidden: role_required by rules[0]
";
    assert_eq!(text, expected);
}

#[test]
fn what_asks_for_more_than_a_sign_in_is_sensitive() {
    let admin = || R::Role("admin".into());
    let permission = |p: &str| R::Permission(p.into());
    for (allow, sensitive) in [
        (R::Public, false),
        (R::Authenticated, false),
        (R::Deny, false),
        (R::Mfa, true),
        (R::MaxAge(minutes(10)), true),
        (admin(), true),
        (R::Role("organizer".into()), false),
        (R::AnyRole(vec!["admin".into(), "organizer".into()]), false),
        (R::AllRoles(vec!["admin".into(), "organizer".into()]), true),
        (permission("events.edit"), false),
        (permission("users.edit"), true),
        (R::AnyPermission(vec!["users.edit".into(), "users.view".into()]), true),
        (R::AnyPermission(vec!["users.edit".into(), "events.view".into()]), false),
        (R::AnyOf(vec![R::Authenticated, admin()]), true),
        (R::AllOf(vec![R::Role("guest".into()), R::Not(Box::new(R::Mfa))]), true),
        (R::AllOf(vec![R::Role("guest".into()), R::Not(Box::new(R::Role("organizer".into())))]), false),
        (R::Named("inner".into()), true),
    ] {
        let text = allow.to_string();
        let mut source = source(vec![rule("/x", &[], allow), rule("/y", &[], R::Named("inner".into()))]);
        source.requirements = vec![("inner".into(), R::AnyOf(vec![R::Public, R::Mfa]))];
        assert_eq!(compiled(&source).rules()[0].sensitive, sensitive, "{text}");
    }
}

#[test]
fn the_route_speaks_before_the_rule_and_the_strictest_reading_before_others() {
    let when = |on: Option<WhenUnknown>, raw: &str| {
        let mut source = source(vec![
            rule("/a/**", &[], R::Authenticated),
            rule("/A/**", &[], R::AnyOf(vec![R::Authenticated, R::Role("admin".into())])),
        ]);
        source.routes[0].on_revocation_unknown = on;
        let policy = compiled(&source);
        let path = Policy::read_path(raw).unwrap();
        let route = policy.route("localhost", &path).unwrap();
        let ask = Ask {
            method: &Method::GET,
            host: "localhost",
            path: &path,
            route,
            caller: Some(person(&policy, &["guest"])),
            client_ip: ClientIp::new([127, 0, 0, 1].into()),
            now: NOW,
        };
        policy.decide(&ask).when_unknown(route)
    };
    let [deny, grace] = WhenUnknown::ALL;
    assert_eq!(when(None, "/A/x"), deny);
    // An upstream that folds case would serve what the other rule guards.
    assert_eq!(when(None, "/a/x"), deny, "as strict as any reading of the path");
    assert_eq!((when(Some(grace), "/A/x"), when(Some(deny), "/a/x")), (grace, deny));
}
