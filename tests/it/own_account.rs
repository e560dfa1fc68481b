//! The own account over HTTP: reset, another password, another address, profile, closing, export.

use serde_json::{Value, json};

use crate::flows::{form, login};
use crate::flows_client::problem;
use crate::support::{Answer, PASSWORD, Person, TestApp, get, request};

const BETTER: &str = "Second-Act-43!";

/// The path of the link with `path` in a mail, and the code if there is one.
fn link_and_code(app: &TestApp, email: &str, path: &str) -> (String, String) {
    let mails = app.mails_to(email).len();
    let newest = |n: usize| app.mail_to(email, n).text.clone();
    let text = (0..=mails).map(newest).find(|t| t.contains(path)).expect("a mail with the link");
    let start = format!("{}/auth{path}", app.public_url());
    let line = text.lines().find(|l| l.starts_with(&start)).unwrap_or_else(|| panic!("no link: {text}"));
    let code = text.split("page that asks for it:").nth(1).and_then(|rest| rest.split_whitespace().next());
    (line[app.public_url().len() + "/auth".len()..].to_owned(), code.unwrap_or_default().to_owned())
}

/// `uid` and `token` of a link below `/auth`.
pub fn parts(link: &str) -> (String, String) {
    let mut parts = link.trim_matches('/').split('/').skip(1);
    (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned())
}

fn call(app: &TestApp, method: &str, path: &str, person: &Person, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let fields = format!("{}{kind}", person.bearer());
    app.ask(request(method, &format!("/auth{path}"), &fields, body.as_bytes()))
}

pub fn ask_reset(app: &TestApp, email: &str) -> Answer {
    app.post_json("/password-reset/", "", &json!({ "email": email }))
}

pub fn confirm(app: &TestApp, mut proof: Value, password: &str) -> Answer {
    proof["new_password"] = password.into();
    proof["new_password_confirm"] = password.into();
    app.post_json("/password-reset/confirm/", "", &proof)
}

#[test]
fn t_08_a_reset_by_link_ends_every_session_and_the_link_works_once() {
    let app = TestApp::start();
    let person = app.person("user");
    let (known, unknown) = (ask_reset(&app, &person.email), ask_reset(&app, "nobody@example.org"));
    assert_eq!((known.status, &known.body), (202, &unknown.body), "L-02");
    let (uid, token) = parts(&link_and_code(&app, &person.email, "/password-reset/").0);
    app.canary("reset token", &token);
    let weak = confirm(&app, json!({ "uid": uid, "token": token }), "weak");
    assert_eq!((weak.status, problem(&weak).as_str()), (422, "invalid-input"));
    let done = confirm(&app, json!({ "uid": uid, "token": token }), BETTER);
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(app.ask(get("/api/x", &person.bearer())).status, 401, "the access token is dead at once");
    assert_eq!(app.post_json("/token/refresh/", "", &json!({ "refresh": person.refresh })).status, 401);
    assert_eq!(login(&app, &person.email, PASSWORD).status, 401);
    assert_eq!(login(&app, &person.email, BETTER).status, 200);
    let again = confirm(&app, json!({ "uid": uid, "token": token }), "Third-Act-44!");
    assert_eq!((again.status, problem(&again).as_str()), (400, "invalid-token"));
}

#[test]
fn r_01_a_confirmation_needs_one_whole_proof() {
    let app = TestApp::start();
    let person = app.person("user");
    ask_reset(&app, &person.email);
    let (link, code) = link_and_code(&app, &person.email, "/password-reset/");
    let (uid, token) = parts(&link);
    for proof in [
        json!({}),
        json!({ "uid": uid }),
        json!({ "token": token }),
        json!({ "email": person.email }),
        json!({ "uid": uid, "token": token, "email": person.email, "code": code }),
        json!({ "uid": uid, "code": code }),
        json!({ "email": person.email, "token": token }),
    ] {
        let answer = confirm(&app, proof.clone(), BETTER);
        assert_eq!((answer.status, problem(&answer).as_str()), (400, "invalid-token"), "{proof}");
    }
    for proof in [
        json!({ "uid": [uid], "token": token }),
        json!({ "email": [person.email, "a@example.org"], "code": code }),
        json!({ "email": person.email, "code": code.parse::<u32>().unwrap() }),
        json!({ "email": person.email, "code": code, "is_admin": true }),
    ] {
        assert_eq!(confirm(&app, proof.clone(), BETTER).status, 400, "L-12: {proof}");
    }
    assert_eq!(ask_reset_raw(&app, &json!({ "email": ["v@example.org", "a@example.org"] })), 400, "L-12");
    let done = confirm(&app, json!({ "email": person.email, "code": code }), BETTER);
    assert_eq!(done.status, 200, "{}", done.text());
}

fn ask_reset_raw(app: &TestApp, body: &Value) -> u16 {
    app.post_json("/password-reset/", "", body).status
}

#[test]
fn a_changed_password_keeps_this_session_and_ends_the_others() {
    let app = TestApp::start();
    let person = app.person("user");
    let other = app.sign_in(&person.email);
    let change = |current: &str| {
        let body =
            json!({ "current_password": current, "new_password": BETTER, "new_password_confirm": BETTER });
        call(&app, "POST", "/change-password/", &person, Some(&body))
    };
    let wrong = change("Wrong-Pass-1");
    assert_eq!((wrong.status, &wrong.json()["codes"]["current_password"]), (422, &json!(["wrong"])));
    let done = change(PASSWORD);
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(app.ask(get("/api/x", &person.bearer())).status, 200);
    assert_eq!(app.ask(get("/api/x", &other.bearer())).status, 401);
    assert_eq!(login(&app, &person.email, BETTER).status, 200);
    for n in 0..4 {
        assert_eq!(change("Wrong-Pass-1").status, 422, "{n}");
    }
    assert_eq!(change("Wrong-Pass-1").status, 422);
    let locked = change(PASSWORD);
    assert_eq!(
        (locked.status, problem(&locked).as_str()),
        (423, "locked"),
        "this session has used up its tries"
    );
    let body = json!({ "current_password": "a", "new_password": "b", "new_password_confirm": "b" });
    assert_eq!(app.post_json("/change-password/", "", &body).status, 401, "nobody is signed in");
}

#[test]
fn l_14_a_profile_takes_a_name_and_nothing_else() {
    let app = TestApp::start();
    let person = app.person("user");
    let before = call(&app, "GET", "/profile/", &person, None);
    assert_eq!(before.status, 200);
    for member in [
        "role",
        "roles",
        "is_admin",
        "email_verified",
        "id",
        "tenant",
        "password_hash",
        "created_at",
        "email",
        "permissions",
    ] {
        let body = json!({ "name": "Mallory", (member): "admin" });
        assert_eq!(call(&app, "PATCH", "/profile/", &person, Some(&body)).status, 400, "R-08: {member}");
    }
    assert_eq!(call(&app, "GET", "/profile/", &person, None).body, before.body, "nothing has changed");
    let renamed = call(&app, "PATCH", "/profile", &person, Some(&json!({ "name": "Ada King" })));
    assert_eq!((renamed.status, &renamed.json()["name"]), (200, &json!("Ada King")));
    let body = renamed.json();
    assert_eq!(body["second_factor"], json!({ "email": false, "totp": false }));
    assert!(body["created_at"].as_str().is_some_and(|t| t.ends_with('Z')), "{body}");
    for path in ["/profile/", "/export/"] {
        assert_eq!(app.ask(get(&format!("/auth{path}"), "")).status, 401, "{path}");
    }
}

#[test]
fn r_14_an_address_is_confirmed_by_link_or_code() {
    let app = TestApp::start();
    let person = app.person("user");
    let ask = |email: &str| call(&app, "POST", "/change-email/", &person, Some(&json!({ "email": email })));
    let taken = app.person("user");
    let (free, not) = (ask("new@example.org"), ask(&taken.email));
    assert_eq!((free.status, &free.body), (202, &not.body), "L-02");
    let (dead, _) = link_and_code(&app, "new@example.org", "/change-email/");
    assert_eq!(app.ask(request("POST", &format!("/auth{dead}"), "", b"")).status, 400, "a newer request");
    ask("newer@example.org");
    let (_, code) = link_and_code(&app, "newer@example.org", "/change-email/");
    let done = call(&app, "POST", "/change-email/code/", &person, Some(&json!({ "code": code })));
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(app.ask(get("/api/x", &person.bearer())).status, 401, "the token carries the old address");
    let fresh = app.sign_in("newer@example.org");
    assert_eq!(fresh.id, person.id);
    let body = json!({ "email": "last@example.org" });
    assert_eq!(call(&app, "POST", "/change-email/", &fresh, Some(&body)).status, 429, "three an hour");
}

#[test]
fn an_old_proof_is_not_enough_for_what_cannot_be_taken_back() {
    let app = TestApp::start();
    let person = app.person("user");
    let stale = app.minted(&person, |grant| {
        grant.auth_time = grant.auth_time.before(std::time::Duration::from_secs(601));
    });
    let body = json!({ "email": "new@example.org" });
    for (method, path, body) in [("POST", "/change-email/", Some(&body)), ("DELETE", "/profile/", None)] {
        let answer = call(&app, method, path, &stale, body);
        assert_eq!((answer.status, problem(&answer).as_str()), (403, "elevation-required"), "{path}");
    }
}

#[test]
fn j_23_a_closed_account_can_be_kept_and_is_signed_out_meanwhile() {
    let app = TestApp::start();
    let person = app.person("user");
    let closed = call(&app, "DELETE", "/profile/", &person, None);
    assert_eq!(closed.status, 202, "{}", closed.text());
    assert!(closed.json()["deletes_at"].as_str().is_some_and(|t| t.ends_with('Z')));
    assert_eq!(app.ask(get("/api/x", &person.bearer())).status, 401);
    let answer = login(&app, &person.email, PASSWORD);
    assert_eq!((answer.status, problem(&answer).as_str()), (403, "account-closed"));
    let (link, _) = link_and_code(&app, &person.email, "/undo-deletion/");
    assert_ne!(app.ask(get(&format!("/auth{link}"), "Accept: text/html\r\n")).status, 302);
    assert_eq!(login(&app, &person.email, PASSWORD).status, 403, "R-03: looking keeps nothing");
    let undone = app.ask(request("POST", &format!("/auth{link}"), "", b""));
    assert_eq!(undone.status, 200, "{}", undone.text());
    assert_eq!(login(&app, &person.email, PASSWORD).json()["user"]["id"], json!(person.id.to_string()));
}

#[test]
fn t_17_the_export_is_one_document_without_a_secret() {
    let app = TestApp::start();
    let person = app.person("user");
    ask_reset(&app, &person.email);
    let (link, code) = link_and_code(&app, &person.email, "/password-reset/");
    let answer = call(&app, "GET", "/export/", &person, None);
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["profile"]["email"], json!(person.email));
    assert_eq!(body["sessions"].as_array().map(Vec::len), Some(1), "{body}");
    assert!(body["attempts"][0]["outcome"] == "success" && body["audit"].is_array());
    for secret in [person.access, person.refresh, parts(&link).1, code, "$argon2".into(), PASSWORD.into()] {
        assert!(!answer.text().contains(&secret), "{secret}");
    }
}

#[test]
fn l_22_a_closed_registration_answers_403() {
    let app = TestApp::with(|setup| _ = setup.tweak(|s| s.account.registration.enabled = false));
    let answer = app.post_json("/register/", "", &form("nora@example.org"));
    assert_eq!((answer.status, problem(&answer).as_str()), (403, "registration-disabled"));
}

#[test]
fn every_call_refuses_strangers_with_and_without_the_final_slash() {
    let app = TestApp::start();
    for (method, path, kind) in [
        ("POST", "/auth/password-reset/", "invalid-input"),
        ("POST", "/auth/password-reset/confirm/", "invalid-token"),
        ("POST", "/auth/change-password/", "unauthenticated"),
        ("GET", "/auth/profile/", "unauthenticated"),
        ("PATCH", "/auth/profile/", "unauthenticated"),
        ("DELETE", "/auth/profile/", "unauthenticated"),
        ("POST", "/auth/change-email/", "unauthenticated"),
        ("POST", "/auth/change-email/nobody/nothing/", "invalid-token"),
        ("POST", "/auth/change-email/code/", "unauthenticated"),
        ("POST", "/auth/undo-deletion/nobody/nothing/", "invalid-token"),
        ("GET", "/auth/export/", "unauthenticated"),
    ] {
        for path in [path, path.trim_end_matches('/')] {
            let (fields, body) = match method {
                "GET" => ("", &b""[..]),
                _ => ("Content-Type: application/json\r\n", &b"{}"[..]),
            };
            let answer = app.ask(request(method, path, fields, body));
            assert_eq!(problem(&answer), kind, "{method} {path}");
        }
    }
}
