//! Devices that need no second factor for a while, and what a reset changes about factors (M-14).

use std::time::Duration;

use serde_json::json;

use crate::flows_client::problem;
use crate::support::{Answer, Browser, PASSWORD, Person, TestApp, request, until};

const BETTER: &str = "Second-Act-43!";
const JSON: &str = "Content-Type: application/json\r\n";
const DAYS_30: Duration = Duration::from_hours(30 * 24);

fn house() -> TestApp {
    TestApp::with(|setup| _ = setup.manual_clock())
}

/// Somebody with codes by mail.
fn person(app: &TestApp) -> Person {
    let person = app.person("user");
    let fields = format!("{}{JSON}", person.bearer());
    assert_eq!(app.ask(request("POST", "/auth/2fa/email/", &fields, b"{}")).status, 200);
    app.mail_to(&person.email, 0);
    person
}

/// The right password in this browser.
fn begin(browser: &mut Browser, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password, "session": "cookie" }).to_string();
    browser.fetch("POST", "/auth/token/", JSON, body.as_bytes())
}

/// The code in the newest mail that has one, once there are more than `before` mails.
fn code(app: &TestApp, email: &str, before: usize) -> String {
    let is_code = |w: &&str| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit());
    until("a code", || {
        let mails = app.mails_to(email);
        mails[before.min(mails.len())..]
            .iter()
            .rev()
            .find_map(|m| m.text.split_whitespace().find(is_code).map(str::to_owned))
    })
}

/// A whole sign-in with a code; `remember` is the box on the page.
fn sign_in(app: &TestApp, browser: &mut Browser, person: &Person, remember: bool) {
    // One code a minute; and every mail of before has come.
    app.advance(Duration::from_secs(61));
    until("the mails", || {
        let waiting = "SELECT id FROM outbox WHERE state = 'waiting'";
        app.wait_for(app.store().read(waiting, Vec::new())).unwrap().is_empty().then_some(())
    });
    let before = app.mails_to(&person.email).len();
    let begun = begin(browser, &person.email, PASSWORD);
    assert_eq!(begun.status, 202, "{}", begun.text());
    let code = code(app, &person.email, before);
    app.canary("a code", &code);
    let body = json!({
        "challenge": begun.json()["challenge"], "code": code, "remember_device": remember, "session": "cookie",
    });
    let done = browser.fetch("POST", "/auth/token/verify-otp/", JSON, body.to_string().as_bytes());
    assert_eq!(done.status, 200, "{}", done.text());
}

#[test]
fn a_remembered_device_is_asked_again_after_thirty_days() {
    let app = house();
    let person = person(&app);
    let (mut forgetful, mut mine, mut strange) = (Browser::new(&app), Browser::new(&app), Browser::new(&app));
    sign_in(&app, &mut forgetful, &person, false);
    assert_eq!(begin(&mut forgetful, &person.email, PASSWORD).status, 202, "nobody ticked the box");
    sign_in(&app, &mut mine, &person, true);
    app.advance(DAYS_30.saturating_sub(Duration::from_secs(1)));
    assert_eq!(begin(&mut mine, &person.email, PASSWORD).status, 200);
    // What the rules and elevation see of it: no second factor in this session.
    assert_ne!(mine.visit("/mfa/x").status, 200);
    let step_up = mine.fetch("GET", "/mfa/x", "", b"");
    assert_eq!((step_up.status, problem(&step_up).as_str()), (401, "step-up-required"));
    let off = mine.fetch("DELETE", "/auth/2fa/email/", "", b"");
    assert_eq!((off.status, problem(&off).as_str()), (403, "elevation-required"), "M-03");
    assert_eq!(begin(&mut strange, &person.email, PASSWORD).status, 202, "another browser");
    app.advance(Duration::from_secs(1));
    assert_eq!(begin(&mut mine, &person.email, PASSWORD).status, 202, "after thirty days");
}

#[test]
fn a_remembered_device_says_nothing_for_another_account() {
    let app = house();
    let (first, second) = (person(&app), person(&app));
    let mut browser = Browser::new(&app);
    sign_in(&app, &mut browser, &first, true);
    assert_eq!(begin(&mut browser, &second.email, PASSWORD).status, 202);
    let cookie = browser.cookie("stagedoor_device").expect("a device").to_owned();
    for bent in [
        cookie[..cookie.len() - 1].to_owned(),
        format!("{cookie}="),
        cookie.to_lowercase(),
        // Its identifier is right, and what proves that we have made it is not.
        format!("{}{}{}", &cookie[..30], if &cookie[30..31] == "A" { "B" } else { "A" }, &cookie[31..]),
        format!("{}{}", &cookie[..20], "A".repeat(cookie.len() - 20)),
        "A".repeat(cookie.len()),
    ] {
        let mut forged = Browser::new(&app);
        forged.set_cookie("stagedoor_device", &bent);
        assert_eq!(begin(&mut forged, &first.email, PASSWORD).status, 202, "{bent}");
    }
    assert_eq!(begin(&mut browser, &first.email, PASSWORD).status, 200, "positive control");
}

#[test]
fn a_device_is_asked_again_when_it_is_forgotten() {
    let app = house();
    let person = person(&app);
    for one in [true, false] {
        let mut browser = Browser::new(&app);
        sign_in(&app, &mut browser, &person, true);
        let list = browser.fetch("GET", "/auth/2fa/devices/", "", b"").json();
        let items = list["items"].as_array().expect("devices");
        let current = items.iter().find(|d| d["current"] == json!(true)).expect("this one");
        assert!(current["trusted_until"].is_string(), "{list}");
        let path = match one {
            true => format!("/auth/2fa/devices/{}/", current["id"].as_str().expect("an id")),
            false => "/auth/2fa/devices/".to_owned(),
        };
        assert_eq!(browser.fetch("DELETE", &path, "", b"").status, 204);
        app.advance(Duration::from_secs(61));
        assert_eq!(begin(&mut browser, &person.email, PASSWORD).status, 202, "{path}");
        app.advance(Duration::from_secs(61));
    }
}

#[test]
fn m_14_a_reset_leaves_the_factor_and_asks_every_device_again() {
    let app = house();
    let person = person(&app);
    let mut browser = Browser::new(&app);
    sign_in(&app, &mut browser, &person, true);
    assert_eq!(begin(&mut browser, &person.email, PASSWORD).status, 200);
    let before = app.mails_to(&person.email).len();
    assert_eq!(app.post_json("/password-reset/", "", &json!({ "email": person.email })).status, 202);
    let start = format!("{}/auth/password-reset/", app.public_url());
    let link = until("the mail", || {
        let mails = app.mails_to(&person.email);
        mails[before.min(mails.len())..]
            .iter()
            .find_map(|m| m.text.split_whitespace().find(|w| w.starts_with(&start)).map(str::to_owned))
    });
    let mut parts = link[start.len()..].trim_matches('/').split('/');
    let (uid, token) = (parts.next().expect("uid"), parts.next().expect("token"));
    app.canary("reset token", token);
    let body = json!({ "uid": uid, "token": token, "new_password": BETTER, "new_password_confirm": BETTER });
    let done = browser.fetch("POST", "/auth/password-reset/confirm/", JSON, body.to_string().as_bytes());
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.json().get("access").is_none(), "a reset signs nobody in");
    for browser in [&mut browser, &mut Browser::new(&app)] {
        let begun = begin(browser, &person.email, BETTER);
        assert_eq!(begun.status, 202, "the factor is still asked for: {}", begun.text());
        assert!(begun.all("set-cookie").iter().all(|c| !c.starts_with("stagedoor_access=")), "{begun:?}");
        assert_eq!(browser.visit("/api/x").status, 303, "the session of before has ended");
    }
    let by_program = app.post_json("/token/", "", &json!({ "email": person.email, "password": BETTER }));
    assert_eq!(by_program.status, 202);
}

#[test]
fn l_18_a_planted_session_is_replaced_after_the_second_factor() {
    let app = house();
    let (victim, attacker) = (person(&app), app.person("user"));
    let mut browser = Browser::of(&app, &attacker);
    browser.set_cookie("stagedoor_challenge", "planted.planted");
    sign_in(&app, &mut browser, &victim, false);
    let me = browser.fetch("GET", "/auth/me/", "", b"").json();
    assert_eq!(me["email"], json!(victim.email));
    for old in [attacker.session, victim.session] {
        assert_ne!(me["session"], json!(old.to_string()));
    }
    assert_ne!(browser.cookie("stagedoor_access"), Some(attacker.access.as_str()));
    assert_ne!(browser.cookie("stagedoor_refresh"), Some(attacker.refresh.as_str()));
}

#[test]
fn m_09_a_code_for_a_sign_in_is_good_for_nothing_else() {
    let app = house();
    let person = person(&app);
    app.advance(Duration::from_secs(61));
    let before = app.mails_to(&person.email).len();
    let begun = app.post_json("/token/", "", &json!({ "email": person.email, "password": PASSWORD }));
    let challenge = begun.json()["challenge"].clone();
    let code = code(&app, &person.email, before);
    // Each of these waits for a code of its own, so that one is compared.
    let email = &person.email;
    assert_eq!(app.post_json("/password-reset/", "", &json!({ "email": email })).status, 202);
    let body =
        json!({ "email": email, "code": code, "new_password": BETTER, "new_password_confirm": BETTER });
    let reset = app.post_json("/password-reset/confirm/", "", &body);
    assert_eq!((reset.status, problem(&reset).as_str()), (400, "invalid-token"));
    let strong = app.with_mfa(&app.minted(&person, |grant| grant.auth_time = app.now()));
    let asked = app.post_json("/change-email/", &strong.bearer(), &json!({ "email": "new@example.org" }));
    assert_eq!(asked.status, 202, "{}", asked.text());
    let moved = app.post_json("/change-email/code/", &strong.bearer(), &json!({ "code": code }));
    assert_eq!((moved.status, problem(&moved).as_str()), (400, "invalid-token"));
    let verified = app.post_json("/verify-email/code/", "", &json!({ "email": email, "code": code }));
    assert_eq!((verified.status, problem(&verified).as_str()), (400, "invalid-token"));
    let stepped = app.post_json("/elevate/", &person.bearer(), &json!({ "code": code, "method": "email" }));
    assert_eq!((stepped.status, problem(&stepped).as_str()), (401, "wrong-code"));
    let done = app.post_json("/token/verify-otp/", "", &json!({ "challenge": challenge, "code": code }));
    assert_eq!(done.status, 200, "positive control: {}", done.text());
}

#[test]
fn l_08_a_lock_holds_at_every_door_and_mail_opens_it() {
    let app = house();
    let person = person(&app);
    app.advance(Duration::from_secs(61));
    let before = app.mails_to(&person.email).len();
    let login = |password: &str| {
        app.post_json("/token/", "", &json!({ "email": person.email, "password": password }))
    };
    let challenge = login(PASSWORD).json()["challenge"].clone();
    let code = code(&app, &person.email, before);
    for _ in 0..5 {
        assert_eq!(login("Wrong-Pass-1").status, 401);
    }
    assert_eq!(login(PASSWORD).status, 423);
    let form = [("email", person.email.as_str()), ("password", PASSWORD)];
    assert_eq!(Browser::new(&app).post_form("/auth/login/", &form).status, 423);
    let finish = app.post_json("/token/verify-otp/", "", &json!({ "challenge": challenge, "code": code }));
    assert_eq!((finish.status, problem(&finish).as_str()), (423, "locked"));
    // Whoever is in stays in: strangers must not be able to throw anybody out (L-09).
    let refreshed = app.post_json("/token/refresh/", "", &json!({ "refresh": person.refresh }));
    assert_eq!(refreshed.status, 200);
    assert_eq!(app.post_json("/password-reset/", "", &json!({ "email": person.email })).status, 202);
    let start = format!("{}/auth/password-reset/", app.public_url());
    let link = until("the mail", || {
        let mails = app.mails_to(&person.email);
        let link = |text: &str| {
            text.split_whitespace()
                .find(|w| w.starts_with(&start) && w.len() > start.len())
                .map(str::to_owned)
        };
        mails.iter().find_map(|m| link(&m.text))
    });
    let mut parts = link[start.len()..].trim_matches('/').split('/');
    let body = json!({
        "uid": parts.next(), "token": parts.next(), "new_password": BETTER, "new_password_confirm": BETTER,
    });
    assert_eq!(app.post_json("/password-reset/confirm/", "", &body).status, 200);
    assert_eq!(login(BETTER).status, 202, "open again, and the factor is asked for");
}
