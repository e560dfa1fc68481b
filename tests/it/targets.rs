//! Group C of the security cases, C-01 and C-02: where a person can be sent after signing in. The tricks are those known from
//! other programs, on every page and form that takes a target.

use std::time::Duration;

use crate::support::{Answer, Browser, PASSWORD, Person, TestApp, request, until};

/// What a target must never be. `evil.example` stands for anybody else.
const TRICKS: &[&str] = &[
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "//evil.example/%2f..",
    "//evil.example/%2e%2e",
    "//evil.example:80",
    "//user@evil.example",
    "//localhost@evil.example",
    "//evil%E3%80%82example",
    "//evil.example\\@localhost",
    "/\\evil.example",
    "/\\/evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "\\/\\/evil.example",
    "/%09/evil.example",
    "/\t/evil.example",
    "/%0a/evil.example",
    "/%0d/evil.example",
    "/\n/evil.example",
    "/%5cevil.example",
    "/%5c%5cevil.example",
    "/%2fevil.example",
    "/%2f%2fevil.example",
    "/%252fevil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/./\\evil.example",
    "/..;//evil.example",
    "/x/..//evil.example",
    "/x/../../evil.example",
    "/%2e%2e//evil.example",
    "/?//evil.example/..",
    " //evil.example",
    "\t//evil.example",
    "\0//evil.example",
    "%00//evil.example",
    "%09//evil.example",
    "//\u{ff0f}evil.example",
    "/\u{ff0f}evil.example",
    "/\u{2215}evil.example",
    "https://evil.example",
    "HTTPS://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "ht\ntps://evil.example",
    "http://localhost@evil.example",
    "http://localhost.evil.example",
    "http://localhost:80@evil.example",
    "http://evil.example#localhost",
    "http://evil.example?localhost",
    "http://evil.example\\.localhost",
    "http://[::1]@evil.example",
    "http://0x7f000001",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "javascript://localhost/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:x",
    "file:///etc/passwd",
    "mailto:a@evil.example",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "?next=//evil.example",
    "#//evil.example",
    "/x\r\nLocation: //evil.example",
    "/<script>alert(1)</script>",
];

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).collect()
}

/// A target that the gateway has signed, as the sign-in page got it: target and signature.
fn signed(app: &TestApp) -> (String, String) {
    let answer = Browser::new(app).visit("/api/page?x=1");
    let location = answer.field("location").expect("to the sign-in page").to_owned();
    let query = location.split_once('?').expect("a query").1;
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).expect(name).1.clone();
    (value("next"), value("mac"))
}

/// Neither a field nor a link nor a header of the answer leads to the trick.
fn ignored(answer: &Answer, trick: &str, what: &str) {
    let head = String::from_utf8_lossy(&answer.raw).into_owned();
    assert!(!head.contains("evil.example"), "{what} {trick:?}: {head}");
    assert!(!answer.text().contains("name=\"next\""), "{what} {trick:?}: {}", answer.text());
    assert!(!answer.text().contains("alert(1)"), "C-03: {what} {trick:?}");
    if let Some(location) = answer.field("location") {
        assert!(
            location.starts_with("/auth/") && !location.contains("next="),
            "{what} {trick:?}: {location}"
        );
    }
}

/// Every query and form, with a signature that fits another target, none, and a made-up one.
fn macs(mac: &str) -> [String; 3] {
    [mac.to_owned(), String::new(), "A".repeat(mac.len())]
}

#[test]
fn c_01_c_02_no_page_takes_a_target_from_anybody_else() {
    let app = TestApp::start();
    let (next, mac) = signed(&app);
    let mut browser = Browser::new(&app);
    for trick in TRICKS {
        for mac in macs(&mac) {
            for name in ["next", "rd", "redirect", "return_to", "url"] {
                for page in ["login", "register", "logout", "password-reset", "check-mail", "verified"] {
                    let target = format!("/auth/{page}/?{name}={}&mac={mac}", encoded(trick));
                    if name == "next" || page == "login" {
                        ignored(&browser.visit(&target), trick, page);
                    }
                }
            }
        }
    }
    let page = browser.visit(&format!("/auth/login/?next={}&mac={}", encoded(&next), encoded(&mac)));
    assert!(page.text().contains("name=\"next\""), "positive control");
}

#[test]
fn c_01_c_02_no_form_goes_anywhere_else() {
    let app = TestApp::start();
    let (next, mac) = signed(&app);
    let person = app.person("user");
    for trick in TRICKS {
        for mac in macs(&mac) {
            let fields =
                [("email", person.email.as_str()), ("password", PASSWORD), ("next", trick), ("mac", &mac)];
            let answer = Browser::new(&app).post_form("/auth/login/", &fields);
            assert_eq!((answer.status, answer.field("location")), (303, Some("/auth/")), "{trick:?}");
            let wrong = [("email", person.email.as_str()), ("password", ""), ("next", trick), ("mac", &mac)];
            ignored(&Browser::new(&app).post_form("/auth/login/", &wrong), trick, "a wrong password");
        }
    }
    let fields = [("email", person.email.as_str()), ("password", PASSWORD), ("next", &next), ("mac", &mac)];
    assert_eq!(
        Browser::new(&app).post_form("/auth/login/", &fields).field("location"),
        Some(next.as_str()),
        "positive control"
    );
}

/// Somebody with codes by mail, and a browser that waits for one.
fn waiting(app: &TestApp) -> (Person, Browser) {
    let person = app.person("user");
    let fields = format!("{}Content-Type: application/json\r\n", person.bearer());
    assert_eq!(app.ask(request("POST", "/auth/2fa/email/", &fields, b"{}")).status, 200);
    let mut browser = Browser::new(app);
    let begun = browser.post_form("/auth/login/", &[("email", &person.email), ("password", PASSWORD)]);
    assert_eq!((begun.status, begun.field("location")), (303, Some("/auth/second-factor/")));
    (person, browser)
}

#[test]
fn c_01_c_02_the_second_factor_goes_nowhere_else() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let (next, mac) = signed(&app);
    let (person, mut browser) = waiting(&app);
    let code = until("a code", || {
        let is_code = |w: &&str| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit());
        app.mails_to(&person.email)
            .iter()
            .find_map(|m| m.text.split_whitespace().find(is_code).map(str::to_owned))
    });
    let page = format!("/auth/second-factor/?next={}&mac={}", encoded(&next), encoded(&mac));
    assert!(browser.visit(&page).text().contains("name=\"next\""), "positive control");
    for trick in TRICKS {
        for mac in macs(&mac) {
            let page = format!("/auth/second-factor/?next={}&mac={}", encoded(trick), encoded(&mac));
            ignored(&browser.visit(&page), trick, "the page");
        }
        // Sending again is limited, and goes back to the page in any case.
        app.advance(Duration::from_secs(1));
        let fields = [("method", "email"), ("code", ""), ("next", trick), ("mac", &mac)];
        ignored(&browser.clone().post_form("/auth/second-factor/resend/", &fields), trick, "again");
        ignored(&browser.clone().post_form("/auth/second-factor/", &fields), trick, "no code");
    }
    let fields = [("method", "email"), ("code", &code), ("next", "//evil.example"), ("mac", &mac)];
    let answer = browser.post_form("/auth/second-factor/", &fields);
    assert_ne!(answer.field("location"), Some("//evil.example"));
    ignored(&answer, "//evil.example", "done");
}
