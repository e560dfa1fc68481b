//! The second step of a sign-in through its page: forms, cookies, redirects.

use std::time::Duration;

use serde_json::json;

use crate::flows_pages::{hidden, location};
use crate::second_factor::{call, mailed_code, shown, with_mail};
use crate::support::{Answer, Browser, PASSWORD, Person, TestApp};

const PAGE: &str = "/auth/second-factor/";
const RESEND: &str = "/auth/second-factor/resend/";
const EXPIRED: &str = "/auth/login/?notice=expired";

fn house() -> TestApp {
    TestApp::with(|setup| _ = setup.manual_clock())
}

/// The right password; where it leads.
fn begin(browser: &mut Browser, person: &Person) -> String {
    let fields = [("email", person.email.as_str()), ("password", PASSWORD)];
    location(&browser.post_form("/auth/login/", &fields)).to_owned()
}

/// An authenticator app for a person: its secret and the recovery codes.
fn with_app(app: &TestApp, person: &Person) -> (String, Vec<String>) {
    let begun = call(app, &person.access, "POST", "/auth/2fa/totp/", None).json();
    let secret = begun["secret"].as_str().expect("a secret").to_owned();
    let code = json!({ "code": shown(&secret, app.now().secs()) });
    let done = call(app, &person.access, "POST", "/auth/2fa/totp/confirm/", Some(&code)).json();
    (secret, serde_json::from_value(done["recovery_codes"].clone()).expect("codes"))
}

/// The message stands beside the field and is tied to it.
fn beside_code(answer: &Answer, words: &str) {
    let text = answer.text();
    assert!(text.contains("aria-describedby=\"code-error\" aria-invalid=\"true\""), "{text}");
    let error = text.split("id=\"code-error\">").nth(1).unwrap_or_default();
    assert!(error.split("</div>").next().unwrap_or_default().contains(words), "{text}");
}

#[test]
fn m_01_a_code_by_mail_ends_at_the_page_that_was_asked_for() {
    let app = house();
    let person = with_mail(&app);
    let mut browser = Browser::new(&app);
    let sign_in = location(&browser.visit("/mfa/page?x=1&y=2")).to_owned();
    let page = browser.visit(&sign_in).text();
    let (next, mac) = (hidden(&page, "next"), hidden(&page, "mac"));
    let fields = [("email", person.email.as_str()), ("password", PASSWORD), ("next", &next), ("mac", &mac)];
    let step = location(&browser.post_form("/auth/login/", &fields)).to_owned();
    assert!(step.starts_with("/auth/second-factor/?next="), "{step}");
    assert_eq!(browser.cookie("stagedoor_access"), None, "nothing to get in with");
    let challenge = browser.cookie("stagedoor_challenge").expect("a challenge").to_owned();
    app.canary("challenge cookie", &challenge);

    let page = browser.visit(&step);
    let text = page.text();
    assert!(page.status == 200 && text.contains("that we have mailed to you"), "{text}");
    assert!(text.contains("autocomplete=\"one-time-code\"") && text.contains("inputmode=\"numeric\""));
    assert!(challenge.split('.').all(|part| !text.contains(part)), "the cookie alone carries it");
    assert_eq!((hidden(&text, "next"), hidden(&text, "mac")), (next.clone(), mac.clone()));

    let code = mailed_code(&app, &person, 1);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let fields =
        |code| [("method", "email"), ("code", code), ("remember", "yes"), ("next", &next), ("mac", &mac)];
    let refused = browser.post_form(PAGE, &fields(wrong));
    assert_eq!(refused.status, 401);
    beside_code(&refused, "This code is wrong");
    assert!(refused.text().contains("value=\"yes\" checked"), "the choice is kept: {}", refused.text());
    assert_eq!(hidden(&refused.text(), "next"), next);

    let spaced = format!(" {} {}", &code[..3], &code[3..]);
    let done = browser.post_form(PAGE, &fields(&spaced));
    assert_eq!(location(&done), next);
    assert_eq!(browser.cookie("stagedoor_challenge"), None, "it has ended");
    assert_eq!(browser.visit(&next).status, 200);
    browser.post_form("/auth/logout/", &[]);
    assert_eq!(begin(&mut browser, &person), "/auth/", "M-05: not asked again on this device");
    assert!(begin(&mut Browser::new(&app), &person).starts_with(PAGE), "but on every other");
}

#[test]
fn l_18_without_the_cookie_there_is_no_second_step() {
    let app = house();
    let person = with_mail(&app);
    assert!(begin(&mut Browser::new(&app), &person).starts_with(PAGE));
    let code = mailed_code(&app, &person, 1);
    let mut other = Browser::new(&app);
    for cookie in [None, Some("planted"), Some("planted.planted"), Some(".")] {
        if let Some(value) = cookie {
            other.set_cookie("stagedoor_challenge", value);
        }
        assert_eq!(location(&other.visit(PAGE)), EXPIRED, "{cookie:?}");
        assert_eq!(location(&other.post_form(PAGE, &[("method", "email"), ("code", &code)])), EXPIRED);
        assert_eq!(location(&other.post_form(RESEND, &[])), EXPIRED);
    }
    assert!(other.visit(EXPIRED).text().contains("Please sign in again."));
    let unknown = other.post_form(PAGE, &[("challenge", "x")]);
    assert_eq!(unknown.status, 400, "L-14");
}

#[test]
fn m_10_a_new_code_lives_on_and_an_old_sign_in_does_not() {
    let app = house();
    let person = with_mail(&app);
    let mut browser = Browser::new(&app);
    assert_eq!(begin(&mut browser, &person), PAGE);
    let early = browser.post_form(RESEND, &[("method", "email"), ("code", "")]);
    assert!(early.status == 429 && early.text().contains("Please wait"), "{}", early.text());
    assert!(early.text().contains("name=\"code\"") && !early.text().contains("code-error"));

    app.mail_to(&person.email, 1);
    app.advance(Duration::from_secs(540));
    let sent = browser.post_form(RESEND, &[("method", "email"), ("code", ""), ("remember", "yes")]);
    assert_eq!(location(&sent), "/auth/second-factor/?method=email&notice=code-sent");
    let bound = sent.field("set-cookie").expect("bound for longer");
    assert!(bound.starts_with("stagedoor_challenge=") && bound.contains("Max-Age=600"), "{bound}");
    assert!(browser.visit(location(&sent)).text().contains("A new code is on its way."));
    let code = mailed_code(&app, &person, 2);
    app.advance(Duration::from_secs(540));
    assert_eq!(location(&browser.post_form(PAGE, &[("method", "email"), ("code", &code)])), "/auth/");

    let mut late = Browser::new(&app);
    assert_eq!(begin(&mut late, &person), PAGE);
    app.advance(Duration::from_secs(601));
    assert_eq!(location(&late.visit(PAGE)), EXPIRED);
    let typed = [("method", "email"), ("code", "123456"), ("next", "/api/x"), ("mac", "forged")];
    assert_eq!(location(&late.post_form(PAGE, &typed)), EXPIRED, "C-01: nothing unsigned is carried on");
}

#[test]
fn m_06_an_app_a_recovery_code_or_a_mail_as_the_person_likes() {
    let app = house();
    let person = app.with_mfa(&with_mail(&app));
    let (secret, codes) = with_app(&app, &person);
    app.advance(Duration::from_secs(60));
    app.mail_to(&person.email, 1);
    let mails = 2;
    let mut browser = Browser::new(&app);
    assert_eq!(begin(&mut browser, &person), PAGE);
    let page = browser.visit(PAGE).text();
    assert!(
        page.contains("Open your authenticator app") && page.contains("Send me a code by mail"),
        "{page}"
    );
    assert!(page.contains("/auth/second-factor/?method=recovery"), "{page}");
    assert_eq!(app.mails_to(&person.email).len(), mails, "no mail unasked");
    let by_mail = browser.visit("/auth/second-factor/?method=email").text();
    assert!(by_mail.contains("If you have none yet"), "nothing is promised: {by_mail}");

    let sent = browser.post_form(RESEND, &[]);
    assert!(location(&sent).contains("notice=code-sent"));
    let code = app.mail_to(&person.email, mails).text.clone();
    let code = code.split_whitespace().find(|w| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(location(&browser.post_form(PAGE, &[("method", "email"), ("code", code.unwrap())])), "/auth/");

    let mut by_app = Browser::new(&app);
    begin(&mut by_app, &person);
    let code = shown(&secret, app.now().secs());
    assert_eq!(location(&by_app.post_form(PAGE, &[("method", "totp"), ("code", &code)])), "/auth/");
    assert_eq!(by_app.visit("/mfa/x").status, 200);

    let mut on_paper = Browser::new(&app);
    begin(&mut on_paper, &person);
    let page = on_paper.visit("/auth/second-factor/?method=recovery").text();
    assert!(page.contains("Recovery code") && !page.contains("maxlength") && page.contains("autocapitalize"));
    let fields = [("method", "recovery"), ("code", codes[0].as_str())];
    assert_eq!(location(&on_paper.clone().post_form(PAGE, &fields)), "/auth/");
    assert_eq!(location(&on_paper.post_form(PAGE, &fields)), EXPIRED, "M-07: once");
}

#[test]
fn m_04_too_many_tries_are_said_above_the_form_and_not_beside_the_code() {
    let app = house();
    let person = app.person("user");
    let (secret, _) = with_app(&app, &person);
    let mut browser = Browser::new(&app);
    begin(&mut browser, &person);
    let none = browser.post_form(PAGE, &[("method", "email"), ("code", "123456")]);
    assert!(none.status == 409 && none.text().contains("Open your authenticator app"), "{}", none.text());
    let right = [-1, 0, 1].map(|n| shown(&secret, app.now().secs() + n * 30));
    let wrong = (100_000..100_004).map(|n| n.to_string()).find(|c| !right.contains(c)).unwrap();
    let statuses = [0; 5].map(|_| browser.post_form(PAGE, &[("method", "totp"), ("code", &wrong)]));
    let last = statuses.last().expect("five");
    assert!([423, 429].contains(&last.status), "{}", last.text());
    assert!(
        last.text().contains("class=\"summary\"") && !last.text().contains("code-error"),
        "{}",
        last.text()
    );
}
