//! The pages behind mailed links: looking changes nothing, the button works once. And where the sign-in page sends people
//! whose account is in such a state.

use serde_json::json;

use crate::flows_pages::location;
use crate::second_factor::call;
use crate::support::{Answer, Browser, PASSWORD, Person, TestApp};

/// The path of the link in a mail.
pub fn link(app: &TestApp, text: &str, flow: &str) -> String {
    let start = format!("{}/auth{flow}", app.public_url());
    let found = text.split_whitespace().find(|w| w.starts_with(&start)).unwrap_or_else(|| panic!("{text}"));
    found.strip_prefix(app.public_url()).expect("ours").to_owned()
}

fn sign_in(browser: &mut Browser, email: &str) -> Answer {
    browser.post_form("/auth/login/", &[("email", email), ("password", PASSWORD)])
}

/// Looks twice, presses the button, and finds the link used up. `next` is where the last page leads.
fn press(app: &TestApp, path: &str, button: &str, next: &str) {
    let mut browser = Browser::new(app);
    for _ in 0..2 {
        let page = browser.visit(path);
        assert!(page.status == 200 && page.text().contains(button), "R-03: {}", page.text());
        assert_eq!(page.text().matches("<button").count(), 1);
    }
    assert_eq!(browser.post_form(path, &[("role", "admin")]).status, 400, "L-14");
    let done = browser.post_form(path, &[]);
    let text = done.text();
    assert!(done.status == 200 && text.contains(&format!("href=\"{next}\"")), "{text}");
    assert!(!text.contains(path), "the link is not repeated");
    for again in [browser.visit(path), browser.post_form(path, &[])] {
        assert!(again.status == 400 && again.text().contains("not valid any more"), "{}", again.text());
    }
}

fn newest(app: &TestApp, person: &Person, flow: &str) -> String {
    let mail = crate::support::until("the mail", || {
        app.mails_to(&person.email).into_iter().rev().find(|m| m.text.contains(flow))
    });
    link(app, &mail.text, flow)
}

#[test]
fn l_09_a_locked_account_is_opened_by_its_page() {
    let app = TestApp::start();
    let person = app.person("user");
    for _ in 0..5 {
        app.post_json("/token/", "", &json!({ "email": person.email, "password": "Wrong-Pass-1" }));
    }
    let mut browser = Browser::new(&app);
    let locked = sign_in(&mut browser, &person.email);
    assert!(locked.status == 423 && locked.text().contains("link that opens the account at once"));
    press(&app, &newest(&app, &person, "/unlock/"), "Unlock my account", "/auth/login/");
    assert_eq!(location(&sign_in(&mut browser, &person.email)), "/auth/");
}

#[test]
fn t_11_not_me_leads_to_a_new_password() {
    let app = TestApp::start();
    let person = app.person("user");
    let mut thief = Browser::new(&app);
    assert_eq!(location(&sign_in(&mut thief, &person.email)), "/auth/");
    press(&app, &newest(&app, &person, "/not-me/"), "Sign everybody out", "/auth/password-reset/");
    assert_eq!(thief.visit("/api/x").status, 303, "thrown out");
    let refused = sign_in(&mut thief, &person.email);
    assert!(
        refused.status == 403 && refused.text().contains("Choose a new password</a>"),
        "{}",
        refused.text()
    );
}

#[test]
fn r_12_another_address_is_confirmed_on_its_page() {
    let app = TestApp::start();
    let person = app.person("user");
    let body = json!({ "email": "new@example.org" });
    assert_eq!(call(&app, &person.access, "POST", "/auth/change-email/", Some(&body)).status, 202);
    let path = link(&app, &app.mail_to("new@example.org", 0).text, "/change-email/");
    press(&app, &path, "Use this address", "/auth/");
    assert_eq!(location(&sign_in(&mut Browser::new(&app), "new@example.org")), "/auth/");
}

#[test]
fn a_closed_account_is_kept_on_its_page() {
    let app = TestApp::start();
    let person = app.person("user");
    assert_eq!(call(&app, &person.access, "DELETE", "/auth/profile/", None).status, 202);
    let mut browser = Browser::new(&app);
    let refused = sign_in(&mut browser, &person.email);
    assert!(
        refused.status == 403 && refused.text().contains("before the day that the mail names"),
        "{}",
        refused.text()
    );
    press(&app, &newest(&app, &person, "/undo-deletion/"), "Keep my account", "/auth/login/");
    assert_eq!(location(&sign_in(&mut browser, &person.email)), "/auth/");
}

#[test]
fn r_01_a_made_up_link_is_a_page_with_a_way_out() {
    let app = TestApp::start();
    let mut browser = Browser::new(&app);
    for path in [
        "/auth/unlock/nobody/nothing/",
        "/auth/not-me/nobody/nothing/",
        "/auth/change-email/nobody/nothing/",
        "/auth/undo-deletion/nobody/nothing/",
        "/auth/password-reset/nobody/nothing/",
    ] {
        let answer = browser.visit(path);
        assert!(answer.status == 400 && answer.text().contains("href=\"/auth/login/\""), "{path}");
    }
}
