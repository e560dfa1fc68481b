//! Group P, the second half: targets that are none, spellings, lengths, and rules however they are written. What a path
//! means: `paths`; what is claimed beside it: `disguises`.

use stagedoor::model::{Clock as _, SystemClock};

use crate::forward_auth::outside;
use crate::support::{TestApp, get, request};

fn raw_target(target: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat()
}

#[test]
fn p_21_malformed_targets_are_never_fine() {
    let app = TestApp::with(|setup| {
        outside(setup);
        setup.rule("{ path: /, allow: authenticated }");
        setup.tweak(|settings| settings.proxy.limits.head_bytes = 256 * 1024);
    });
    let user = app.person("user");
    let long = format!("/{}", "a".repeat(64 * 1024 - 1)).into_bytes();
    let long_public = format!("/public/{}", "a".repeat(64 * 1024)).into_bytes();
    let targets = [
        &b"/%"[..],
        b"/\x80",
        b"/?%",
        &long,
        &long_public,
        b"/public/%",
        b"/public/\x80",
        b"/%2",
        b"/%zz",
        b"%",
        b"\x80",
        b"",
    ];
    for target in targets {
        let seen = app.case(None, raw_target(target));
        let shown = String::from_utf8_lossy(&target[..target.len().min(40)]).into_owned();
        if target == b"/?%" {
            // The query is nobody's business here: the path decides.
            seen.denied();
        } else {
            seen.refused();
        }
        // What another proxy asks about.
        for token in [String::new(), user.bearer()] {
            let about = [
                b"GET /auth/verify HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: http\r\n\
                  X-Forwarded-Host: outside.test\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Uri: ",
                target,
                b"\r\n",
                token.as_bytes(),
                b"\r\n",
            ]
            .concat();
            let answer = app.ask(about);
            let signed_in_query = target == b"/?%" && !token.is_empty();
            assert_eq!(answer.status == 200, signed_in_query, "{shown}: {} {}", answer.status, answer.text());
            assert!(signed_in_query || answer.all("x-auth-user-id").is_empty(), "{shown}");
        }
    }
    assert_eq!(app.ask(raw_target(&long_public)).status, 414);
}

#[test]
fn p_25_the_order_of_rules_means_nothing() {
    let rules = [
        "{ path: /public/shop/**, allow: public }",
        "{ path: /public/shop/till/**, allow: deny }",
        "{ path: /public/shop/*/open, allow: public }",
        "{ path: /public/shop/till/mine, methods: [GET], allow: authenticated }",
        "{ path: /public/shop/staff/**, allow: { role: admin } }",
    ];
    let mut seen = Vec::new();
    for turn in 0..rules.len() * 2 {
        let mut order = rules.to_vec();
        order.rotate_left(turn % rules.len());
        if turn >= rules.len() {
            order.reverse();
        }
        let app = TestApp::with(|setup| {
            for rule in &order {
                setup.rule(rule);
            }
        });
        let user = app.person("user");
        let mut answers = Vec::new();
        for path in ["x", "till/x", "till/open", "till/mine", "x/open", "staff/x", "staff/open", ""] {
            for method in ["GET", "POST"] {
                let target = format!("/public/shop/{path}");
                let nobody = app.case(None, request(method, &target, "", b"")).same();
                let somebody = app.case(Some(&user), request(method, &target, &user.bearer(), b"")).same();
                answers.push((target, method, nobody.answer().status, somebody.answer().status));
            }
        }
        seen.push(answers);
    }
    assert!(seen.iter().all(|answers| *answers == seen[0]), "{seen:?}");
    let of = |target: &str, method: &str| {
        let row = seen[0].iter().find(|r| r.0 == format!("/public/shop/{target}") && r.1 == method).unwrap();
        (row.2, row.3)
    };
    assert_eq!(
        (of("x", "GET"), of("till/x", "GET"), of("till/mine", "GET")),
        ((200, 200), (403, 403), (401, 200))
    );
    assert_eq!((of("till/mine", "POST"), of("staff/x", "GET")), ((403, 403), (401, 403)));
}

#[test]
fn p_26_one_bucket_for_every_spelling() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| {
            let window = std::time::Duration::from_secs(600);
            settings.account.rate_limits.login = stagedoor::limiter::Quota { limit: 5, window };
        });
    });
    let wrong = serde_json::json!({ "email": "nobody@example.org", "password": "Wrong-pass-1!" }).to_string();
    let spellings: [fn(usize) -> String; 10] = [
        |n| format!("/auth/token/?x={n}"),
        |n| format!("/auth/token?x={n}"),
        |n| format!("/auth/./token/?x={n}"),
        |n| format!("/auth/token;a={n}/"),
        |n| format!("/auth/Token/?x={n}"),
        |n| format!("/AUTH/token/?x={n}"),
        |n| format!("/auth/%74oken/?x={n}"),
        |n| format!("/auth/token/{}", "/".repeat(n % 7 + 1)),
        |n| format!("/auth/token/%2e?x={n}"),
        |n| format!("/%61uth/tok%65n/?x={n}"),
    ];
    let (mut tried, mut statuses) = (0, std::collections::BTreeMap::<u16, usize>::new());
    for n in 0..1000 {
        let target = spellings[n % spellings.len()](n);
        let answer =
            app.ask(request("POST", &target, "Content-Type: application/json\r\n", wrong.as_bytes()));
        *statuses.entry(answer.status).or_default() += 1;
        tried += usize::from(
            answer.status == 401 && answer.json()["type"] == "urn:stagedoor:problem:wrong-credentials",
        );
        assert!(matches!(answer.status, 400 | 401 | 403 | 404 | 429), "{target}: {}", answer.text());
    }
    assert_eq!(tried, 5, "{statuses:?}");
    assert_eq!(app.upstream().count(), 0);
}

/// Spellings of the same path, as other proxies normalise them: each is refused, or decided and forwarded as one.
#[test]
fn p_27_spellings_and_their_normal_form() {
    let app = TestApp::start();
    let user = app.person("user");
    for (raw, normal) in [
        ("/api/%61/b", Some("/api/a/b")),
        ("/api/a%2Db%5F%7e%2E", Some("/api/a-b_~.")),
        ("/api/%7Euser/%41", Some("/api/~user/A")),
        ("/api/a%c3%a9", Some("/api/a%C3%A9")),
        ("/api/a%2b+", Some("/api/a%2B+")),
        ("/api/a:b@c", Some("/api/a:b@c")),
        ("/api/?a=b&%61=%2f/../", Some("/api/?a=b&%61=%2f/../")),
        ("/api", Some("/api")),
        ("/api/", Some("/api/")),
        ("/api/./a", None),
        ("/./api/a", None),
        ("/api/a/.", None),
        ("/api/a/..", None),
        ("/api/a/../b", None),
        ("/api/../api/b", None),
        ("/../../api/b", None),
        ("/api//a", None),
        ("//api/a", None),
        ("/api/a//", None),
        ("/api/%2e/a", None),
        ("/api/%2E%2e/a", None),
        ("/api/a%2fb", None),
        ("/api/a%00", None),
        ("/api/%%61", None),
        ("/api/%6", None),
        ("/api/a#b", None),
        ("/api/a|b", None),
        ("/api/..;/a", None),
    ] {
        app.case(None, get(raw, "")).refused();
        let seen = app.case(Some(&user), get(raw, &user.bearer())).same();
        let forwarded = seen.forwarded.first().map(|r| r.target.as_str());
        assert_eq!(forwarded, normal, "{raw}");
    }
}

#[test]
fn p_29_names_that_some_systems_shorten() {
    let app = TestApp::start();
    let user = app.person("user");
    for target in [
        "/admin.",
        "/admin%20",
        "/admin/.",
        "/admin::$DATA",
        "/admin%2e",
        "/admin%2E%20",
        "/admin+",
        "/admin~1",
        "/ADMIN~1",
        "/admin%e2%80%8b",
        "/admin:",
        "/admin.%20",
        "/admin..",
        "/admin/x::$INDEX_ALLOCATION",
        "/admin%c2%a0",
        "/admin*",
    ] {
        app.case(None, get(target, "")).refused();
        app.case(Some(&user), get(target, &user.bearer())).refused();
    }
}

#[test]
fn p_30_long_and_deep() {
    let clock = SystemClock::new();
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| settings.proxy.limits.head_bytes = 256 * 1024);
    });
    for (target, reason) in [
        ("/..".repeat(8000), "target_too_long"),
        ("/a".repeat(8000), "too_long"),
        (format!("/public/{}", "a".repeat(64 * 1024)), "target_too_long"),
        // The length is looked at before anything else is.
        ("/..".repeat(3000), "too_long"),
        (format!("/public{}", "/%2e%2e".repeat(1500)), "too_long"),
        (format!("/public/{}", "%zz".repeat(3000)), "too_long"),
        (format!("/public/x?{}", "a".repeat(17 * 1024)), "target_too_long"),
    ] {
        let begun = clock.monotonic();
        app.ask(get(&target, ""));
        println!("{} bytes: {reason} after {:?}", target.len(), clock.monotonic().saturating_sub(begun));
        let seen = app.case(None, get(&target, "")).rejected();
        let answer = seen.answer();
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (414, Some(reason)));
        seen.closed();
    }
    // As long and as deep as may be.
    let deepest = format!("/public{}", "/a".repeat(4090));
    app.case(None, get(&deepest, "")).allowed();
    assert_eq!(
        app.case(None, get(&format!("/public{}", "/..".repeat(2700)), "")).rejected().answer().status,
        400
    );
}

/// The language of rules has no regular expressions: what looks like one is refused, or is text like any other.
#[test]
fn p_31_no_rule_can_be_made_slow() {
    let clock = SystemClock::new();
    let tried = |rule: &str| {
        let text = format!(
            "server: {{ public_url: 'http://localhost:1' }}\nroles: {{ user: {{}} }}\n\
             upstreams: {{ app: {{ servers: ['http://127.0.0.1:1'] }} }}\n\
             routes: [{{ path: /**, upstream: app }}]\nrules: [{rule}]\n"
        );
        stagedoor::config::parse(&text, "t.yaml", std::path::Path::new("/nowhere"), &|_| None)
    };
    for rule in [
        "{ path: '^(a+)+$', allow: public }",
        "{ path: '~ ^/(a+)+$', allow: public }",
        "{ regex: '^/(a+)+$', allow: public }",
        "{ path: /x, regex: '^(a+)+$', allow: public }",
        "{ path: { regex: '^/(a+)+$' }, allow: public }",
        "{ path: '/(a+)+$|^', allow: public }",
        "{ path: '/x', host: '^(a+)+$', allow: public }",
    ] {
        let (settings, report) = tried(rule);
        assert!(settings.is_none(), "{rule} was accepted");
        assert!(!report.to_string().is_empty());
    }
    let (literal, report) = tried("{ path: '/(a+)+$', allow: public }");
    assert!(literal.is_some(), "positive control: {report}");
    let app = TestApp::with(|setup| {
        setup.rule("{ path: '/(a+)+$', allow: public }");
        setup.rule("{ path: '/x/*/*/{name}/*/**', allow: { role: admin } }");
        setup.tweak(|settings| settings.proxy.limits.head_bytes = 256 * 1024);
    });
    assert_eq!(app.ask(get("/(a+)+$", "")).status, 200, "text like any other");
    assert_eq!(app.ask(get("/aaaa", "")).status, 403);
    let evil = format!("/{}!", "a".repeat(50_000));
    assert_eq!(app.case(None, get(&evil, "")).rejected().answer().status, 414);
    for evil in [
        format!("/{}!", "a".repeat(8000)),
        format!("/x{}!", "/a".repeat(4000)),
        format!("/x/{}", "a".repeat(8000)),
    ] {
        let begun = clock.monotonic();
        app.ask(get(&evil, ""));
        println!("{} bytes: decided after {:?}", evil.len(), clock.monotonic().saturating_sub(begun));
        app.case(None, get(&evil, "")).denied();
    }
}
