//! Second factors, forgotten passwords and mailed links in a real Chromium, against a gateway whose clock the test moves.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stagedoor::mail::Outgoing;

use crate::browser::{beside, quiet};
use crate::browser_driver::Browser;
use crate::flows::login;
use crate::pages_mailed::link;
use crate::second_factor::{call, mailed_code, shown, with_mail};
use crate::support::{PASSWORD, Person, TestApp, until};

const BETTER: &str = "Second-Act-43!";
const SEND: &str = "form button[type=submit]";

fn house() -> TestApp {
    TestApp::with(|setup| _ = setup.manual_clock())
}

fn open(app: &TestApp, browser: &Browser, path: &str) {
    browser.open(&format!("{}{path}", app.public_url()));
}

/// Fills the sign-in page that the browser is on.
fn sign_in(browser: &Browser, email: &str, password: &str) {
    browser.fill("#email", email);
    browser.fill("#password", password);
    browser.click(SEND);
}

fn mail_with(app: &TestApp, email: &str, words: &str) -> Arc<Outgoing> {
    until("the mail", || app.mails_to(email).into_iter().rev().find(|m| m.text.contains(words)))
}

/// Opens the link of the newest mail for a flow.
fn open_link(app: &TestApp, browser: &Browser, person: &Person, flow: &str) {
    open(app, browser, &link(app, &mail_with(app, &person.email, flow).text, flow));
}

fn choose(browser: &Browser, password: &str) {
    browser.fill("#new_password", password);
    browser.fill("#new_password_confirm", password);
    browser.click(SEND);
}

/// Typing can begin at once in this field; the browser puts the cursor there when it has drawn the page.
fn begins_at(browser: &Browser, id: &str) {
    let focused = || browser.script("return document.activeElement.id");
    until("the cursor in the field", || (focused() == id).then_some(()));
}

#[test]
fn a_forgotten_password_by_link_and_by_code() {
    let (app, browser) = (house(), Browser::start());
    let person = app.person("user");
    open(&app, &browser, "/auth/login/");
    browser.click("a[href='/auth/password-reset/']");
    browser.arrive("/auth/password-reset/");
    begins_at(&browser, "email");
    browser.picture("forgot");
    browser.fill("#email", &person.email);
    browser.click(SEND);
    browser.arrive("/auth/password-reset/confirm/");
    assert_eq!(browser.attribute("#email", "value").as_deref(), Some(person.email.as_str()));
    begins_at(&browser, "code");
    browser.picture("reset-code");

    open_link(&app, &browser, &person, "/password-reset/");
    browser.picture("reset-link");
    choose(&browser, "abc");
    beside(&browser, "new_password", "Use at least 8 characters.");
    browser.picture("reset-refused");
    choose(&browser, BETTER);
    browser.arrive("/auth/login/");
    assert!(browser.text().contains("Your new password is set."), "{}", browser.text());
    browser.picture("reset-done");
    sign_in(&browser, &person.email, PASSWORD);
    assert!(browser.text_of(".summary[role=alert]").contains("is wrong"), "{}", browser.text());
    sign_in(&browser, &person.email, BETTER);
    browser.arrive("/auth/");
    quiet(&browser, &[401, 422]);

    browser.click(SEND);
    browser.arrive("/auth/login/");
    app.advance(Duration::from_secs(61));
    open(&app, &browser, "/auth/password-reset/");
    browser.fill("#email", &person.email);
    browser.click(SEND);
    browser.arrive("/auth/password-reset/confirm/");
    let mails = || app.mails_to(&person.email).into_iter().rev();
    let text = until("the second mail", || {
        let mut resets = mails().filter(|m| m.text.contains("/password-reset/"));
        let newest = resets.next()?;
        resets.next().map(|_| newest.text.clone())
    });
    let code = text.split("page that asks for it:").nth(1).and_then(|rest| rest.split_whitespace().next());
    let code = code.expect("a code").to_owned();
    browser.fill("#code", if code == "000000" { "000001" } else { "000000" });
    choose(&browser, PASSWORD);
    beside(&browser, "code", "not valid");
    browser.picture("reset-code-refused");
    browser.fill("#code", &code);
    choose(&browser, PASSWORD);
    browser.arrive("/auth/login/");
    sign_in(&browser, &person.email, PASSWORD);
    browser.arrive("/auth/");
    quiet(&browser, &[400]);
}

#[test]
fn a_code_by_mail_finishes_a_sign_in_at_the_page_asked_for() {
    for (browser, javascript) in [(Browser::start(), true), (Browser::without_javascript(), false)] {
        let app = house();
        let person = with_mail(&app);
        open(&app, &browser, "/mfa/page?x=1");
        browser.arrive("/auth/login/");
        sign_in(&browser, &person.email, PASSWORD);
        browser.arrive("/auth/second-factor/");
        let code = mailed_code(&app, &person, 1);
        if javascript {
            begins_at(&browser, "code");
            assert_eq!(browser.attribute("#code", "autocomplete").as_deref(), Some("one-time-code"));
            browser.picture("second-factor-mail");
            browser.fill("#code", if code == "000000" { "000001" } else { "000000" });
            browser.click(SEND);
            beside(&browser, "code", "This code is wrong");
            let focused = browser.script("return document.activeElement.className");
            assert_eq!(focused, "summary", "a screen reader starts at what went wrong");
            browser.picture("second-factor-refused");
            app.advance(Duration::from_secs(61));
            browser.click("button[formaction$='/resend/']");
            browser.find_text(".notice", "A new code is on its way.");
            browser.picture("second-factor-sent");
        }
        let code = if javascript { mailed_code(&app, &person, 2) } else { code };
        browser.fill("#code", &code);
        browser.click(SEND);
        browser.arrive("/mfa/page");
        assert!(browser.url().ends_with("/mfa/page?x=1"), "{}", browser.url());
    }
}

#[test]
fn a_code_from_an_app_and_one_from_paper() {
    let (app, browser) = (house(), Browser::start());
    let person = app.with_mfa(&with_mail(&app));
    let begun = call(&app, &person.access, "POST", "/auth/2fa/totp/", None).json();
    let secret = begun["secret"].as_str().expect("a secret").to_owned();
    let first = json!({ "code": shown(&secret, app.now().secs()) });
    let done = call(&app, &person.access, "POST", "/auth/2fa/totp/confirm/", Some(&first)).json();
    let paper = done["recovery_codes"][0].as_str().expect("a code").to_owned();
    app.advance(Duration::from_secs(60));
    open(&app, &browser, "/auth/login/");
    sign_in(&browser, &person.email, PASSWORD);
    browser.arrive("/auth/second-factor/");
    browser.find_text(".lead", "authenticator app");
    browser.picture("second-factor-app");
    browser.click("a[href*='method=recovery']");
    browser.find_text("label", "Recovery code");
    browser.picture("second-factor-recovery");
    browser.fill("#code", "wrong-code");
    browser.click(SEND);
    beside(&browser, "code", "This code is wrong");
    browser.click("a[href*='method=totp']");
    browser.find_text(".lead", "authenticator app");
    browser.fill("#code", &shown(&secret, app.now().secs()));
    browser.click("input[name=remember]");
    browser.click(SEND);
    browser.arrive("/auth/");
    browser.click(SEND);
    browser.arrive("/auth/login/");
    sign_in(&browser, &person.email, PASSWORD);
    browser.arrive("/auth/");

    let other = Browser::start();
    open(&app, &other, "/auth/login/");
    sign_in(&other, &person.email, PASSWORD);
    other.arrive("/auth/second-factor/");
    other.click("a[href*='method=recovery']");
    other.find_text("label", "Recovery code");
    other.fill("#code", &paper.to_uppercase());
    other.click(SEND);
    other.arrive("/auth/");
    quiet(&browser, &[401]);
    quiet(&other, &[]);
}

#[test]
fn a_sign_in_that_took_too_long_says_so() {
    let (app, browser) = (house(), Browser::start());
    let person = with_mail(&app);
    open(&app, &browser, "/mfa/page");
    sign_in(&browser, &person.email, PASSWORD);
    browser.arrive("/auth/second-factor/");
    app.advance(Duration::from_secs(601));
    browser.fill("#code", "123456");
    browser.click(SEND);
    browser.find_text(".notice", "Please sign in again.");
    browser.picture("second-factor-expired");
    assert!(browser.has("input[name=next][value='/mfa/page']"), "{}", browser.text());
    quiet(&browser, &[]);
}

#[test]
fn a_locked_account_is_opened_by_the_mailed_link() {
    let (app, browser) = (house(), Browser::start());
    let person = app.person("user");
    for _ in 0..5 {
        login(&app, &person.email, "Wrong-Pass-1");
    }
    open(&app, &browser, "/auth/login/");
    sign_in(&browser, &person.email, PASSWORD);
    browser.find_text(".summary", "locked");
    browser.picture("locked");
    open_link(&app, &browser, &person, "/unlock/");
    browser.picture("unlock");
    browser.click(SEND);
    browser.find_text("h1", "Your account is open again");
    browser.picture("unlocked");
    browser.click("main a.button");
    browser.arrive("/auth/login/");
    sign_in(&browser, &person.email, PASSWORD);
    browser.arrive("/auth/");
    quiet(&browser, &[423]);
}

#[test]
fn not_me_throws_everybody_out_and_leads_to_a_new_password() {
    let (app, browser, thief) = (house(), Browser::start(), Browser::start());
    let person = app.person("user");
    open(&app, &thief, "/auth/login/");
    sign_in(&thief, &person.email, PASSWORD);
    thief.arrive("/auth/");
    open_link(&app, &browser, &person, "/not-me/");
    browser.picture("not-me");
    browser.click(SEND);
    browser.find_text("h1", "Everybody is signed out");
    browser.picture("not-me-done");
    open(&app, &thief, "/auth/");
    thief.arrive("/auth/login/");
    sign_in(&thief, &person.email, PASSWORD);
    thief.find_text(".summary", "no longer works");
    thief.picture("reset-required");
    browser.click("main a.button");
    browser.arrive("/auth/password-reset/");
    browser.fill("#email", &person.email);
    browser.click(SEND);
    browser.arrive("/auth/password-reset/confirm/");
    open_link(&app, &browser, &person, "/password-reset/");
    choose(&browser, BETTER);
    browser.arrive("/auth/login/");
    sign_in(&browser, &person.email, BETTER);
    browser.arrive("/auth/");
    quiet(&browser, &[]);
    quiet(&thief, &[403]);
}

#[test]
fn another_address_and_a_kept_account() {
    let (app, browser) = (house(), Browser::start());
    let person = app.person("user");
    let body = json!({ "email": "new@example.org" });
    assert_eq!(call(&app, &person.access, "POST", "/auth/change-email/", Some(&body)).status, 202);
    let path = link(&app, &mail_with(&app, "new@example.org", "/change-email/").text, "/change-email/");
    open(&app, &browser, &path);
    browser.picture("change-email");
    browser.click(SEND);
    browser.find_text("h1", "Your address is changed");
    browser.picture("change-email-done");
    open(&app, &browser, &path);
    browser.find_text("h1", "not valid any more");
    browser.picture("mailed-link-refused");

    let person = app.person("user");
    assert_eq!(call(&app, &person.access, "DELETE", "/auth/profile/", None).status, 202);
    open(&app, &browser, "/auth/login/");
    sign_in(&browser, &person.email, PASSWORD);
    browser.find_text(".summary", "closed by its owner");
    browser.picture("closed");
    open_link(&app, &browser, &person, "/undo-deletion/");
    browser.picture("undo-deletion");
    browser.click(SEND);
    browser.find_text("h1", "Your account stays");
    browser.picture("undo-deletion-done");
    quiet(&browser, &[400, 403]);
}

#[test]
fn the_printed_link_makes_the_first_administrator() {
    let (app, browser) = (house(), Browser::start());
    let link = app.wait_for(app.accounts().bootstrap_link()).unwrap().expect("nobody is admin yet");
    browser.open(link.expose());
    browser.arrive("/auth/bootstrap/");
    let token = link.expose().split_once('#').expect("behind the #").1;
    assert_eq!(browser.script("return document.getElementById('token').value"), token);
    begins_at(&browser, "name");
    assert!(!browser.url().contains(token), "not left in the history: {}", browser.url());
    browser.picture("bootstrap");
    browser.fill("#name", "Ada Lovelace");
    browser.fill("#email", "ada@example.org");
    browser.fill("#password", PASSWORD);
    browser.fill("#password_confirm", "something else");
    browser.click(SEND);
    beside(&browser, "password_confirm", "not the same");
    browser.picture("bootstrap-refused");
    browser.fill("#password", PASSWORD);
    browser.fill("#password_confirm", PASSWORD);
    browser.click(SEND);
    browser.arrive("/auth/login/");
    sign_in(&browser, "ada@example.org", PASSWORD);
    browser.arrive("/auth/");
    assert!(browser.text_of(".chips").contains("Admin"), "{}", browser.text());
    open(&app, &browser, "/auth/bootstrap/");
    browser.find_text("h1", "No first administrator");
    browser.picture("bootstrap-over");
    quiet(&browser, &[410, 422]);
}

#[test]
fn closed_registration_says_where_to_go() {
    let app = TestApp::with(|setup| _ = setup.top("registration: { enabled: false }"));
    let browser = Browser::start();
    open(&app, &browser, "/auth/register/");
    browser.find_text("h1", "Registration is closed");
    browser.picture("register-closed");
    quiet(&browser, &[403]);
}
