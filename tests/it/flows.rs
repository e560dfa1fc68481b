//! Becoming a user, over HTTP: register, prove the address, sign in for the first time; and what everybody else is told.

use std::time::Duration;

use serde_json::{Value, json};
use stagedoor::limiter::Quota;

use crate::flows_client::problem;
use crate::flows_mail::link_and_code;
use crate::support::{Answer, PASSWORD, TestApp, get, request};

const MINUTE: Duration = Duration::from_secs(60);

pub fn form(email: &str) -> Value {
    json!({ "name": "Nora Newcomer", "email": email, "password": PASSWORD, "password_confirm": PASSWORD })
}

pub fn login(app: &TestApp, email: &str, password: &str) -> Answer {
    app.post_json("/token/", "", &json!({ "email": email, "password": password }))
}

/// Registers; the path of the activation link below `/auth`, and the code.
fn register(app: &TestApp, email: &str) -> (String, String) {
    let answer = app.post_json("/register/", "", &form(email));
    assert_eq!(answer.status, 202, "{}", answer.text());
    newest_mail(app, email, 0)
}

fn newest_mail(app: &TestApp, email: &str, n: usize) -> (String, String) {
    let (link, code) = link_and_code(app, &app.mail_to(email, n).text);
    (link.strip_prefix("/auth").expect("below the prefix").to_owned(), code)
}

fn verify(app: &TestApp, link: &str) -> Answer {
    app.ask(request("POST", &format!("/auth{link}"), "", b""))
}

fn send_code(app: &TestApp, email: &str, code: &str) -> Answer {
    app.post_json("/verify-email/code/", "", &json!({ "email": email, "code": code }))
}

#[test]
fn each_kind_of_role_is_given_as_the_configuration_says() {
    let app = TestApp::start();
    for (n, (asked, given)) in
        [(None, "user"), (Some("user"), "user"), (Some("staff"), "user")].into_iter().enumerate()
    {
        let email = format!("person{n}@example.org");
        let mut body = form(&email);
        body["role"] = json!(asked);
        assert_eq!(app.post_json("/register/", "", &body).status, 202, "{asked:?}");
        assert_eq!(verify(&app, &newest_mail(&app, &email, 0).0).status, 200);
        let user = login(&app, &email, PASSWORD).json()["user"].clone();
        assert_eq!(
            (&user["roles"], &user["permissions"]),
            (&json!([given]), &json!(["events.view"])),
            "{asked:?}"
        );
    }
    for closed in ["admin", "nobody", "User", "*", "user,admin"] {
        let mut body = form("closed@example.org");
        body["role"] = json!(closed);
        let answer = app.post_json("/register/", "", &body);
        assert_eq!((answer.status, problem(&answer).as_str()), (422, "invalid-input"), "{closed}");
        assert_eq!(answer.json()["codes"]["role"], json!(["not_available"]), "{closed}");
    }
    assert_eq!(login(&app, "closed@example.org", PASSWORD).status, 401);
}

#[test]
fn r_03_looking_at_the_link_changes_nothing_and_one_click_activates() {
    let app = TestApp::start();
    let (link, _) = register(&app, "nora@example.org");
    let answer = login(&app, "nora@example.org", PASSWORD);
    assert_eq!((answer.status, problem(&answer).as_str()), (403, "not-activated"));
    for method in ["GET", "HEAD", "GET"] {
        assert_eq!(
            app.ask(request(method, &format!("/auth{link}"), "Accept: text/html\r\n", b"")).status,
            200
        );
        assert_eq!(login(&app, "nora@example.org", PASSWORD).status, 403, "{method} activated the account");
    }
    let done = verify(&app, &link);
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.json()["detail"].is_string());
    assert_eq!(login(&app, "nora@example.org", PASSWORD).status, 200);
    assert!(app.mail_to("nora@example.org", 1).subject.contains("Welcome"));
    let again = verify(&app, &link);
    assert_eq!((again.status, problem(&again).as_str()), (400, "invalid-token"), "R-02: a link works once");
}

#[test]
fn a_code_activates_and_only_the_newest_one_does() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let (old_link, old_code) = register(&app, "nora@example.org");
    app.advance(MINUTE * 2);
    let resend = app.post_json("/resend-verification/", "", &json!({ "email": "nora@example.org" }));
    assert_eq!(resend.status, 202);
    let (_, code) = newest_mail(&app, "nora@example.org", 1);
    assert_eq!(problem(&verify(&app, &old_link)), "invalid-token");
    if old_code != code {
        assert_eq!(problem(&send_code(&app, "nora@example.org", &old_code)), "invalid-token");
    }
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(problem(&send_code(&app, "nora@example.org", wrong)), "invalid-token");
    assert_eq!(send_code(&app, "nora@example.org", &code).status, 200);
    assert_eq!(problem(&send_code(&app, "nora@example.org", &code)), "invalid-token", "a code works once");
    assert_eq!(login(&app, "nora@example.org", PASSWORD).status, 200);
}

#[test]
fn codes_and_links_end_in_time_and_by_number() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let (link, code) = register(&app, "late@example.org");
    app.advance(MINUTE * 15);
    assert_eq!(
        problem(&send_code(&app, "late@example.org", &code)),
        "invalid-token",
        "codes live 15 minutes"
    );
    assert_eq!(app.ask(get(&format!("/auth{link}"), "")).status, 200, "links live on");
    app.advance(MINUTE * 60 * 24);
    assert_eq!(problem(&verify(&app, &link)), "invalid-token", "links live 24 hours");

    let (_, code) = register(&app, "guessed@example.org");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(problem(&send_code(&app, "guessed@example.org", wrong)), "invalid-token");
    }
    let limited = send_code(&app, "guessed@example.org", &code);
    assert_eq!(problem(&limited), "rate-limited", "five tries");
    app.advance(MINUTE * 11);
    assert_eq!(
        problem(&send_code(&app, "guessed@example.org", &code)),
        "invalid-token",
        "the code is used up"
    );
}

#[test]
fn l_02_a_known_address_gets_the_same_answer_and_its_owner_a_mail() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let person = app.person("user");
    let (known, unknown) = (
        app.post_json("/register/", "", &form(&person.email)),
        app.post_json("/register/", "", &form("new@example.org")),
    );
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    let names = |answer: &Answer| answer.fields.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(names(&known), names(&unknown));
    assert!(app.mail_to(&person.email, 0).subject.contains("have a"), "somebody tried to register");
    app.mail_to("new@example.org", 0);
    assert_eq!(app.sign_in(&person.email).id, person.id, "nothing has changed");

    app.advance(MINUTE * 2);
    app.mail_to(&person.email, 1); // about that sign-in, on a new device
    let before = app.mails_to(&person.email).len();
    let resend = |email: &str| app.post_json("/resend-verification/", "", &json!({ "email": email }));
    let (known, unknown) = (resend(&person.email), resend("nobody@example.org"));
    assert_eq!((known.status, &known.body), (202, &unknown.body));
    assert_eq!(app.mails_to(&person.email).len(), before);
}

#[test]
fn every_wrong_field_is_named() {
    let app = TestApp::start();
    let body = json!({ "name": "", "email": "no address", "password": "abc", "password_confirm": "abd" });
    let answer = app.post_json("/register/", "", &body);
    assert_eq!((answer.status, problem(&answer).as_str()), (422, "invalid-input"));
    let codes = answer.json()["codes"].clone();
    assert_eq!(codes["password"], json!(["too_short", "no_upper", "no_digit", "no_special"]));
    assert_eq!(codes["password_confirm"], json!(["mismatch"]));
    for field in ["name", "email"] {
        assert!(codes[field].is_array(), "{field}: {codes}");
    }
    for (password, code) in
        [("Password1!", "common"), ("Newcomer-42!", "contains_name"), ("Zz9!nora.n", "contains_email")]
    {
        let mut body = form("nora.n@example.org");
        (body["password"], body["password_confirm"]) = (password.into(), password.into());
        let codes = app.post_json("/register/", "", &body).json()["codes"]["password"].clone();
        assert!(codes.as_array().is_some_and(|c| c.contains(&json!(code))), "{password}: {codes}");
    }
}

#[test]
fn the_answers_to_a_sign_in_tell_apart_only_what_the_password_has_earned() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let person = app.person("user");
    register(&app, "waiting@example.org");
    let wrong = login(&app, &person.email, "Wrong-Pass-1");
    assert_eq!((wrong.status, problem(&wrong).as_str()), (401, "wrong-credentials"));
    for (what, email) in [("unknown", "nobody@example.org"), ("not activated", "waiting@example.org")] {
        let answer = login(&app, email, "Wrong-Pass-1");
        assert_eq!((answer.status, &answer.body), (401, &wrong.body), "{what}");
    }
    let waiting = login(&app, "waiting@example.org", PASSWORD);
    assert_eq!((waiting.status, problem(&waiting).as_str()), (403, "not-activated"));
    let right = login(&app, &person.email.to_uppercase(), PASSWORD);
    assert_eq!(right.status, 200);
    let body = right.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(body["user"]["email"], json!(person.email));
    assert!(
        right.all("set-cookie").iter().all(|c| c.starts_with("stagedoor_device=")),
        "no tokens in cookies"
    );
    assert!(body["access"].is_string() && body["refresh"].is_string());
    assert_eq!(right.field("cache-control"), Some("no-store"));
}

#[test]
fn l_11_a_locked_address_answers_alike_known_or_not_right_or_wrong() {
    let app = TestApp::with(|setup| _ = setup.manual_clock());
    let person = app.person("user");
    let mut bodies = Vec::new();
    for email in [person.email.as_str(), "nobody@example.org"] {
        for n in 0..5 {
            assert_eq!(login(&app, email, "Wrong-Pass-1").status, 401, "{email} {n}");
        }
        for password in ["Wrong-Pass-1", PASSWORD] {
            let answer = login(&app, email, password);
            assert_eq!((answer.status, problem(&answer).as_str()), (423, "locked"), "{email}");
            bodies.push(answer.body);
        }
    }
    assert!(bodies.iter().all(|b| *b == bodies[0]));
    let mail = app.mail_to(&person.email, 0);
    assert!(mail.subject.contains("locked"), "{}", mail.subject);
    app.case(Some(&person), get("/api/x", &person.bearer())).allowed();
    app.advance(Duration::from_secs(15 * 60 - 1));
    assert_eq!(login(&app, &person.email, PASSWORD).status, 423);
    app.advance(Duration::from_secs(1));
    assert_eq!(login(&app, &person.email, PASSWORD).status, 200, "the lock ends by itself");
}

/// The `t=` of the `RateLimit` field.
fn wait_of(answer: &Answer) -> u64 {
    let field = answer.field("ratelimit").expect("RateLimit");
    field.rsplit("t=").next().and_then(|t| t.parse().ok()).unwrap_or_else(|| panic!("{field}"))
}

#[test]
fn c_14_who_tries_too_often_is_told_when_to_come_back() {
    let quota = |limit| Quota { limit, window: MINUTE };
    let app = TestApp::with(|setup| {
        setup.manual_clock().tweak(move |settings| {
            let limits = &mut settings.account.rate_limits;
            (limits.login, limits.register, limits.refresh, limits.resend) =
                (quota(3), quota(2), quota(2), quota(1));
        });
    });
    let person = app.person("user");
    app.advance(MINUTE * 2);
    let calls: [(&str, usize, u16, Value); 4] = [
        ("/token/", 3, 401, json!({ "email": "some@example.org", "password": "Wrong-Pass-1" })),
        ("/register/", 2, 422, json!({})),
        ("/token/refresh/", 2, 200, json!({ "refresh": person.refresh })),
        ("/resend-verification/", 1, 202, json!({ "email": "some@example.org" })),
    ];
    for (path, free, status, body) in calls {
        for _ in 0..free {
            assert_eq!(app.post_json(path, "", &body).status, status, "{path}");
        }
        let limited = app.post_json(path, "", &body);
        assert_eq!((limited.status, problem(&limited).as_str()), (429, "rate-limited"), "{path}");
        let wait: u64 = limited.field("retry-after").expect("Retry-After").parse().unwrap();
        assert!((1..=60).contains(&wait) && wait >= wait_of(&limited), "{path}: {wait}");
        let (now, policy) = (limited.field("ratelimit").unwrap(), limited.field("ratelimit-policy").unwrap());
        assert!(now.contains(";r=0;"), "{path}: {now}");
        assert!(policy.ends_with(&format!(";q={free};w=60")), "{path}: {policy}");
        app.advance(Duration::from_secs(wait));
        assert_ne!(app.post_json(path, "", &body).status, 429, "{path}: after the wait");
        app.advance(MINUTE * 2);
    }
}
