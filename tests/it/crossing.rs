//! Group C of the security cases: cookies that were tossed in (C-05), requests that another site makes a browser send (C-06,
//! C-09), what a browser keeps (C-12, C-15), and texts that would be code (C-03).

use serde_json::json;

use crate::flows_client::problem;
use crate::support::{Answer, Browser, PASSWORD, Person, TestApp, get, request};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// As people on the internet see it: cookies carry their prefix.
const HTTPS: &str = "https://gate.example";

fn by_https() -> TestApp {
    TestApp::with(|setup| {
        setup.tweak(|settings| {
            settings.gate.public_url = HTTPS.into();
            settings.account.public_url = HTTPS.into();
            settings.web.public_url = HTTPS.into();
        });
    })
}

const ACCESS: &str = "__Host-stagedoor_access";
const REFRESH: &str = "__Host-stagedoor_refresh";

/// A request to the upstream and one for new tokens, with these cookies and from our own page.
fn asked(app: &TestApp, cookie: &str) -> (Answer, Answer) {
    let own = format!("Origin: {HTTPS}\r\nSec-Fetch-Site: same-origin\r\n{cookie}");
    let json = format!("{own}Content-Type: application/json\r\n");
    (app.ask(get("/api/x", &own)), app.ask(request("POST", "/auth/token/refresh/", &json, b"{}")))
}

#[test]
fn c_05_tossed_cookies_open_nothing() {
    let app = by_https();
    let (person, other) = (app.person("user"), app.person("user"));
    let Person { access, refresh, .. } = &person;
    let many: String = (0..200).map(|n| format!("c{n}=v; ")).collect();
    for (what, cookie) in [
        (
            "two of each",
            format!(
                "{ACCESS}={access}; {ACCESS}={}; {REFRESH}={refresh}; {REFRESH}={}",
                other.access, other.refresh
            ),
        ),
        ("a planted one first", format!("{ACCESS}=x; {ACCESS}={access}; {REFRESH}=x; {REFRESH}={refresh}")),
        (
            "the prefix in lower case",
            format!("__host-stagedoor_access={access}; __host-stagedoor_refresh={refresh}"),
        ),
        ("no prefix", format!("stagedoor_access={access}; stagedoor_refresh={refresh}")),
        (
            "another prefix",
            format!("__Secure-stagedoor_access={access}; __Secure-stagedoor_refresh={refresh}"),
        ),
        ("quoted", format!("{ACCESS}=\"{access}\"; {REFRESH}=\"{refresh}\"")),
        ("inside another's quotes", format!("a=\"b\\; {ACCESS}x={access}; c=\"; {REFRESH}x={refresh}")),
        (
            "encoded",
            format!(
                "{ACCESS}={}; {REFRESH}={}",
                access.replace('.', "%2E"),
                refresh.replace('-', "%2D") + "%00"
            ),
        ),
        ("a comma between", format!("{ACCESS}={access},{REFRESH}={refresh}")),
    ] {
        let (api, renewed) = asked(&app, &format!("Cookie: {cookie}\r\n"));
        assert!([400, 401].contains(&api.status), "{what}: {}", api.text());
        assert!([400, 401].contains(&renewed.status), "{what}: {}", renewed.text());
    }
    let fields = format!("Cookie: {ACCESS}={access}\r\nCookie: {ACCESS}={}\r\n", other.access);
    assert_eq!(asked(&app, &fields).0.status, 401, "in two fields");
    assert_eq!(app.upstream().count(), 0);
    let among = format!("Cookie: {many}{ACCESS}={access}; {REFRESH}={refresh}\r\n");
    let (api, renewed) = asked(&app, &among);
    assert_eq!((api.status, renewed.status), (200, 200), "200 of the application's are no obstacle");
    let huge = format!("Cookie: a={}; {ACCESS}={access}\r\n", "x".repeat(64 * 1024));
    assert_eq!(app.ask(get("/api/x", &huge)).status, 431);
}

/// What changes something and can be sent by a form or a script of another page.
fn unsafe_calls(person: &Person) -> Vec<(&'static str, String)> {
    let id = person.id;
    let made = [
        ("POST", "/login/"),
        ("POST", "/register/"),
        ("POST", "/logout/"),
        ("POST", "/token/"),
        ("POST", "/token/refresh/"),
        ("POST", "/token/verify-otp/"),
        ("POST", "/token/resend-otp/"),
        ("POST", "/second-factor/"),
        ("POST", "/second-factor/resend/"),
        ("POST", "/verify-email/code/"),
        ("POST", "/resend-verification/"),
        ("POST", "/password-reset/"),
        ("POST", "/password-reset/confirm/"),
        ("POST", "/change-password/"),
        ("PATCH", "/profile/"),
        ("DELETE", "/profile/"),
        ("POST", "/change-email/"),
        ("POST", "/change-email/code/"),
        ("DELETE", "/sessions/"),
        ("DELETE", "/2fa/devices/"),
        ("POST", "/elevate/"),
        ("POST", "/2fa/email/"),
        ("DELETE", "/2fa/email/"),
        ("POST", "/2fa/totp/"),
        ("DELETE", "/2fa/totp/"),
        ("POST", "/2fa/totp/confirm/"),
        ("POST", "/2fa/recovery-codes/"),
        ("POST", "/bootstrap/"),
        ("POST", "/admin/users/"),
        ("POST", "/verify-email/u/t/"),
        ("POST", "/unlock/u/t/"),
        ("POST", "/not-me/u/t/"),
        ("POST", "/undo-deletion/u/t/"),
        ("POST", "/change-email/u/t/"),
    ];
    let mut calls: Vec<_> = made.map(|(method, path)| (method, format!("/auth{path}"))).to_vec();
    for (method, action) in [
        ("DELETE", ""),
        ("POST", "activate/"),
        ("POST", "deactivate/"),
        ("POST", "unlock/"),
        ("POST", "reset-password/"),
        ("PUT", "roles/"),
        ("DELETE", "sessions/"),
    ] {
        calls.push((method, format!("/auth/admin/users/{id}/{action}")));
    }
    calls.push(("DELETE", format!("/auth/sessions/{}/", person.session)));
    calls.push(("POST", format!("/auth/admin/approvals/{id}/")));
    calls.push(("POST", format!("/auth/admin/mail/{id}/retry/")));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        calls.push((method, "/api/change".into()));
        calls.push((method, "/public/change".into()));
    }
    calls
}

#[test]
fn c_06_nothing_of_ours_can_be_changed_from_another_site() {
    let app = TestApp::start();
    let admin = app.person("admin");
    let elsewhere = [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: same-origin\r\n",
        "Origin: https://evil.example\r\nReferer: http://localhost/auth/\r\n",
    ];
    let before = app.wait_for(app.store().read("SELECT id FROM audit", Vec::new())).unwrap().len();
    for (method, path) in unsafe_calls(&admin) {
        for metadata in elsewhere {
            for kind in [FORM, "Content-Type: text/plain\r\n", "Content-Type: application/json\r\n", ""] {
                let fields = format!("{metadata}{kind}{}", admin.cookies());
                let answer = app.ask(request(method, &path, &fields, b"{}"));
                let what = format!("{method} {path} {metadata}{kind}");
                assert_eq!(answer.status, 403, "{what}: {}", answer.text());
                assert!(answer.all("set-cookie").is_empty(), "{what}");
            }
        }
    }
    assert_eq!(app.upstream().count(), 0, "also where anybody may go");
    let after = app.wait_for(app.store().read("SELECT id FROM audit", Vec::new())).unwrap().len();
    assert_eq!(after, before, "nothing has happened");
    app.case(Some(&admin), get("/api/x", &admin.cookies())).allowed();
    let own = format!("Origin: {}\r\n{}", app.public_url(), admin.cookies());
    app.case(Some(&admin), request("POST", "/api/change", &own, b"")).allowed();
}

#[test]
fn c_09_a_websocket_with_a_cookie_comes_from_our_own_pages() {
    let app = TestApp::start();
    let person = app.person("user");
    for site in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://localhost\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "",
    ] {
        for connection in ["Upgrade", "keep-alive, UPGRADE"] {
            let upgrade = UPGRADE.replace("Connection: Upgrade", &format!("Connection: {connection}"));
            let seen = app.case(Some(&person), get("/ws", &format!("{upgrade}{site}{}", person.cookies())));
            assert_eq!(seen.denied().answer().status, 403, "{site}{connection}");
        }
    }
    assert_eq!(app.upstream().count(), 0);
    let own = format!("{UPGRADE}Origin: {}\r\n{}", app.public_url(), person.cookies());
    let mut client = app.connect();
    client.send(get("/ws", &own));
    assert_eq!(client.answer().map(|a| a.status), Ok(101), "positive control");
}

#[test]
fn c_12_every_way_out_clears_the_browser() {
    let app = TestApp::start();
    for (body, form) in [("{}", false), ("{\"all\":true}", false), ("", true), ("all=1", true)] {
        let person = app.person("user");
        let mut browser = Browser::of(&app, &person);
        let answer = match form {
            true if body.is_empty() => browser.post_form("/auth/logout/", &[]),
            true => browser.post_form("/auth/logout/", &[("all", "1")]),
            false => {
                browser.fetch("POST", "/auth/logout/", "Content-Type: application/json\r\n", body.as_bytes())
            }
        };
        assert_eq!(answer.status, if form { 303 } else { 204 }, "{body}");
        assert_eq!(answer.field("clear-site-data"), Some("\"cache\", \"storage\""), "{body}");
        for name in ["stagedoor_access", "stagedoor_refresh"] {
            let gone = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
            assert!(
                answer.all("set-cookie").contains(&gone.as_str()),
                "{body}: {:?}",
                answer.all("set-cookie")
            );
        }
        app.case(None, get("/api/x", &person.bearer())).denied();
    }
}

#[test]
fn c_15_nothing_is_kept_for_the_next_one() {
    let app = TestApp::start();
    let (first, second) = (app.person("user"), app.person("user"));
    let public = "Cache-Control: public, max-age=3600, s-maxage=3600\r\nETag: \"1\"\r\n";
    app.upstream().canned("/api/mine", format!("HTTP/1.1 200 OK\r\n{public}Content-Length: 2\r\n\r\nok"));
    for n in 1..=3 {
        for person in [&first, &second] {
            let answer = app.ask(get("/api/mine", &person.bearer()));
            assert_eq!((answer.status, answer.field("age")), (200, None), "round {n}");
        }
        assert_eq!(app.upstream().count(), n * 2, "each request reaches the application");
    }
    assert_eq!(app.ask(get("/api/mine", "")).status, 401, "not from any store");
    let refusal = app.ask(get("/api/mine", ""));
    assert_eq!(refusal.field("cache-control"), Some("no-store"));
}

/// What a browser would run.
const CODE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

#[test]
fn c_03_no_text_of_a_person_becomes_code() {
    let app = TestApp::start();
    let person = app.named_person("admin", CODE);
    let mut browser = Browser::of(&app, &person);
    let agent = format!("User-Agent: {CODE}\r\n");
    let body = json!({ "email": person.email, "password": PASSWORD }).to_string();
    let json_type = "Content-Type: application/json\r\n";
    assert_eq!(
        app.ask(request("POST", "/auth/token/", &format!("{agent}{json_type}"), body.as_bytes())).status,
        200
    );
    let escaped: String =
        percent_encoding::utf8_percent_encode(CODE, percent_encoding::NON_ALPHANUMERIC).collect();
    for page in [
        "/auth/".to_owned(),
        "/auth/logout/".into(),
        format!("/auth/login/?next={escaped}&notice={escaped}&error={escaped}&mac={escaped}"),
        format!("/auth/register/?name={escaped}&email={escaped}"),
        format!("/auth/check-mail/?email={escaped}&notice={escaped}"),
        format!("/auth/password-reset/?email={escaped}"),
        format!("/auth/password-reset/confirm/?email={escaped}"),
        format!("/auth/password-reset/{escaped}/{escaped}/"),
        format!("/auth/verify-email/{escaped}/{escaped}/"),
        format!("/auth/unlock/{escaped}/{escaped}/"),
        format!("/auth/not-me/{escaped}/{escaped}/"),
        format!("/auth/change-email/{escaped}/{escaped}/"),
        format!("/auth/undo-deletion/{escaped}/{escaped}/"),
        format!("/auth/second-factor/?method={escaped}&notice={escaped}"),
        format!("/auth/{escaped}/"),
        format!("/public/x?q={escaped}"),
        "/nothing/".into(),
        "/mfa/x".into(),
    ] {
        let answer = browser.visit(&page);
        let kind = answer.field("content-type").unwrap_or_default().to_owned();
        if kind.starts_with("text/html") {
            let html = answer.text();
            assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{page}: {html}");
            let policy = answer.field("content-security-policy").unwrap_or_default();
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{page}: {policy}");
        }
    }
    // JSON is no page, whatever it says.
    for path in
        ["/auth/sessions/", "/auth/activity/", "/auth/2fa/devices/", "/auth/me/", "/auth/admin/users/"]
    {
        let answer = browser.fetch("GET", path, "", b"");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.field("content-type"), Some("application/json"), "{path}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{path}");
    }
    let wrong = app.post_json("/token/", "", &json!({ "email": CODE, "password": CODE }));
    assert_eq!((wrong.status, problem(&wrong).as_str()), (422, "invalid-input"));
    let mails = crate::support::until("a mail about the new device", || {
        let mails = app.mails_to(&person.email);
        (!mails.is_empty()).then_some(mails)
    });
    for mail in mails {
        assert!(!mail.html.contains("<script") && !mail.html.contains("<img src=x"), "{}", mail.html);
        assert!(!mail.subject.contains('<'), "{}", mail.subject);
    }
}

#[test]
fn c_08_behind_https_every_answer_says_so() {
    let app = by_https();
    let person = app.person("user");
    let heads: [(&str, u16, Vec<u8>); 9] = [
        ("ours", 200, get("/auth/login/", "")),
        ("forwarded refusal", 401, get("/api/x", "")),
        ("role", 403, get("/admin/x", &person.bearer())),
        ("not ours", 404, get("/auth/nothing/", "")),
        ("path", 400, get("/api/../x", "")),
        ("two hosts", 400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec()),
        ("no http", 400, b"NONSENSE\r\n\r\n".to_vec()),
        ("too large", 431, get("/public/x", &format!("X: {}\r\n", "a".repeat(40_000)))),
        (
            "both lengths",
            400,
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        ),
    ];
    for (what, status, bytes) in heads {
        let answer = app.ask(&bytes);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert_eq!(answer.field("strict-transport-security"), Some("max-age=31536000"), "{what}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{what}");
        assert!(answer.field("cache-control").is_some_and(|v| v.contains("no-store")), "{what}");
        let id = answer.field("x-request-id").map(str::to_owned);
        let id = id.or_else(|| answer.json()["request_id"].as_str().map(str::to_owned));
        assert!(id.is_some(), "INV-7: {what}: {}", answer.text());
    }
}

/// Also on hosts on which nobody signs in; what an application says about it itself stands.
#[test]
fn c_08_behind_https_an_applications_answers_say_so_once() {
    let app = by_https();
    let said = |path: &str| app.ask(get(path, "")).field("strict-transport-security").map(str::to_owned);
    assert_eq!(said("/public/x").as_deref(), Some("max-age=31536000"));
    let own = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=60\r\nContent-Length: 0\r\n\r\n";
    app.upstream().canned("/public/own", own);
    assert_eq!(said("/public/own").as_deref(), Some("max-age=60"));
    let plain = TestApp::start();
    assert_eq!(plain.ask(get("/public/x", "")).field("strict-transport-security"), None);
}
