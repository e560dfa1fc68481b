//! A forgotten password, the first administrator, and closed registration, through their pages.

use crate::flows::login;
use crate::flows_pages::{hidden, location};
use crate::pages_mailed::link;
use crate::support::{Answer, Browser, PASSWORD, TestApp};

const FORGOT: &str = "/auth/password-reset/";
const CONFIRM: &str = "/auth/password-reset/confirm/";
const BOOTSTRAP: &str = "/auth/bootstrap/";
const BETTER: &str = "Second-Act-43!";

fn ask(browser: &mut Browser, email: &str) -> Answer {
    browser.post_form(FORGOT, &[("email", email)])
}

/// The form with the new password, and what proves the right to set it.
fn set(browser: &mut Browser, proof: &[(&str, &str)], password: &str) -> Answer {
    let new = [("new_password", password), ("new_password_confirm", password)];
    browser.post_form(CONFIRM, &[proof, &new].concat())
}

fn code_in(mail: &str) -> String {
    let code = mail.split("page that asks for it:").nth(1).and_then(|rest| rest.split_whitespace().next());
    code.unwrap_or_else(|| panic!("no code: {mail}")).to_owned()
}

/// A code of six digits that is not this one.
fn another(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[test]
fn t_08_a_reset_by_link_through_its_page() {
    let app = TestApp::start();
    let person = app.person("user");
    let mut browser = Browser::new(&app);
    let page = browser.visit(FORGOT).text();
    assert!(page.contains("<title>Forgot your password?") && page.contains("autocomplete=\"username\""));
    let wrong = ask(&mut browser, "nobody@");
    assert!(wrong.status == 422 && wrong.text().contains("id=\"email-error\""), "{}", wrong.text());
    let (unknown, known) = (ask(&mut browser, "nobody@example.org"), ask(&mut browser, &person.email));
    assert_eq!(location(&known), "/auth/password-reset/confirm/?notice=reset-sent");
    assert_eq!(location(&known), location(&unknown), "L-02");

    let path = link(&app, &app.mail_to(&person.email, 0).text, "/password-reset/");
    let page = browser.visit(&path);
    let text = page.text();
    assert!(
        page.status == 200 && !text.contains("name=\"email\"") && !text.contains("name=\"code\""),
        "{text}"
    );
    assert_eq!(text.matches("autocomplete=\"new-password\"").count(), 2);
    assert!(app.ask(crate::support::get("/api/x", &person.bearer())).status == 200, "R-03: looking is free");
    let (uid, token) = (hidden(&text, "uid"), hidden(&text, "token"));
    let proof = [("uid", uid.as_str()), ("token", token.as_str())];
    let weak = set(&mut browser, &proof, "weak-pass");
    assert!(weak.status == 422 && weak.text().contains("id=\"new_password-error\""), "{}", weak.text());
    assert!(!weak.text().contains("weak-pass") && hidden(&weak.text(), "token") == token);
    assert_eq!(location(&set(&mut browser, &proof, BETTER)), "/auth/login/?notice=password-reset");
    assert!(browser.visit("/auth/login/?notice=password-reset").text().contains("Your new password is set."));
    assert_eq!(
        (login(&app, &person.email, PASSWORD).status, login(&app, &person.email, BETTER).status),
        (401, 200)
    );
    for again in [browser.visit(&path), set(&mut browser, &proof, BETTER)] {
        assert!(again.status == 400 && again.text().contains("not valid any more"), "{}", again.text());
        assert!(again.text().contains("href=\"/auth/password-reset/\""), "a way out: {}", again.text());
    }
}

#[test]
fn t_09_a_reset_by_code_through_its_page() {
    let app = TestApp::start();
    let person = app.person("user");
    let mut browser = Browser::new(&app);
    ask(&mut browser, &person.email);
    let page = browser.visit(CONFIRM).text();
    assert!(page.contains(&format!("value=\"{}\"", person.email)), "the page knows the address: {page}");
    assert!(page.contains("autocomplete=\"one-time-code\""));
    let code = code_in(&app.mail_to(&person.email, 0).text);
    let email = person.email.as_str();
    let refused = set(&mut browser, &[("email", email), ("code", another(&code))], BETTER);
    assert!(refused.status == 400 && refused.text().contains("id=\"code-error\""), "{}", refused.text());
    let spaced = format!("{}-{}", &code[..3], &code[3..]);
    let done = set(&mut browser, &[("email", email), ("code", &spaced)], BETTER);
    assert_eq!(location(&done), "/auth/login/?notice=password-reset");
    assert_eq!(browser.cookie("stagedoor_mail"), None);
    let used = set(&mut browser, &[("email", email), ("code", &code)], BETTER);
    assert_eq!(used.status, 400);
    let nobody = set(&mut Browser::new(&app), &[], BETTER);
    assert!([400, 422].contains(&nobody.status), "{}", nobody.text());
    assert!(nobody.text().contains("name=\"code\""), "the form is there again: {}", nobody.text());
    let unknown = browser.post_form(CONFIRM, &[("role", "admin")]);
    assert_eq!(unknown.status, 400, "L-14");
}

#[test]
fn r_17_a_code_that_was_refused_stands_beside_its_field() {
    let app = TestApp::start();
    let mut browser = Browser::new(&app);
    let fields = [("email", "nobody@example.org"), ("code", "123456")];
    let refused = browser.post_form("/auth/verify-email/code/", &fields);
    assert!(refused.status == 400 && refused.text().contains("id=\"code-error\""), "{}", refused.text());
}

#[test]
fn l_20_the_first_administrator_through_the_page() {
    let app = TestApp::start();
    let link = app.wait_for(app.accounts().bootstrap_link()).unwrap().expect("nobody is admin yet");
    let (address, token) = link.expose().split_once('#').expect("behind the #");
    assert_eq!(address, format!("{}/auth/bootstrap/", app.public_url()));
    app.canary("bootstrap token", token);
    let mut browser = Browser::new(&app);
    let page = browser.visit(BOOTSTRAP);
    assert!(page.status == 200 && page.text().contains("id=\"token-hint\""), "{}", page.text());
    let mut send = |token: &str, password: &str| {
        let who = [("token", token), ("name", "Ada"), ("email", "ada@example.org")];
        let new = [("password", password), ("password_confirm", password)];
        browser.post_form(BOOTSTRAP, &[&who[..], &new].concat())
    };
    let wrong = send("wrong", PASSWORD);
    assert!(wrong.status == 410 && wrong.text().contains("id=\"token-error\""), "{}", wrong.text());
    let weak = send(token, "weak-pass");
    assert!(weak.status == 422 && weak.text().contains("id=\"password-error\""), "{}", weak.text());
    assert!(weak.text().contains(token), "the secret need not be looked for again");
    assert_eq!(location(&send(token, PASSWORD)), "/auth/login/?notice=admin-made");
    assert_eq!(send(token, PASSWORD).status, 410);
    let over = browser.visit(BOOTSTRAP);
    assert!(over.status == 410 && !over.text().contains("<form"), "{}", over.text());
    let fields = [("email", "ada@example.org"), ("password", PASSWORD)];
    assert_eq!(location(&browser.post_form("/auth/login/", &fields)), "/auth/");
    assert_eq!(browser.visit("/admin/x").status, 200);
}

#[test]
fn closed_registration_shows_no_form() {
    let app = TestApp::with(|setup| _ = setup.top("registration: { enabled: false }"));
    let mut browser = Browser::new(&app);
    let fields = [("name", "Nora"), ("email", "n@example.org"), ("password", PASSWORD)];
    for page in [browser.visit("/auth/register/"), browser.post_form("/auth/register/", &fields)] {
        let text = page.text();
        assert!(page.status == 403 && text.contains("Registration is closed"), "{text}");
        assert!(!text.contains("<form") && text.contains("href=\"/auth/login/\""), "{text}");
    }
    assert!(!browser.visit("/auth/login/").text().contains("/auth/register/"), "nobody is sent there");
}
