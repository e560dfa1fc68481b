//! Forward-auth: what another proxy is told. Raw requests as proxies make them; `forward_auth_proxies` has real ones.

use crate::support::{Answer, Setup, TestApp, get, request};

pub const HOST: &str = "outside.test";

/// An upstream that another proxy reaches, beside the usual one.
pub fn outside(setup: &mut Setup) {
    setup
        .server("trusted_proxies: [127.0.0.1]")
        .upstream("outside", "{ servers: [] }")
        .route(&format!("{{ host: {HOST}, path: /**, upstream: outside }}"));
}

fn start() -> TestApp {
    TestApp::with(|setup| {
        outside(setup);
        setup.tweak(|settings| settings.gate.public_url = format!("http://{HOST}"));
    })
}

/// What a proxy says about a request.
pub fn about(method: &str, uri: &str) -> String {
    format!(
        "X-Forwarded-Method: {method}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: {HOST}\r\n\
         X-Forwarded-Uri: {uri}\r\nX-Forwarded-For: 203.0.113.9\r\n"
    )
}

pub const PAGE: &str = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";

fn verify(app: &TestApp, fields: &str) -> Answer {
    app.ask(get("/auth/verify", fields))
}

/// Every field of an answer that says who somebody is.
fn identity(answer: &Answer) -> Vec<&str> {
    answer.fields.iter().map(|(n, _)| n.as_str()).filter(|n| n.starts_with("x-auth-")).collect()
}

#[test]
fn who_asks_is_in_the_answer() {
    let app = start();
    let user = app.named_person("user", "Zoë\r\nX-Auth-Roles: admin".replace(['\r', '\n'], " ").as_str());
    for credentials in [user.bearer(), user.cookies()] {
        let answer = verify(&app, &format!("{}{credentials}", about("GET", "/api/x?a=b")));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.field("x-auth-user-id"), Some(&*user.id.to_string()));
        assert_eq!(answer.field("x-auth-roles"), Some("user"));
        assert_eq!(answer.field("x-auth-name"), Some("Zo%C3%AB  X-Auth-Roles: admin"));
        assert_eq!(identity(&answer).len(), 9, "{:?}", answer.fields);
        let claims = crate::jwt_forge::payload_of(answer.field("x-auth-assertion").unwrap());
        assert_eq!(
            (claims["aud"].as_str(), claims["sub"].as_str()),
            (Some("outside"), Some(&*user.id.to_string()))
        );
        assert!(answer.all("set-cookie").is_empty() && answer.field("cache-control") == Some("no-store"));
    }
    let anonymous = verify(&app, &format!("{}X-Auth-Roles: admin\r\n", about("GET", "/public/x")));
    assert_eq!((anonymous.status, identity(&anonymous).len()), (200, 0));
}

#[test]
fn i_14_credentials_of_ours_are_taken_out_of_what_the_application_sees() {
    let app = start();
    let user = app.person("user");
    let cookies = format!(
        "Cookie: a=1; stagedoor_access={}\r\nCookie: stagedoor_refresh={}; b=2\r\n",
        user.access, user.refresh
    );
    let answer = verify(&app, &format!("{}{cookies}", about("GET", "/api/x")));
    assert_eq!((answer.status, answer.field("cookie")), (200, Some("a=1; b=2")));
    let answer = verify(&app, &format!("{}{}", about("GET", "/api/x"), user.bearer()));
    assert_eq!((answer.status, answer.field("authorization"), answer.field("cookie")), (200, None, None));
    let basic = "Authorization: Basic dTpw\r\n";
    let answer = verify(&app, &format!("{}{basic}", about("GET", "/public/x")));
    assert_eq!((answer.status, answer.field("authorization")), (200, Some("Basic dTpw")));
}

/// Nothing is renewed here, so there is no other token than the one that came; the refresh token stays where it is.
#[test]
fn i_14_where_a_route_passes_the_token_on_it_is_the_one_that_came() {
    let app = TestApp::with(|setup| {
        outside(setup);
        setup.route(&format!(
            "{{ host: {HOST}, path: /public/forward/**, upstream: outside, forward_token: true }}"
        ));
    });
    let user = app.person("user");
    let ended = app.expired(&user).access;
    let pair =
        |access: &str| format!("Cookie: stagedoor_access={access}; stagedoor_refresh={}\r\n", user.refresh);
    let only_refresh = format!("Cookie: stagedoor_refresh={}\r\n", user.refresh);
    for (cookies, who, told) in [
        (pair(&user.access), 9, Some(format!("stagedoor_access={}", user.access))),
        (pair(&ended), 0, Some(format!("stagedoor_access={ended}"))),
        (only_refresh, 0, None),
    ] {
        let answer = verify(&app, &format!("{}{cookies}", about("GET", "/public/forward/x")));
        assert_eq!((answer.status, identity(&answer).len()), (200, who), "{cookies}");
        assert_eq!(answer.field("cookie").map(str::to_owned), told, "{cookies}");
    }
}

#[test]
fn refusals_are_those_of_the_gateway() {
    let app = start();
    let user = app.person("user");
    let nobody = verify(&app, &about("GET", "/api/x"));
    assert_eq!((nobody.status, nobody.field("www-authenticate")), (401, Some("Bearer")));
    let gone = verify(&app, &format!("{}{}", about("GET", "/api/x"), app.expired(&user).bearer()));
    assert_eq!((gone.status, gone.field("www-authenticate")), (401, Some("Bearer error=\"invalid_token\"")));
    let forbidden = verify(&app, &format!("{}{}", about("GET", "/admin/x"), user.bearer()));
    assert_eq!((forbidden.status, forbidden.json()["reason"].as_str()), (403, Some("role_required")));
    let nowhere = verify(&app, &about("GET", "/public/x").replace(HOST, "localhost"));
    assert_eq!(
        (nowhere.status, nowhere.json()["reason"].as_str()),
        (404, Some("no_route")),
        "not for another proxy"
    );
    let ours = verify(&app, &about("GET", "/auth/login/"));
    assert_eq!(ours.status, 404, "our own pages are nobody else's to serve");
    let direct =
        String::from_utf8(get("/public/x", "")).unwrap().replace("Host: localhost", &format!("Host: {HOST}"));
    assert_eq!(app.ask(direct).status, 404, "nothing is forwarded to an upstream of another proxy");
    assert_eq!(app.metric("stagedoor_denials_total", "reason=\"role_required\""), 1, "INV-7");
}

#[test]
fn c_01_c_02_browsers_are_sent_to_sign_in_on_our_origin_only() {
    let app = start();
    let page = |fields: String| verify(&app, &format!("{fields}{PAGE}"));
    let answer = page(about("GET", "/api/x?y=1"));
    let location = answer.field("location").unwrap().to_owned();
    assert_eq!((answer.status, answer.body.len()), (302, 0));
    assert!(location.starts_with("http://outside.test/auth/login/?next=/api/x%3Fy%3D1&mac="), "{location}");
    let signed = location.split_once("/auth").unwrap().1;
    let shown = app.ask(get(&format!("/auth{signed}"), ""));
    assert!(shown.text().contains("/api/x?y=1"), "the way back is signed by us");
    for elsewhere in ["evil.example", "outside.test:81", "outside.test.evil.example"] {
        let answer = page(about("GET", "/api/x").replace(HOST, elsewhere));
        assert!(
            answer.field("location").is_none_or(|l| l == "http://outside.test/auth/login/"),
            "{elsewhere}"
        );
        assert_ne!(answer.status, 200);
    }
    let other_scheme = page(about("GET", "/api/x").replace("Proto: http", "Proto: https"));
    assert_eq!(other_scheme.field("location"), Some("http://outside.test/auth/login/"), "without a way back");
    let post = page(about("POST", "/api/x"));
    assert_eq!(post.field("location"), Some("http://outside.test/auth/login/"), "a form is not sent twice");
    let quiet = app.ask(get("/auth/verify?redirect=off", &format!("{}{PAGE}", about("GET", "/api/x"))));
    assert_eq!(quiet.status, 401);
    assert!(
        quiet
            .field("location")
            .is_some_and(|l| l.starts_with("http://outside.test/auth/login/?next=/api/x&"))
    );
}

#[test]
fn a_sign_in_that_is_not_fresh_is_made_so_also_where_there_is_no_way_back() {
    let app = TestApp::with(|setup| {
        outside(setup);
        setup.rule("{ path: /fresh/**, allow: { max_age: 5m } }");
        setup.tweak(|settings| settings.gate.public_url = format!("http://{HOST}"));
    });
    let hour = std::time::Duration::from_secs(3600);
    let user = app.minted(&app.person("user"), |g| g.auth_time = g.auth_time.before(hour));
    let page = |fields: String| verify(&app, &format!("{fields}{}{PAGE}", user.bearer()));
    let elsewhere = page(about("GET", "/fresh/x").replace("Proto: http", "Proto: https"));
    for answer in [page(about("POST", "/fresh/x")), elsewhere] {
        let location = answer.field("location").unwrap_or_default();
        assert!(location.starts_with("http://outside.test/auth/login/?next=/auth/&mac="), "{location}");
    }
    let back = page(about("GET", "/fresh/x"));
    assert!(back.field("location").is_some_and(|l| l.contains("?next=/fresh/x&mac=")));
}

#[test]
fn an_ended_access_cookie_takes_a_detour() {
    let app = start();
    let user = app.person("user");
    let ended = app.expired(&user);
    let script = verify(&app, &format!("{}{}", about("GET", "/api/x"), ended.cookies()));
    assert_eq!((script.status, script.all("set-cookie").len()), (401, 0), "nothing is refreshed here");
    let public = verify(&app, &format!("{}{}{PAGE}", about("GET", "/public/x"), ended.cookies()));
    assert_eq!(public.status, 200);
    let answer = verify(&app, &format!("{}{}{PAGE}", about("GET", "/api/x"), ended.cookies()));
    let location = answer.field("location").unwrap().to_owned();
    assert!(location.starts_with("http://outside.test/auth/resume/?next=/api/x&mac="), "{location}");
    let way = format!("/auth{}", location.split_once("/auth").unwrap().1);
    let back = app.ask(get(&way, &format!("{}{PAGE}", ended.cookies())));
    assert_eq!((back.status, back.field("location")), (303, Some("/api/x")));
    let access = back.cookie("stagedoor_access").expect("new cookies");
    let answer = verify(&app, &format!("{}Cookie: stagedoor_access={access}\r\n", about("GET", "/api/x")));
    assert_eq!(answer.status, 200);
    // Whose session is over signs in, and still comes back.
    let nobody = app.ask(get(&way, PAGE));
    let to = nobody.field("location").unwrap();
    assert!(nobody.status == 303 && to.starts_with("/auth/login/?next=%2Fapi%2Fx&mac="), "{to}");
    assert!(app.ask(get(to, PAGE)).text().contains("/api/x"), "the target is still ours");
    let forged = app.ask(get("/auth/resume/?next=//evil.example&mac=x", &user.cookies()));
    assert_eq!(forged.field("location"), Some("/auth/"), "home");
}

#[test]
fn f_01_nobody_but_a_trusted_proxy_gets_an_answer() {
    let app = TestApp::start();
    let user = app.person("user");
    let answer =
        verify(&app, &format!("{}{}", about("GET", "/api/x").replace(HOST, "localhost"), user.bearer()));
    assert_eq!((answer.status, identity(&answer).len()), (404, 0), "off by default");
    let app = TestApp::with(|setup| {
        setup
            .server("trusted_proxies: [192.0.2.0/24]")
            .upstream("outside", "{ servers: [] }")
            .route(&format!("{{ host: {HOST}, path: /**, upstream: outside }}"));
    });
    let user = app.person("user");
    let answer = verify(&app, &format!("{}{}", about("GET", "/api/x"), user.bearer()));
    assert_eq!((answer.status, identity(&answer).len()), (404, 0), "not from this address");
    // And they do nothing on a request of one's own.
    let spoof =
        format!("{}X-Original-URI: /public/x\r\nX-Original-URL: /public/x\r\n", about("GET", "/public/x"));
    app.case(None, get("/admin/x", &spoof)).denied();
}

#[test]
fn f_02_f_07_p_21_what_is_missing_or_odd_is_refused() {
    let app = start();
    let admin = app.person("admin");
    let good = about("GET", "/admin/x");
    let ask = |fields: &str| verify(&app, &format!("{fields}{}", admin.bearer()));
    assert_eq!(ask(&good).status, 200, "positive control");
    let reason = |fields: &str| {
        let answer = ask(fields);
        assert_eq!((answer.status, identity(&answer).len()), (400, 0), "{fields}");
        answer.json()["reason"].as_str().unwrap().to_owned()
    };
    let names = [
        ("Method", "forwarded_method"),
        ("Proto", "forwarded_proto"),
        ("Host", "forwarded_host"),
        ("Uri", "forwarded_uri"),
        ("For", "forwarded_for"),
    ];
    for (name, id) in names {
        let line = good.lines().find(|l| l.starts_with(&format!("X-Forwarded-{name}:"))).unwrap();
        assert_eq!(reason(&good.replace(&format!("{line}\r\n"), "")), id, "without {name}");
        assert_eq!(
            reason(&good.replace(line, &line.replace("X-Forwarded-", "X_Forwarded_"))),
            id,
            "alias of {name}"
        );
        if name != "For" {
            assert_eq!(reason(&format!("{good}{line}\r\n")), id, "{name} twice");
            assert_eq!(reason(&good.replace(line, &format!("X-Forwarded-{name}: "))), id, "empty {name}");
        }
    }
    for (uri, id) in [
        ("admin/x", "not_origin_form"),
        ("http://outside.test/admin/x", "not_origin_form"),
        ("*", "not_origin_form"),
        ("/public/x#/admin", "fragment"),
        ("/public/x y", "unescaped_character"),
        ("/public/\u{e4}", "forwarded_uri"),
        ("/%", "invalid_escape"),
        ("/admin/..%2fx", "encoded_slash"),
    ] {
        assert_eq!(reason(&about("GET", uri)), id, "{uri}");
    }
    for uri in ["/\u{80}", "/public//x", "/public/../x", "/public/%00", "/?%\u{1}"] {
        assert_ne!(ask(&about("GET", uri)).status, 200, "{uri:?}");
    }
    assert_eq!(ask(&about("GET", &format!("/public/{}", "a".repeat(17_000)))).status, 414);
    let mut huge = app.connect();
    huge.send(get("/auth/verify", &about("GET", &format!("/public/{}", "a".repeat(65_000)))));
    assert_eq!(huge.answer().map(|a| a.status), Ok(431));
    for proto in ["javascript", "evil", "HTTPS", "https,http", "https, https"] {
        assert_eq!(reason(&good.replace("Proto: http", &format!("Proto: {proto}"))), "forwarded_proto");
    }
    for host in ["a/b", "a#b", "a b", "u@h", "a,b", "[::1", "a:99999"] {
        assert_eq!(reason(&good.replace(HOST, host)), "host_malformed", "{host}");
    }
    for (method, status) in [("get", 400), ("PROPFIND", 501), ("TRACE", 405), ("CONNECT", 405), ("G T", 400)]
    {
        assert_eq!(ask(&about(method, "/public/x")).status, status, "{method}");
    }
    for spelling in ["/auth/verify/", "/auth/%76erify", "/auth/Verify", "//auth/verify", "/auth/./verify"] {
        let answer = app.ask(get(spelling, &format!("{good}{}", admin.bearer())));
        assert!(matches!(answer.status, 400 | 404) && identity(&answer).is_empty(), "{spelling}");
    }
    let post = app.ask(request("POST", "/auth/verify", &format!("{good}{}", admin.bearer()), b"x"));
    assert_eq!(post.status, 404);
}

#[test]
fn f_05_f_08_the_client_is_who_the_proxy_says() {
    let app = TestApp::with(|setup| {
        outside(setup);
        setup.rule("{ path: /inside/**, allow: { network: [203.0.113.0/24, \"127.0.0.0/8\"] } }");
    });
    let from = |chain: &str| verify(&app, &about("GET", "/inside/x").replace("203.0.113.9", chain)).status;
    for inside in [
        "203.0.113.9",
        "198.51.100.1, 203.0.113.9",
        "203.0.113.9:4711",
        "::ffff:203.0.113.9",
        "203.0.113.9, 127.0.0.1",
    ] {
        assert_eq!(from(inside), 200, "{inside}");
    }
    for outside in ["198.51.100.1", "203.0.113.9, 198.51.100.1", "a", ",", "0x7f.1", "127.1", "unknown"] {
        assert_eq!(from(outside), 403, "{outside}");
    }
}

#[test]
fn c_09_a_websocket_with_cookies_comes_from_our_own_pages() {
    let app = start();
    let user = app.person("user");
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let ask = |extra: &str| verify(&app, &format!("{}{}{extra}", about("GET", "/ws"), user.cookies()));
    let evil = "Origin: https://evil.example\r\n";
    assert_eq!(ask(&format!("{key}{evil}")).json()["reason"], "cross_site");
    assert_eq!(ask(&format!("{key}Origin: http://{HOST}\r\n")).status, 200);
    assert_eq!(ask(evil).status, 200, "a plain GET changes nothing");
    let traefik = about("GET", "/ws").replace("Proto: http", "Proto: ws");
    assert_eq!(verify(&app, &format!("{traefik}{}{evil}", user.cookies())).status, 403);
}

/// The client is in `X-Forwarded-For` here, whatever the proxy writes elsewhere: a `Forwarded` among the fields of the
/// request that is asked about is its client's.
#[test]
fn f_10_questions_are_asked_in_one_language() {
    let app = TestApp::with(|setup| {
        outside(setup);
        setup.server("forwarded: forwarded");
        setup.rule("{ path: /inside/**, allow: { network: [203.0.113.0/24] } }");
    });
    let from = |ip: &str, more: &str| {
        let fields = format!("{more}{}", about("GET", "/inside/x").replace("203.0.113.9", ip));
        verify(&app, &fields).status
    };
    assert_eq!(from("203.0.113.9", ""), 200);
    assert_eq!(from("203.0.113.9", "Forwarded: for=198.51.100.1\r\n"), 200);
    assert_eq!(from("198.51.100.1", "Forwarded: for=203.0.113.9\r\n"), 403);
}
