//! A refresh on the way, seen from the answer: its cookies arrive, go nowhere else, and never undo what the person asked for.

use std::io::Write as _;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::support::{Browser, PASSWORD, Person, RawClient, TestApp, get, request};

/// Past the end of an access token, but not of the session.
const LATER: Duration = Duration::from_secs(11 * 60);

/// A browser whose access token has just ended.
fn late(app: &TestApp) -> (Person, Browser) {
    let user = app.person("user");
    let browser = Browser::of(app, &user);
    app.advance(LATER);
    (user, browser)
}

fn with_clock() -> TestApp {
    TestApp::with(|setup| {
        setup.manual_clock();
    })
}

#[test]
fn c_15_new_tokens_make_a_public_answer_private() {
    let app = with_clock();
    app.upstream().canned(
        "/public/app.css",
        "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=31536000\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
    );
    let (_, mut browser) = late(&app);
    let answer = browser.visit("/public/app.css");
    assert_eq!((answer.status, answer.all("set-cookie").len()), (200, 2));
    assert_eq!(answer.field("cache-control"), Some("private, no-store"));
    assert_eq!(answer.field("expires"), None);
    // Without new tokens the application's word stands.
    let again = browser.visit("/public/app.css");
    assert_eq!(again.field("cache-control"), Some("public, max-age=31536000"));
}

#[test]
fn an_interim_answer_does_not_swallow_the_new_tokens() {
    let app = with_clock();
    app.upstream().canned(
        "/api/hints",
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    let (_, mut browser) = late(&app);
    let answer = browser.visit("/api/hints");
    assert_eq!((answer.status, answer.all("set-cookie").len()), (200, 2));
}

#[test]
fn t_02_a_slow_page_and_a_reload_are_no_reuse() {
    let app = with_clock();
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    app.upstream().script("/api/slow", move |_, stream| {
        let _ = released.lock().unwrap().recv_timeout(Duration::from_secs(20));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        crate::support::Next::KeepAlive
    });
    let (_, mut browser) = late(&app);
    let before = app.upstream().count();
    let mut waiting = app.connect();
    waiting.send(browser.bytes("GET", "/api/slow", "", b""));
    crate::support::until("the upstream has it", || (app.upstream().count() > before).then_some(()));
    // Longer than the window in which a parent gets the same child; the browser still has the old token.
    app.advance(Duration::from_secs(60));
    let reloaded = browser.visit("/api/page");
    assert_eq!((reloaded.status, reloaded.all("set-cookie").len()), (200, 2));
    app.advance(Duration::from_secs(60));
    release.send(()).unwrap();
    let slow = waiting.answer().expect("an answer");
    assert_eq!((slow.status, slow.all("set-cookie").len()), (200, 0), "the reload had the newer tokens");
    app.advance(LATER);
    assert_eq!(browser.visit("/api/page").status, 200, "the session lives");
    assert_eq!(app.metric("stagedoor_refreshes_total", "reused"), 0);
}

#[test]
fn l_18_signing_in_has_the_last_word_over_a_refresh() {
    let app = with_clock();
    let (first, mut browser) = late(&app);
    let second = app.person("user");
    let signed_in = browser.post_form("/auth/login/", &[("email", &second.email), ("password", PASSWORD)]);
    assert_eq!(signed_in.status, 303);
    assert_eq!(signed_in.all("set-cookie").len(), 3, "its own two cookies, the device's, and no others");
    assert_eq!(browser.visit("/api/page").status, 200);
    let id = app.upstream().last().field("x-auth-user-id");
    assert_eq!(id, Some(second.id.to_string()), "and not {}", first.id);
}

#[test]
fn t_13_signing_out_has_the_last_word_over_a_refresh() {
    let app = with_clock();
    let (_, mut browser) = late(&app);
    let out = browser.post_form("/auth/logout/", &[]);
    assert!(out.all("set-cookie").iter().all(|c| c.contains("Max-Age=0")), "{:?}", out.all("set-cookie"));
    assert_eq!(browser.visit("/api/page").status, 303, "to the sign-in page");
}

#[test]
fn t_09_a_dead_session_ends_no_others() {
    let app = TestApp::start();
    let owner = app.person("user");
    let other = app.sign_in(&owner.email);
    assert_eq!(app.post_json("/logout/", "", &json!({ "refresh": other.refresh })).status, 204);
    // Whoever holds the tokens of the ended session cannot sign the owner out everywhere.
    assert_eq!(app.post_json("/logout/", "", &json!({ "refresh": other.refresh, "all": true })).status, 204);
    assert_eq!(app.post_json("/logout/", &other.bearer(), &json!({ "all": true })).status, 204);
    app.case(Some(&owner), get("/api/x", &owner.bearer())).allowed();
}

#[test]
fn c_06_another_site_cannot_sign_a_browser_out() {
    let app = TestApp::start();
    for kind in ["", "Content-Type: text/plain\r\n"] {
        let fields = format!("Sec-Fetch-Site: cross-site\r\n{kind}");
        let answer = app.ask(request("POST", "/auth/logout/", &fields, b""));
        assert_eq!((answer.status, answer.field("clear-site-data")), (403, None), "{kind:?}");
    }
}

#[test]
fn a_refusal_after_an_interim_answer_is_written_and_ends_the_connection() {
    let app = TestApp::start();
    let mut client: RawClient = app.connect();
    client.send("POST /auth/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.head().expect("an invitation").status, 100);
    let chunk = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
    for _ in 0..6 {
        let _ = client.try_send(chunk.as_bytes());
    }
    let answer = client.answer().expect("a refusal");
    assert_eq!((answer.status, &answer.json()["reason"]), (413, &"body_too_large".into()));
}

#[test]
fn without_an_answer_about_the_session_public_paths_go_on_and_others_wait() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
        setup.tweak(|settings| settings.account.rate_limits.refresh.limit = 1);
    });
    let user = app.person("user");
    app.advance(LATER);
    // A client that keeps none of the new cookies: twenty looks for the one refresh, then it is too much.
    for _ in 0..20 {
        assert_eq!(app.ask(get("/api/x", &user.cookies())).status, 200);
    }
    assert_eq!(app.ask(get("/public/x", &user.cookies())).status, 200);
    let answer = app.ask(get("/api/x", &user.cookies()));
    assert_eq!(
        (answer.status, answer.field("retry-after")),
        (503, Some("2")),
        "never 401: {}",
        answer.text()
    );
    assert!(answer.all("set-cookie").is_empty(), "nobody is signed out for it");
    // Nor do our own endpoints say that nobody is signed in: nobody knows.
    for own in ["/auth/me/", "/auth/profile/"] {
        assert_eq!(app.ask(get(own, &user.cookies())).status, 503, "{own}");
    }
}

#[test]
fn a_trusted_proxy_brings_the_connections_of_many() {
    let app = TestApp::with(|setup| {
        setup.tweak(|settings| {
            settings.proxy.limits.connections_per_address = 2;
            settings.proxy.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        });
    });
    let mut clients: Vec<RawClient> = (0..6).map(|_| app.connect()).collect();
    for client in &mut clients {
        client.send(get("/public/x", "X-Forwarded-For: 203.0.113.9\r\n"));
        assert_eq!(client.answer().map(|a| a.status), Ok(200));
    }
}

#[test]
fn only_websockets_count_as_upgrades() {
    let app = TestApp::start();
    let user = app.person("user");
    // A cookie and an upgrade nobody passes on: an ordinary GET, also without Fetch Metadata.
    let cookie = format!("{}Connection: Upgrade\r\nUpgrade: h2c\r\n", user.cookies());
    let answer = app.ask(get("/api/x", &cookie));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn l_18_a_browser_that_signs_in_again_ends_the_session_it_had() {
    let app = TestApp::start();
    let (first, second) = (app.person("user"), app.person("user"));
    for by_form in [true, false] {
        let first = app.sign_in(&first.email);
        let mut browser = Browser::of(&app, &first);
        let status = if by_form {
            browser.post_form("/auth/login/", &[("email", &second.email), ("password", PASSWORD)]).status
        } else {
            let body =
                json!({ "email": second.email, "password": PASSWORD, "session": "cookie" }).to_string();
            browser
                .fetch("POST", "/auth/token/", "Content-Type: application/json\r\n", body.as_bytes())
                .status
        };
        assert!([303, 200].contains(&status), "{status}");
        app.case(Some(&first), get("/api/x", &first.bearer())).denied();
        let again = app.post_json("/token/refresh/", "", &json!({ "refresh": first.refresh }));
        assert_eq!(again.status, 401, "by form: {by_form}");
        assert_eq!(browser.visit("/api/page").status, 200);
    }
}

/// A route that passes the access token on passes on the one that counts, however the request came by it.
#[test]
fn i_14_a_token_that_was_renewed_on_the_way_is_the_one_that_is_forwarded() {
    let app = TestApp::with(|setup| {
        setup.manual_clock().route("{ path: /api/forward/**, upstream: app, forward_token: true }");
    });
    let ended = "theme=dark; stagedoor_access={access}; lang=de; stagedoor_refresh={refresh}";
    for cookies in [
        "stagedoor_refresh={refresh}",
        "theme=dark; stagedoor_refresh={refresh}; lang=de",
        ended,
        // Another spelling is no credential of ours, and must not stand beside the new one.
        "theme=dark; __Host-stagedoor_access={access}; stagedoor_refresh={refresh}",
    ] {
        let (user, _) = late(&app);
        let sent = cookies.replace("{access}", &user.access).replace("{refresh}", &user.refresh);
        let answer = app.ask(get("/api/forward/x", &format!("Cookie: {sent}\r\n")));
        assert_eq!(answer.status, 200, "{cookies}: {}", answer.text());
        let seen = app.upstream().last();
        assert_eq!(seen.field("x-auth-user-id"), Some(user.id.to_string()), "{cookies}");
        let got = seen.field("cookie").unwrap_or_default();
        let ours: Vec<_> = got.split("; ").filter(|c| c.contains("stagedoor_")).collect();
        let [ours] = ours[..] else { panic!("{cookies}: the upstream got {got:?}") };
        let token = ours.strip_prefix("stagedoor_access=").unwrap_or_else(|| panic!("{got}"));
        let claims = crate::jwt_forge::payload_of(token);
        assert_eq!(claims["sub"], user.id.to_string(), "{cookies}");
        assert!(claims["exp"].as_i64() > Some(app.now().secs()), "{cookies}: an ended token: {claims}");
        for theirs in ["theme=dark", "lang=de"] {
            assert_eq!(got.contains(theirs), cookies.contains(theirs), "{cookies}: {got}");
        }
        let head = String::from_utf8_lossy(&seen.head).into_owned();
        assert!(!head.contains(&user.refresh), "{cookies}: the refresh token went on: {head}");
    }
    // Elsewhere neither goes on.
    let (user, _) = late(&app);
    app.case(Some(&user), get("/api/x", &user.cookies())).allowed();
    assert_eq!(app.upstream().last().field("cookie"), None);
}
