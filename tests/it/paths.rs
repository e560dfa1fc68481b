//! Group P: what a path means, and that nobody gets another meaning past the rules.

use crate::support::h2::{self, End, H2};
use crate::support::{TestApp, get, request};

/// A request line that no request builder would write.
fn raw_target(target: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat()
}

#[test]
fn p_01_rules_see_the_path_and_not_the_query() {
    let app = TestApp::start();
    for target in
        ["/admin?x=/public/", "/api/a?/public", "/admin?/public/../public", "/admin/?..%2f../public/x"]
    {
        app.case(None, get(target, "")).denied();
    }
    let user = app.person("user");
    app.case(Some(&user), get("/admin?x=/public/", &user.bearer())).denied();
    let seen = app.case(Some(&user), get("/api/a?x=/admin/../%2e", &user.bearer())).allowed();
    assert_eq!(seen.at_upstream().target, "/api/a?x=/admin/../%2e", "a query goes through as it came");
}

#[test]
fn p_02_a_fragment_is_no_part_of_a_request() {
    let app = TestApp::with(|setup| {
        setup.rule("{ path: /public/*/y, allow: public }");
    });
    let admin = app.person("admin");
    for target in ["/admin/x#/public/y", "/public/x#/../../admin", "/#", "/public/#"] {
        app.case(None, raw_target(target.as_bytes())).rejected_with(400);
        app.case(Some(&admin), get(target, &admin.bearer())).rejected_with(400);
    }
    app.case(None, get("/admin/x%23/public/y", "")).denied();
    app.case(None, get("/public/x%23/y", "")).same();
}

#[test]
fn p_03_a_fragment_does_not_hide_a_dot_segment() {
    let app = TestApp::start();
    for target in ["/admin#/../public/x", "/admin/%23/../../public/x", "/public/x?#", "/public/x?a#b"] {
        app.case(None, get(target, "")).rejected_with(400);
    }
}

#[test]
fn p_04_dot_segments_before_the_match() {
    let app = TestApp::start();
    let user = app.person("user");
    for target in [
        "/public/../admin/x",
        "/public/./../admin",
        "/public/%2e%2e/admin",
        "/public/.%2e/admin",
        "/public/%2E./admin",
        "/public/..",
        "/public/.",
        "/./public/x",
        "/public/%2e/x",
        "/../admin",
        "/public/x/..%3f/admin",
    ] {
        app.case(None, get(target, "")).refused();
        app.case(Some(&user), get(target, &user.bearer())).refused();
    }
    // Dots that are data.
    let seen = app.case(None, get("/public/...", "")).allowed();
    assert_eq!(seen.at_upstream().target, "/public/...");
    app.case(None, get("/public/.well-known/x..y", "")).allowed();
}

#[test]
fn p_05_encoded_separators() {
    let app = TestApp::start();
    let user = app.person("user");
    for target in [
        "/public/..%2fadmin",
        "/public/..%2Fadmin",
        "/public/..%5cadmin",
        "/public/..%5Cadmin",
        "/public%2f..%2fadmin",
        "/api%2fx",
        "/public/a%2fb",
        "/public/a%5cb",
        "/public%2Fx",
        "/public/x%2f",
    ] {
        app.case(None, get(target, "")).rejected_with(400);
        app.case(Some(&user), get(target, &user.bearer())).rejected_with(400);
    }
}

#[test]
fn p_06_other_encoded_delimiters() {
    let app = TestApp::start();
    for byte in (0..=0x1f).chain([0x7f]) {
        for target in [format!("/public%{byte:02x}/x"), format!("/public/x%{byte:02X}")] {
            app.case(None, get(&target, "")).rejected_with(400);
        }
    }
    for escape in ["%3b", "%3f", "%23", "%3B", "%3F", "%20", "%25", "%c2%80", "%e2%80%a8"] {
        for target in [
            format!("/public{escape}/x"),
            format!("/public/x{escape}"),
            format!("/public/{escape}x"),
            format!("/admin{escape}/x"),
            format!("/public/x{escape}/y"),
        ] {
            app.case(None, get(&target, "")).same();
        }
    }
}

#[test]
fn p_07_match_and_forward_use_one_canonical_form() {
    let app = TestApp::start();
    let user = app.person("user");
    for target in ["/api%2e/admin/secret", "/%61pi/../admin", "/ap%69/../admin/x"] {
        app.case(None, get(target, "")).refused();
        app.case(Some(&user), get(target, &user.bearer())).refused();
    }
    app.case(None, get("/ap%69/admin", "")).denied();
    let seen = app.case(Some(&user), get("/ap%69/admin?%61=%2F", &user.bearer())).allowed();
    assert_eq!(
        seen.at_upstream().target,
        "/api/admin?%61=%2F",
        "the path in its canonical form, the query as it came"
    );
    let seen = app.case(Some(&user), get("/%61pi/%7e%c3%a4", &user.bearer())).allowed();
    assert_eq!(seen.at_upstream().target, "/api/~%C3%A4");
}

/// The border of the matcher; `strip` has the border of what is cut off.
#[test]
fn p_08_a_prefix_ends_on_a_segment_border() {
    let app = TestApp::start();
    for target in [
        "/public../admin",
        "/public%2e%2e/admin",
        "/public/../admin",
        "/public.admin",
        "/public..",
        "/public..;/x",
    ] {
        app.case(None, get(target, "")).refused();
    }
}

#[test]
fn p_09_paths_are_never_rewritten() {
    for key in ["strip_prefix: '^/api(.*)'", "rewrite: '^/api(.*)'"] {
        let text = format!(
            "server: {{ public_url: 'http://localhost:1' }}\nroles: {{ user: {{}} }}\n\
             upstreams: {{ app: {{ servers: ['http://127.0.0.1:1'] }} }}\n\
             routes: [{{ path: /**, upstream: app, {key} }}]\nrules: [{{ path: /, allow: public }}]\n"
        );
        let (settings, report) =
            stagedoor::config::parse(&text, "t.yaml", std::path::Path::new("/nowhere"), &|_| None);
        assert!(settings.is_none(), "{key} was accepted");
        assert!(report.to_string().contains(key.split(':').next().unwrap()), "{report}");
    }
    let app = TestApp::start();
    let user = app.person("user");
    for target in ["/api../admin", "/api//admin", "/api/../admin"] {
        app.case(Some(&user), get(target, &user.bearer())).refused();
    }
}

#[test]
fn p_10_opaque_and_absolute_targets() {
    let app = TestApp::start();
    for target in [
        "http:http://internal/admin",
        "http:/admin",
        "http:///admin",
        "foo:bar",
        "http://localhost/public/x",
        "*",
        "admin",
        "?x",
        "public/x",
        "https://localhost/public/x",
        "localhost:80",
        "",
    ] {
        app.case(None, get(target, "")).rejected_with(400);
    }
    app.case(None, get("//admin", "")).rejected_with(400);
    app.case(None, get("//localhost/public/x", "")).rejected_with(400);
}

#[test]
fn p_11_double_slashes_miss_no_rule_and_no_limit() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| {
            let window = std::time::Duration::from_secs(600);
            settings.account.rate_limits.login = stagedoor::limiter::Quota { limit: 5, window };
        });
    });
    for target in ["//admin/x", "/admin//x", "/public//x", "/public/x//", "///", "//"] {
        app.case(None, get(target, "")).rejected_with(400);
    }
    let wrong = serde_json::json!({ "email": "nobody@example.org", "password": "Wrong-pass-1!" }).to_string();
    let mut statuses = Vec::new();
    for at in 0..30 {
        let target = ["/auth/token/", "//auth/token", "/auth//token/", "/auth/token"][at % 4];
        let extra = "Content-Type: application/json\r\n";
        statuses.push(app.ask(request("POST", target, extra, wrong.as_bytes())).status);
    }
    let wrong_credentials = statuses.iter().filter(|s| **s == 401).count();
    assert_eq!(wrong_credentials, 5, "one bucket for every spelling: {statuses:?}");
    assert!(statuses.iter().all(|s| matches!(s, 400 | 401 | 429)), "{statuses:?}");
}

#[test]
fn p_12_path_parameters() {
    let app = TestApp::with(|setup| {
        setup.route("{ path: /public/semi/**, upstream: app, allow_semicolon: true }");
    });
    for target in [
        "/admin;x=1/y",
        "/public/..;/admin/y",
        "/;x/admin",
        "/public;/../admin",
        "/public/.;a=b/x",
        "/public/semi/..;/x",
    ] {
        app.case(None, get(target, "")).refused();
    }
    app.case(None, get("/public/x;y=1", "")).rejected_with(400);
    app.case(None, get("/public/;/admin/y", "")).rejected_with(400);
    app.case(None, get("/public/semi/;/x", "")).rejected_with(400);
    let seen = app.case(None, get("/public/semi/x;y=1/z", "")).allowed();
    assert_eq!(seen.at_upstream().target, "/public/semi/x;y=1/z");
    for target in ["/public/..%3b/admin/y", "/public%3b/../admin", "/admin%3bx/y", "/public/%3b/x"] {
        app.case(None, get(target, "")).refused();
    }
}

#[test]
fn p_13_backslashes() {
    let app = TestApp::start();
    let user = app.person("user");
    for target in [
        "/public\\..\\admin",
        "/\\admin",
        "/public/%5c..%5cadmin",
        "\\admin",
        "/public/x\\",
        "/public/x\\..\\..\\admin",
    ] {
        app.case(None, get(target, "")).rejected_with(400);
        app.case(Some(&user), get(target, &user.bearer())).rejected_with(400);
    }
}

#[test]
fn p_14_case() {
    let app = TestApp::start();
    let user = app.person("user");
    for target in ["/ADMIN/x", "/Admin/x", "/%41dmin/x", "/PUBLIC/x", "/Api/x"] {
        app.case(None, get(target, "")).denied();
        app.case(Some(&user), get(target, &user.bearer())).denied();
    }
    app.case(None, get("/public/README.TXT", "")).allowed();
    drop(app);

    let app = TestApp::with(|setup| {
        setup.route("{ path: /admin/**, upstream: app, case_insensitive: true }");
        setup.route("{ path: /Shop/**, upstream: app, case_insensitive: true }");
        setup.rule("{ path: /shop/**, allow: public }").rule("{ path: /shop/till/**, allow: deny }");
    });
    let user = app.person("user");
    for target in ["/admin/x", "/ADMIN/x", "/Admin/x", "/%41DMIN/x"] {
        app.case(None, get(target, "")).refused();
        app.case(Some(&user), get(target, &user.bearer())).refused();
    }
    for target in ["/shop/till/x", "/shop/TILL/x", "/shop/%54ill/x"] {
        app.case(None, get(target, "")).refused();
    }
}

#[test]
fn p_15_prefixes_have_a_border() {
    let app = TestApp::start();
    for target in ["/publicadmin", "/public.json", "/public%41", "/public-x", "/public%20", "/publi", "/"] {
        app.case(None, get(target, "")).denied();
    }
    app.case(None, get("/public", "")).allowed();
    app.case(None, get("/public/", "")).allowed();
}

#[test]
fn p_16_http_2_paths_without_a_slash() {
    let app = TestApp::start();
    for path in
        ["admin/x", "", "*", "?a", "http://x/admin", "public/x", "//admin", "/public/../admin", "\\admin"]
    {
        let end = app.h2(&h2::fields(path, &[]));
        assert!(end.is_rejection(), "{path:?}: {end:?}");
        app.assert_alive();
    }
    assert_eq!(app.h2(&h2::fields("/admin/x", &[])).status(), Some(401));
    assert_eq!(app.upstream().count(), 0);
    // A fragment never gets as far as the gateway: the HTTP/2 library drops it, and what is left is decided on and
    // forwarded.
    assert_eq!(app.h2(&h2::fields("/admin#/../public/x", &[])).status(), Some(401));
    assert_eq!(app.h2(&h2::fields("/public/x#/../../admin", &[])).status(), Some(200));
    assert_eq!(app.judge_since(0, None, "HTTP/2")[0].target, "/public/x");
    // And that HTTP/2 works at all, twice on one connection.
    let mut connection = H2::connect(&app);
    for turn in 0..2 {
        let stream = connection.open(&h2::fields("/public/x", &[]), true);
        let end = connection.end_of(stream);
        assert!(matches!(&end, End::Answer(200, body) if !body.is_empty()), "{turn}: {end:?}");
    }
    assert_eq!(app.judge_since(1, None, "HTTP/2").len(), 2);
}

#[test]
fn p_17_our_own_files_stay_in_their_folder() {
    let app = TestApp::start();
    for target in [
        "/auth/static../secret",
        "/auth/static/..%2fsecret",
        "/auth/static/../../stagedoor.secret",
        "/auth/static/..",
        "/auth/static/%2e%2e/x",
        "/auth/static/",
        "/auth/static",
        "/auth/static//etc/passwd",
        "/auth/static/nothing.css",
        "/auth/static/..%00",
        "/auth/static/style.css%00.png",
        "/auth/static/..\\x",
    ] {
        app.case(None, get(target, "")).refused();
    }
}

#[test]
fn p_18_double_decoding() {
    let app = TestApp::start();
    let user = app.person("user");
    for target in [
        "/public/%252e%252e/admin",
        "/%2561dmin",
        "/public/%252f",
        "/public/%25%32%65",
        "/public/%255c",
        "/public/%2500",
    ] {
        app.case(None, get(target, "")).refused();
        app.case(Some(&user), get(target, &user.bearer())).refused();
    }
    let seen = app.case(None, get("/public/100%25", "")).allowed();
    assert_eq!(seen.at_upstream().target, "/public/100%25");
}

#[test]
fn p_19_overlong_and_broken_escapes() {
    let app = TestApp::start();
    for target in [
        &b"/public/%c0%ae%c0%ae/admin"[..],
        b"/public/\xc0\xae",
        b"/public/%ff",
        b"/public/%",
        b"/public/%2",
        b"/public/%zz",
        b"/public/%u002e",
        b"/public/%e0%80%af",
        b"/public/%ed%a0%80",
        b"/public/%f4%90%80%80",
        b"/public/\xc3\xa4",
        b"/public/%%32e",
        b"/public/%25u002e",
        b"/public/%2 e",
    ] {
        app.case(None, raw_target(target)).rejected_with(400);
    }
}

#[test]
fn p_20_illegal_bytes_are_refused_and_not_repaired() {
    let app = TestApp::start();
    for target in [
        &b"/public/x y/admin"[..],
        b"/public/a\"b",
        b"/public/a<b>",
        b"/public/a\tb",
        b"/public/a\x0bb",
        b"/public/a\x00b",
        b"/public/\x7f",
        b"/public/x\xa0y",
        b"/public/x?a b",
        b"/public/x?a\tb",
        b"/public/x?\x80",
        b"/public/a`b",
    ] {
        app.case(None, raw_target(target)).rejected_with(400);
    }
    // Legal in RFC 3986 only when escaped, harmless in a path segment; never forwarded raw.
    for target in ["/public/a^b", "/public/a{b}", "/public/a|b", "/public/a[b]"] {
        app.case(None, get(target, "")).refused();
    }
}
