//! The same flows through the pages: forms, cookies, redirects, and requests that another site makes a browser send.

use std::time::Duration;

use crate::flows_mail::link_and_code;
use crate::support::{Answer, Browser, PASSWORD, TestApp, request};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// Where a form leads on.
pub fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.field("location").expect("a location")
}

/// The value of a hidden field.
pub fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page.split_once(&start).unwrap_or_else(|| panic!("no {name}: {page}")).1;
    rest.split('"').next().unwrap_or_default().replace("&#38;", "&").replace("&amp;", "&")
}

#[test]
fn a_person_registers_confirms_signs_in_and_is_taken_back() {
    let app = TestApp::start();
    let mut browser = Browser::new(&app);
    let sign_in = location(&browser.visit("/api/page?x=1&y=2")).to_owned();
    assert!(sign_in.starts_with("/auth/login/?next="), "{sign_in}");
    assert_eq!(browser.visit("/auth/register/").status, 200);
    let fields = [
        ("name", "Nora Newcomer"),
        ("email", "nora@example.org"),
        ("password", PASSWORD),
        ("password_confirm", PASSWORD),
        ("role", "user"),
    ];
    let sent = browser.post_form("/auth/register/", &fields);
    assert!(location(&sent).starts_with("/auth/check-mail/"), "{sent:?}");
    let check = browser.visit(location(&sent)).text();
    assert!(
        check.contains("nora@example.org") && check.contains("one-time-code"),
        "the page knows the address"
    );

    let (link, _) = link_and_code(&app, &app.mail_to("nora@example.org", 0).text);
    let page = browser.visit(&link);
    assert!(page.status == 200 && page.text().contains("<form method=\"post\">"), "{}", page.text());
    assert_eq!(location(&browser.post_form(&link, &[])), "/auth/verified/");
    assert_eq!(browser.visit("/auth/verified/").status, 200);
    let used = browser.visit(&link);
    assert!(used.status == 400 && used.text().contains("not valid any more"), "{}", used.status);

    let page = browser.visit(&sign_in).text();
    let (next, mac) = (hidden(&page, "next"), hidden(&page, "mac"));
    assert_eq!(next, "/api/page?x=1&y=2");
    let fields = [("email", "nora@example.org"), ("password", PASSWORD), ("next", &next), ("mac", &mac)];
    let answer = browser.post_form("/auth/login/", &fields);
    assert_eq!(location(&answer), next);
    assert_eq!(browser.visit(&next).status, 200);
    assert!(browser.visit("/auth/").text().contains("Nora Newcomer"));
}

#[test]
fn a_typed_code_confirms_through_the_page_too() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let mut browser = Browser::new(&app);
    let fields = [
        ("name", "Nora"),
        ("email", "n@example.org"),
        ("password", PASSWORD),
        ("password_confirm", PASSWORD),
    ];
    browser.post_form("/auth/register/", &fields);
    let refused =
        browser.post_form("/auth/verify-email/code/", &[("email", "n@example.org"), ("code", "12")]);
    assert!(refused.status == 400 && refused.text().contains("role=\"alert\""), "{}", refused.text());
    app.advance(Duration::from_secs(61));
    let again = browser.post_form("/auth/resend-verification/", &[("email", "n@example.org"), ("code", "")]);
    assert!(location(&again).starts_with("/auth/check-mail/?notice=resent"));
    let (_, code) = link_and_code(&app, &app.mail_to("n@example.org", 1).text);
    let spaced = format!(" {} {}-{} ", &code[..2], &code[2..4], &code[4..]);
    let done =
        browser.post_form("/auth/verify-email/code/", &[("email", "n@example.org"), ("code", &spaced)]);
    assert_eq!(location(&done), "/auth/verified/");
}

#[test]
fn c_01_only_a_target_that_we_signed_is_gone_to() {
    let app = TestApp::start();
    let person = app.person("user");
    let mut browser = Browser::new(&app);
    let page = browser.visit(location(&browser.clone().visit("/api/page"))).text();
    let mac = hidden(&page, "mac");
    for next in [
        "/api/other",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/%09/evil.example",
        "/api/page?x",
        "http://localhost@evil.example/",
        "",
    ] {
        let fields =
            [("email", person.email.as_str()), ("password", PASSWORD), ("next", next), ("mac", &mac)];
        assert_eq!(location(&browser.clone().post_form("/auth/login/", &fields)), "/auth/", "{next}");
        let query: String =
            percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC).collect();
        let shown = browser.visit(&format!("/auth/login/?next={query}&mac={mac}")).text();
        assert!(!shown.contains("name=\"next\""), "{next}: {shown}");
    }
}

#[test]
fn wrong_input_is_shown_again_without_the_passwords() {
    let app = TestApp::start();
    let mut browser = Browser::new(&app);
    let fields =
        [("name", "<b>Nora</b>"), ("email", "nora@"), ("password", "Secret-abc"), ("password_confirm", "x")];
    let page = browser.post_form("/auth/register/", &fields);
    let text = page.text();
    assert_eq!(page.status, 422, "{text}");
    assert!(text.contains("id=\"email-error\"") && text.contains("id=\"password_confirm-error\""), "{text}");
    assert!(!text.contains("<b>Nora") && !text.contains("Secret-abc"), "C-03: {text}");
    let fields = [("email", "nobody@example.org"), ("password", "Wrong-Pass-1")];
    let page = browser.post_form("/auth/login/", &fields);
    assert!(page.status == 401 && page.text().contains("role=\"alert\""), "{}", page.text());
    assert!(page.all("set-cookie").is_empty());
}

/// A form post as another site would cause it, with these Fetch Metadata.
fn from_elsewhere(browser: &mut Browser, path: &str, metadata: &str, body: &str) -> Answer {
    let extra = format!("{FORM}{metadata}");
    let bytes = browser.bytes("POST", path, &extra, body.as_bytes());
    browser.send(&bytes)
}

#[test]
fn c_06_l_19_another_site_can_make_a_browser_do_nothing() {
    let app = TestApp::start();
    let person = app.person("user");
    let credentials = format!("email={}&password={PASSWORD}", person.email.replace('@', "%40"));
    let elsewhere = [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://localhost:1\r\n",
    ];
    for metadata in elsewhere {
        let mut fresh = Browser::new(&app);
        let answer = from_elsewhere(&mut fresh, "/auth/login/", metadata, &credentials);
        assert_eq!((answer.status, fresh.cookie("stagedoor_access")), (403, None), "L-19: {metadata}");
        let mut signed_in = Browser::of(&app, &person);
        for path in [
            "/auth/logout/",
            "/auth/register/",
            "/auth/login/",
            "/auth/token/refresh/",
            "/auth/resend-verification/",
        ] {
            assert_eq!(from_elsewhere(&mut signed_in, path, metadata, "").status, 403, "{path} {metadata}");
        }
        let before = app.upstream().count();
        assert_eq!(from_elsewhere(&mut signed_in, "/api/change", metadata, "x=1").status, 403, "{metadata}");
        assert_eq!(app.upstream().count(), before, "the upstream is protected too: {metadata}");
    }
    let mut silent = Browser::of(&app, &person);
    assert_eq!(
        from_elsewhere(&mut silent, "/api/change", "", "x=1").status,
        403,
        "cookies without any proof"
    );
    let json = "Content-Type: text/plain\r\nSec-Fetch-Site: cross-site\r\n";
    let bytes = silent.bytes("POST", "/auth/logout/", json, b"{\"all\":true}");
    assert_eq!(silent.send(&bytes).status, 403, "JSON as text/plain");
    let mut own = Browser::of(&app, &person);
    assert_eq!(own.fetch("POST", "/api/change", "", b"x=1").status, 200, "positive control: our own page");
    let bearer = format!("{}Origin: https://other.example\r\n", person.bearer());
    assert_eq!(app.ask(request("POST", "/api/change", &bearer, b"")).status, 200, "a program with a token");
}

#[test]
fn signing_out_takes_a_button_and_clears_the_browser() {
    let app = TestApp::start();
    let person = app.person("user");
    let mut browser = Browser::of(&app, &person);
    let page = browser.visit("/auth/logout/");
    assert!(page.status == 200 && page.text().contains(&person.email), "{}", page.text());
    assert_eq!(browser.visit("/api/x").status, 200, "looking at the page signs nobody out");
    let mut thief = browser.clone();
    let done = browser.post_form("/auth/logout/", &[]);
    assert_eq!(location(&done), "/auth/login/?notice=signed-out");
    assert!(
        done.field("clear-site-data").is_some_and(|v| v.contains("\"cache\"") && v.contains("\"storage\""))
    );
    for cookie in done.all("set-cookie") {
        assert!(cookie.contains("=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"), "{cookie}");
    }
    assert_eq!((browser.cookie("stagedoor_access"), browser.cookie("stagedoor_refresh")), (None, None));
    assert!(location(&thief.visit("/api/x")).starts_with("/auth/login/"), "the old cookies are dead");
    assert!(browser.visit("/auth/login/?notice=signed-out").text().contains("You are signed out."));
}

/// What was sent cannot be sent once more by us; but who sent it must find the page where the sign-in is made fresh.
#[test]
fn a_rule_that_wants_a_fresh_sign_in_leads_a_form_to_where_one_proves_it_again() {
    let app = TestApp::with(|setup| {
        setup.manual_clock().rule("{ path: /fresh/**, allow: { max_age: 5m } }");
    });
    let person = app.person("user");
    let long = format!("/fresh/{}", "x".repeat(3000));
    for target in ["/fresh/x", long.as_str()] {
        let mut browser = Browser::of(&app, &app.sign_in(&person.email));
        app.advance(Duration::from_secs(6 * 60));
        let refused = match target {
            "/fresh/x" => browser.post_form(target, &[("vote", "yes")]),
            // Too long to be returned to.
            _ => browser.visit(target),
        };
        let page = browser.visit(location(&refused));
        assert!(page.status == 200 && page.text().contains("name=\"password\""), "{}", page.text());
        let (next, mac) = (hidden(&page.text(), "next"), hidden(&page.text(), "mac"));
        let fields =
            [("email", person.email.as_str()), ("password", PASSWORD), ("next", &next), ("mac", &mac)];
        assert_eq!(location(&browser.post_form("/auth/login/", &fields)), "/auth/");
        assert_eq!(browser.post_form("/fresh/x", &[("vote", "yes")]).status, 200);
    }
    // Nobody is asked without a target as ever.
    let nobody = Browser::new(&app).post_form("/fresh/x", &[("vote", "yes")]);
    assert_eq!(location(&nobody), "/auth/login/");
}
