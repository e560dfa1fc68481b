//! Browsers and programs at the gate: where refusals lead, and the refresh on the way.

use std::time::Duration;

use crate::support::{Browser, Person, RawClient, TestApp, get, request};

const NAVIGATION: &str = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html\r\n";

/// Past the end of an access token, but not of the session.
const LATER: Duration = Duration::from_secs(11 * 60);

#[test]
fn a_navigation_without_a_session_leads_to_sign_in_and_back() {
    let app = TestApp::start();
    let user = app.person("user");
    let mut browser = Browser::new(&app);
    let answer = browser.visit("/api/page?a=1&b=%2F");
    assert_eq!(answer.status, 303);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let location = answer.field("location").expect("a place to go").to_owned();
    let query = location.strip_prefix("/auth/login/?").unwrap_or_else(|| panic!("{location}"));
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(pairs[0], ("next".to_owned(), "/api/page?a=1&b=%2F".to_owned()));
    assert_eq!(pairs[1].0, "mac");
    let page = browser.visit(&location);
    assert_eq!(page.status, 200);
    let sign_in = |browser: &mut Browser, next: &str, mac: &str| {
        let password = crate::support::PASSWORD;
        browser.post_form(
            "/auth/login/",
            &[("email", &user.email), ("password", password), ("next", next), ("mac", mac)],
        )
    };
    let back = sign_in(&mut browser, &pairs[0].1, &pairs[1].1);
    assert_eq!((back.status, back.field("location")), (303, Some("/api/page?a=1&b=%2F")));
    assert_eq!(browser.visit("/api/page").status, 200);
    assert_eq!(app.upstream().last().field("x-auth-user-id"), Some(user.id.to_string()));
    // A target that we did not sign is not followed.
    for (next, mac) in [
        ("/api/other", pairs[1].1.as_str()),
        ("https://evil.example/", &pairs[1].1),
        (&pairs[0].1, "x"),
        ("//evil.example", ""),
    ] {
        let mut browser = Browser::new(&app);
        let home = sign_in(&mut browser, next, mac);
        assert_eq!((home.status, home.field("location")), (303, Some("/auth/")), "{next}");
    }
}

#[test]
fn targets_of_other_origins_are_never_signed() {
    let app = TestApp::start();
    for target in ["//evil.example/", "/\\evil.example", "/api/x\\y", "http://evil.example/", "/api//x"] {
        let seen = app.case(None, get(target, NAVIGATION));
        let answer = seen.answer();
        let location = answer.field("location").unwrap_or_default();
        assert!(!location.contains("evil"), "{target}: {location}");
        assert!(answer.status == 400 || location == "/auth/login/", "{target}: {} {location}", answer.status);
    }
    // A POST cannot be returned to.
    let seen = app.case(None, request("POST", "/api/x", NAVIGATION, b"a=b"));
    assert_eq!((seen.answer().status, seen.answer().field("location")), (303, Some("/auth/login/")));
}

#[test]
fn programs_get_problem_documents() {
    let app = TestApp::start();
    let user = app.person("user");
    let expired = app.expired(&user);
    let script = "Sec-Fetch-Mode: cors\r\nAccept: application/json\r\n";
    for (extra, challenge) in [
        (String::new(), "Bearer"),
        (script.to_owned(), "Bearer"),
        ("Authorization: Bearer a.b.c\r\n".to_owned(), "Bearer error=\"invalid_token\""),
        (expired.bearer(), "Bearer error=\"invalid_token\""),
    ] {
        let seen = app.case(None, get("/api/x", &extra)).denied();
        let answer = seen.answer();
        assert_eq!((answer.status, answer.field("content-type")), (401, Some("application/problem+json")));
        assert_eq!(answer.field("www-authenticate"), Some(challenge), "{extra:?}");
        let body = answer.json();
        assert_eq!(
            (body["status"].as_u64(), body["type"].as_str()),
            (Some(401), Some("urn:stagedoor:problem:unauthenticated"))
        );
        assert!(body.get("reason").is_none(), "a 401 says the same for every fault: {body}");
        assert!(answer.field("x-request-id").is_some());
    }
    let seen = app.case(Some(&user), get("/admin/x", &user.bearer())).denied();
    assert_eq!(
        (seen.answer().status, seen.answer().field("content-type")),
        (403, Some("application/problem+json"))
    );
    assert_eq!(seen.answer().json()["reason"], "role_required");
}

#[test]
fn people_get_pages() {
    let app = TestApp::start();
    let user = app.person("user");
    let mut browser = Browser::of(&app, &user);
    let page = browser.visit("/admin/x");
    assert_eq!((page.status, page.field("content-type")), (403, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("You may not do this"), "{}", page.text());
    assert!(page.field("content-security-policy").is_some_and(|p| p.contains("default-src 'none'")));
    assert_eq!(app.upstream().count(), 0);
    // The same for a script on that page is no page.
    let problem = browser.fetch("GET", "/admin/x", "", b"");
    assert_eq!((problem.status, problem.field("content-type")), (403, Some("application/problem+json")));
    let missing = browser.visit("/nowhere/at/all");
    assert!(
        matches!(missing.status, 403 | 404)
            && missing.field("content-type").is_some_and(|t| t.starts_with("text/html"))
    );
}

#[test]
fn a_websocket_is_refused_before_the_upgrade() {
    let app = TestApp::start();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let seen = app.case(None, get("/ws", &format!("{upgrade}Sec-Fetch-Mode: websocket\r\n"))).denied();
    assert_eq!(
        (seen.answer().status, seen.answer().field("content-type")),
        (401, Some("application/problem+json"))
    );
}

#[test]
fn c_06_a_cookie_is_no_credential_for_another_site() {
    let app = TestApp::start();
    let user = app.person("user");
    for site in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "",
    ] {
        let extra = format!("{site}{}", user.cookies());
        app.case(Some(&user), request("POST", "/api/x", &extra, b"a=b")).denied();
        app.case(Some(&user), request("DELETE", "/api/x", &extra, b"")).denied();
        app.case(Some(&user), get("/api/x", &extra)).allowed();
        // A bearer token nobody's browser adds by itself.
        app.case(Some(&user), request("POST", "/api/x", &format!("{site}{}", user.bearer()), b"a=b"))
            .allowed();
    }
    let own = format!("Origin: {}\r\n{}", app.public_url(), user.cookies());
    app.case(Some(&user), request("POST", "/api/x", &own, b"a=b")).allowed();
}

#[test]
fn an_expired_cookie_is_refreshed_on_the_way() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
    });
    let user = app.person("user");
    let mut browser = Browser::of(&app, &user);
    app.advance(LATER);
    app.case(None, get("/api/x", &user.bearer())).denied();
    let answer = browser.visit("/api/page");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let access = answer.cookie("stagedoor_access").expect("a new access cookie");
    let refresh = answer.cookie("stagedoor_refresh").expect("a new refresh cookie");
    assert!(access != user.access && refresh != user.refresh);
    for cookie in answer.all("set-cookie") {
        assert!(
            cookie.contains("; HttpOnly")
                && cookie.contains("; SameSite=Lax")
                && cookie.contains("; Path=/;"),
            "{cookie}"
        );
    }
    let seen = app.judge_since(0, Some(&user), "refreshed");
    assert_eq!(seen.len(), 1);
    let head = String::from_utf8_lossy(&seen[0].head).into_owned();
    assert!(!head.contains(&access) && !head.contains(&refresh), "new tokens at the upstream: {head}");
    // The new ones are good, without another refresh.
    let again = browser.visit("/api/page");
    assert_eq!((again.status, again.all("set-cookie").len()), (200, 0));
}

#[test]
fn the_body_of_a_refreshed_request_is_not_lost() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
    });
    let user = app.person("user");
    let mut browser = Browser::of(&app, &user);
    let body: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    app.advance(LATER);
    let answer = browser.fetch("POST", "/api/form", "Content-Type: application/octet-stream\r\n", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = app.judge_since(0, Some(&user), "refreshed POST");
    assert_eq!((seen.len(), seen[0].body == body), (1, true));
    // The same in chunks.
    app.advance(LATER);
    let mut client = app.connect();
    let head = browser.bytes(
        "POST",
        "/api/form",
        &format!("Origin: {}\r\nTransfer-Encoding: chunked\r\n", app.public_url()),
        b"",
    );
    let head = String::from_utf8(head).unwrap().replace("Content-Length: 0\r\n", "");
    client.send(head).send("5\r\nhello\r\n").send("6\r\n world\r\n0\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.all("set-cookie").len()), (200, 2));
    assert_eq!(app.upstream().last().body, b"hello world");
    app.judge_since(1, Some(&user), "refreshed chunks");
}

#[test]
fn twenty_parallel_requests_share_one_refresh() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
    });
    let user = app.person("user");
    app.advance(LATER);
    let browser = Browser::of(&app, &user);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let tabs: Vec<_> = (0..20)
            .map(|n| {
                let mut tab = browser.clone();
                scope.spawn(move || {
                    tab.fetch("POST", &format!("/api/{n}"), "", format!("body {n}").as_bytes())
                })
            })
            .collect();
        tabs.into_iter().map(|t| t.join().expect("a tab")).collect()
    });
    let mut refreshed: Vec<String> = Vec::new();
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        refreshed.extend(answer.cookie("stagedoor_refresh"));
    }
    assert_eq!(refreshed.len(), 20);
    refreshed.dedup();
    assert_eq!(refreshed.len(), 1, "one parent has one child");
    let seen = app.judge_since(0, Some(&user), "parallel refresh");
    assert_eq!(seen.len(), 20);
    for request in seen {
        let n = request.target.trim_start_matches("/api/");
        assert_eq!(request.body, format!("body {n}").as_bytes());
    }
    assert_eq!(app.metric("stagedoor_refreshes_total", "rotated"), 1);
    // And the family is alive.
    let mut after = browser;
    after.keep(&answers[7]);
    app.advance(LATER);
    assert_eq!(after.visit("/api/later").status, 200);
}

#[test]
fn a_dead_session_is_told_so_once() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
    });
    let user = app.person("user");
    let mut browser = Browser::of(&app, &user);
    app.advance(Duration::from_secs(31 * 60));
    let answer = browser.visit("/api/page");
    assert_eq!(answer.status, 303);
    assert!(answer.field("location").is_some_and(|l| l.starts_with("/auth/login/?next=")));
    assert_eq!(answer.all("set-cookie").iter().filter(|c| c.contains("Max-Age=0")).count(), 2);
    assert_eq!((browser.cookie("stagedoor_access"), browser.cookie("stagedoor_refresh")), (None, None));
    // On a public path the rest of the page still comes.
    let mut browser = Browser::of(&app, &user);
    assert_eq!(browser.visit("/public/x").status, 200);
    app.judge_since(0, None, "a dead session");
}

#[test]
fn a_used_refresh_token_ends_the_session() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
    });
    let user = app.person("user");
    let (mut owner, mut thief) = (Browser::of(&app, &user), Browser::of(&app, &user));
    app.advance(LATER);
    assert_eq!(owner.visit("/api/x").status, 200);
    app.advance(Duration::from_secs(11));
    assert_eq!(thief.visit("/api/x").status, 303);
    assert_eq!(owner.visit("/api/x").status, 303, "nobody keeps a session that was copied");
    assert_eq!(app.upstream().count(), 1);
    assert!(app.mail_to(&user.email, 0).text.contains("127.0.0.1"));
}

#[test]
fn bearer_clients_are_not_refreshed_for() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
    });
    let user = app.person("user");
    app.advance(LATER);
    let both = format!("{}Cookie: stagedoor_refresh={}\r\n", user.bearer(), user.refresh);
    let seen = app.case(None, get("/api/x", &both)).denied();
    assert_eq!(seen.answer().all("set-cookie").len(), 0);
    assert_eq!(app.metric("stagedoor_refreshes_total", ""), 0);
}

#[test]
fn a_signed_out_token_stops_at_once() {
    let app = TestApp::start();
    let user = app.person("user");
    let other = app.sign_in(&user.email);
    let mut client: RawClient = app.connect();
    let mut status = |person: &Person| {
        client.send(get("/api/x", &person.bearer()));
        client.answer().unwrap().status
    };
    assert_eq!((status(&user), status(&other)), (200, 200));
    let out = app.post_json("/logout/", &user.bearer(), &serde_json::json!({}));
    assert!(matches!(out.status, 200 | 204), "{}", out.text());
    assert_eq!((status(&user), status(&other)), (401, 200), "on the same connection, the next request");
}
