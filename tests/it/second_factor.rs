//! The second factor over HTTP: the sign-in that waits, the three factors, and proving again who one is.

use std::time::Duration;

use serde_json::{Value, json};
use totp_rs::{Algorithm, Builder};

use crate::flows_client::problem;
use crate::support::{Answer, Browser, PASSWORD, Person, TestApp, get, request};

/// A gateway whose clock stands still.
fn house() -> TestApp {
    TestApp::with(|setup| _ = setup.manual_clock())
}

/// A call in somebody's name, with a JSON body or without one.
pub fn call(app: &TestApp, access: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let bearer = format!("Authorization: Bearer {access}\r\n");
    match body {
        Some(body) => {
            let extra = format!("{bearer}Content-Type: application/json\r\n");
            app.ask(request(method, path, &extra, body.to_string().as_bytes()))
        }
        None => app.ask(request(method, path, &bearer, b"")),
    }
}

fn text(answer: &Answer, member: &str) -> String {
    answer.json()[member].as_str().unwrap_or_else(|| panic!("no {member}: {}", answer.text())).to_owned()
}

/// Status and problem.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, problem(answer))
}

fn refused(status: u16, kind: &str) -> (u16, String) {
    (status, kind.to_owned())
}

/// The right password.
fn begin(app: &TestApp, person: &Person) -> Answer {
    let answer = app.post_json("/token/", "", &json!({ "email": person.email, "password": PASSWORD }));
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer
}

fn finish(app: &TestApp, challenge: &str, code: &str) -> Answer {
    app.post_json("/token/verify-otp/", "", &json!({ "challenge": challenge, "code": code }))
}

/// The code in the `n`-th mail (from 0).
pub fn mailed_code(app: &TestApp, person: &Person, n: usize) -> String {
    let mail = app.mail_to(&person.email, n);
    let is_code = |w: &&str| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit());
    mail.text.split_whitespace().find(is_code).expect("a code").to_owned()
}

/// Somebody who has just switched codes by mail on; one mail says so.
pub fn with_mail(app: &TestApp) -> Person {
    let person = app.person("user");
    let on = call(app, &person.access, "POST", "/auth/2fa/email/", None);
    assert_eq!((on.status, on.json()), (200, json!({ "enabled": true })));
    app.mail_to(&person.email, 0);
    person
}

/// What the app shows.
pub fn shown(secret: &str, at: i64) -> String {
    let value = |c: u8| if c.is_ascii_digit() { c - b'2' + 26 } else { c - b'A' };
    let bits: Vec<u8> = secret.bytes().flat_map(|c| (0..5).rev().map(move |n| value(c) >> n & 1)).collect();
    let seed: Vec<u8> = bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)).collect();
    let seed: [u8; 20] = seed.try_into().expect("20 bytes");
    let app = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
    let app = app.with_secret(seed).build().expect("an app");
    app.generate(at.try_into().expect("after 1970")).to_string()
}

#[test]
fn m_01_m_02_a_waiting_sign_in_gets_in_nowhere() {
    let app = house();
    let person = with_mail(&app);
    let answer = begin(&app, &person);
    let body = answer.json();
    assert_eq!((&body["methods"], &body["expires_in"]), (&json!(["email"]), &json!(600)));
    assert!(body.get("access").is_none() && body.get("refresh").is_none(), "{body}");
    let challenge = text(&answer, "challenge");
    let bearer = format!("Authorization: Bearer {challenge}\r\n");
    for path in ["/api/x", "/mfa/x", "/auth/me/", "/auth/2fa/totp/", "/auth/2fa/email/"] {
        assert_eq!(app.ask(get(path, &bearer)).status, 401, "{path}");
        let cookies = format!("Cookie: stagedoor_access={challenge}; stagedoor_refresh={challenge}\r\n");
        assert_eq!(app.ask(get(path, &cookies)).status, 401, "{path} by cookie");
    }
    for (method, path) in [
        ("DELETE", "/auth/2fa/totp/"),
        ("DELETE", "/auth/2fa/email/"),
        ("POST", "/auth/2fa/recovery-codes/"),
        ("POST", "/auth/elevate/"),
    ] {
        assert_eq!(call(&app, &challenge, method, path, None).status, 401, "{method} {path}");
    }
    let refresh = app.post_json("/token/refresh/", "", &json!({ "refresh": challenge }));
    assert_eq!(refusal(&refresh), refused(401, "invalid-refresh-token"));
    assert_eq!(app.upstream().count(), 0);
}

#[test]
fn m_10_a_mailed_code_finishes_a_sign_in_and_the_newest_only() {
    let app = house();
    let person = with_mail(&app);
    let challenge = text(&begin(&app, &person), "challenge");
    let first = mailed_code(&app, &person, 1);
    let resend = || app.post_json("/token/resend-otp/", "", &json!({ "challenge": challenge }));
    assert_eq!(refusal(&resend()), refused(429, "rate-limited"));
    app.advance(Duration::from_secs(60));
    assert_eq!(resend().status, 202);
    let second = mailed_code(&app, &person, 2);
    if first != second {
        assert_eq!(refusal(&finish(&app, &challenge, &first)), refused(401, "wrong-code"));
    }
    // M-08: a text of six digits, not a number.
    let number: u32 = second.parse().expect("digits");
    let body = json!({ "challenge": challenge, "code": number });
    assert_eq!(app.post_json("/token/verify-otp/", "", &body).status, 400);
    assert_eq!(app.post_json("/token/verify-otp/", "", &json!({})).status, 422);
    let done = finish(&app, &challenge, &second);
    assert_eq!((done.status, done.json()["user"]["email"].as_str()), (200, Some(person.email.as_str())));
    let bearer = format!("Authorization: Bearer {}\r\n", text(&done, "access"));
    assert_eq!(app.ask(get("/mfa/x", &bearer)).status, 200, "rules see the second factor");
    assert_eq!(app.ask(get("/auth/me/", &bearer)).json()["amr"], json!(["pwd", "otp", "mfa"]));
    let again = finish(&app, &challenge, &second);
    assert_eq!(refusal(&again), refused(401, "invalid-challenge"), "T-12");
    let resend = app.post_json("/token/resend-otp/", "", &json!({ "challenge": "A".repeat(43) }));
    assert_eq!(refusal(&resend), refused(401, "invalid-challenge"));
}

#[test]
fn l_18_a_browser_finishes_only_what_it_has_begun() {
    let app = house();
    let person = with_mail(&app);
    let json_type = "Content-Type: application/json\r\n";
    let sign_in = json!({ "email": person.email, "password": PASSWORD, "session": "cookie" }).to_string();
    let (mut mine, mut other) = (Browser::new(&app), Browser::new(&app));
    let challenge = mine.fetch("POST", "/auth/token/", json_type, sign_in.as_bytes());
    let challenge = text(&challenge, "challenge");
    app.mail_to(&person.email, 1);
    app.advance(Duration::from_secs(60));
    let again = json!({ "challenge": challenge }).to_string();
    let resent = mine.fetch("POST", "/auth/token/resend-otp/", json_type, again.as_bytes());
    assert_eq!(resent.status, 202);
    assert!(
        resent.field("set-cookie").is_some_and(|c| c.starts_with("stagedoor_challenge=")),
        "bound for longer"
    );
    let code = mailed_code(&app, &person, 2);
    assert!(mine.cookie("stagedoor_access").is_none(), "nothing to get in with");
    other.set_cookie("stagedoor_challenge", "planted");
    let body = json!({ "challenge": challenge, "code": code, "session": "cookie" }).to_string();
    let stolen = other.fetch("POST", "/auth/token/verify-otp/", json_type, body.as_bytes());
    assert_eq!(refusal(&stolen), refused(401, "invalid-challenge"));
    assert_eq!(refusal(&finish(&app, &challenge, &code)), refused(401, "invalid-challenge"), "no cookie");
    let done = mine.fetch("POST", "/auth/token/verify-otp/", json_type, body.as_bytes());
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.json().get("access").is_none(), "cookies only");
    assert!(mine.cookie("stagedoor_challenge").is_none(), "it has ended");
    assert_eq!(mine.visit("/mfa/x").status, 200);
    // A step-up by cookie comes as a cookie.
    app.advance(Duration::from_secs(540));
    let before = mine.cookie("stagedoor_access").map(str::to_owned);
    let proof = json!({ "password": PASSWORD }).to_string();
    let elevated = mine.fetch("POST", "/auth/elevate/", json_type, proof.as_bytes());
    assert_eq!((elevated.status, elevated.json()), (200, json!({ "expires_in": 600 })));
    assert_ne!(mine.cookie("stagedoor_access").map(str::to_owned), before);
    app.advance(Duration::from_secs(120));
    let off = mine.fetch("DELETE", "/auth/2fa/email/", "", b"");
    assert_eq!((off.status, off.json()), (200, json!({ "enabled": false })));
}

#[test]
fn an_app_is_set_up_used_and_removed() {
    let app = house();
    let person = app.person("user");
    let ask =
        |access: &str, method: &str, path: &str, body: Option<&Value>| call(&app, access, method, path, body);
    let access = &person.access;
    assert_eq!(ask(access, "GET", "/auth/2fa/totp/", None).json(), json!({ "enabled": false }));
    assert_eq!(refusal(&ask(access, "DELETE", "/auth/2fa/totp/", None)), refused(404, "not-found"));
    let early = ask(access, "POST", "/auth/2fa/totp/confirm/", Some(&json!({ "code": "123456" })));
    assert_eq!(refusal(&early), refused(409, "not-begun"));
    let begun = ask(access, "POST", "/auth/2fa/totp/", None);
    let secret = text(&begun, "secret");
    assert!(
        text(&begun, "uri").starts_with("otpauth://totp/") && text(&begun, "qr_svg").starts_with("<svg ")
    );
    let code = || json!({ "code": shown(&secret, app.now().secs()) });
    let confirmed = ask(access, "POST", "/auth/2fa/totp/confirm/", Some(&code()));
    let codes: Vec<String> =
        serde_json::from_value(confirmed.json()["recovery_codes"].clone()).expect("codes");
    assert_eq!(codes.len(), 10);
    let left = || ask(access, "GET", "/auth/2fa/recovery-codes/", None).json()["remaining"].clone();
    assert_eq!(left(), 10);
    // This session has not seen the factor: M-03, M-16.
    for (method, path) in [("DELETE", "/auth/2fa/totp/"), ("POST", "/auth/2fa/recovery-codes/")] {
        assert_eq!(refusal(&ask(access, method, path, None)), refused(403, "elevation-required"));
    }
    let by_password = ask(access, "POST", "/auth/elevate/", Some(&json!({ "password": PASSWORD })));
    assert_eq!(refusal(&by_password), refused(403, "elevation-required"));
    let challenge = text(&begin(&app, &person), "challenge");
    let recovery = json!({ "challenge": challenge, "code": codes[0], "method": "recovery" });
    assert_eq!(app.post_json("/token/verify-otp/", "", &recovery).status, 200);
    assert_eq!(left(), 9);
    app.advance(Duration::from_secs(30));
    let elevated = ask(access, "POST", "/auth/elevate/", Some(&code()));
    assert_eq!((elevated.status, elevated.json()["token_type"].as_str()), (200, Some("Bearer")));
    let strong = text(&elevated, "access");
    assert_eq!(refusal(&ask(&strong, "POST", "/auth/2fa/totp/", None)), refused(409, "already-enrolled"));
    let new = ask(&strong, "POST", "/auth/2fa/recovery-codes/", Some(&json!({})));
    assert_eq!((new.status, left()), (200, json!(10)));
    assert_eq!(ask(&strong, "DELETE", "/auth/2fa/totp/", None).status, 204);
    assert_eq!(left(), 0);
    app.sign_in(&person.email);
}

#[test]
fn a_step_up_by_mail() {
    let app = house();
    let person = with_mail(&app);
    let ask = |body: &Value| call(&app, &person.access, "POST", "/auth/elevate/", Some(body));
    let sent = ask(&json!({ "method": "email" }));
    assert_eq!((sent.status, &sent.json()["expires_in"]), (202, &json!(600)));
    let code = mailed_code(&app, &person, 1);
    let elevated = ask(&json!({ "code": code }));
    assert_eq!(elevated.status, 200, "{}", elevated.text());
    assert_eq!(refusal(&ask(&json!({ "code": code }))), refused(401, "wrong-code"));
    for nothing in [json!({}), json!({ "password": PASSWORD, "code": code }), json!({ "method": "totp" })] {
        assert_eq!(refusal(&ask(&nothing)), refused(422, "invalid-input"), "{nothing}");
    }
    assert_eq!(ask(&json!({ "code": code, "method": "smoke" })).status, 400);
    let no_app = ask(&json!({ "code": code, "method": "totp" }));
    assert_eq!(refusal(&no_app), refused(409, "method-not-available"));
    let anonymous = app.post_json("/elevate/", "", &json!({ "password": PASSWORD }));
    assert_eq!(anonymous.status, 401);
}
