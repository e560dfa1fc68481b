//! Group T of the security cases, T-08: what ends when something about an account changes. Asked of the gateway, for access
//! and refresh tokens alike, at once.

use serde_json::{Value, json};
use stagedoor::model::Timestamp;
use stagedoor::store::Revocation;
use stagedoor::token::Revocations;

use crate::flows_client::problem;
use crate::support::{Answer, PASSWORD, Person, TestApp, get, request};

const BETTER: &str = "Second-Act-43!";

fn call(app: &TestApp, who: &Person, method: &str, path: &str, body: &Value) -> Answer {
    let fields = format!("{}Content-Type: application/json\r\n", who.bearer());
    app.ask(request(method, &format!("/auth{path}"), &fields, body.to_string().as_bytes()))
}

/// The same where it must succeed.
fn done(app: &TestApp, who: &Person, method: &str, path: &str, body: &Value) -> Answer {
    let answer = call(app, who, method, path, body);
    assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text());
    answer
}

/// What a person's tokens of before still open.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
struct Open {
    access: bool,
    refresh: bool,
}

const ALL: Open = Open { access: true, refresh: true };
const NOTHING: Open = Open { access: false, refresh: false };

fn open(app: &TestApp, person: &Person) -> Open {
    let access = app.ask(get("/api/x", &person.bearer()));
    let cookie = app.ask(get("/api/x", &format!("Cookie: stagedoor_access={}\r\n", person.access)));
    assert_eq!(access.status, cookie.status, "one token, however it is carried");
    let refresh = app.post_json("/token/refresh/", "", &json!({ "refresh": person.refresh }));
    for answer in [&access, &refresh] {
        assert!([200, 401].contains(&answer.status), "{}", answer.text());
    }
    Open { access: access.status == 200, refresh: refresh.status == 200 }
}

/// Whether a gateway that starts now would let the access token in: what has ended is in the store, not only in this
/// process.
fn open_after_a_restart(app: &TestApp, person: &Person) -> bool {
    let rows = app.wait_for(app.store().live_revocations(app.now())).expect("the store answers");
    let fresh = Revocations::new();
    for row in rows {
        match row {
            Revocation::Session { session, until } => fresh.revoke_session(session, until),
            Revocation::Account { account, before, until } => {
                fresh.revoke_account_before(account, before, until);
            }
        }
    }
    !fresh.is_revoked(person.session, person.id, Timestamp::from_secs(person.auth_time))
}

/// Somebody with two sessions; `act` is done in the first one.
struct Case {
    what: &'static str,
    act: fn(&TestApp, &Person),
    this: Open,
    others: Open,
}

/// The link below `/auth` with `path` in it, from the newest mail that has one.
fn link(app: &TestApp, email: &str, path: &str) -> String {
    let start = format!("{}/auth{path}", app.public_url());
    let text = crate::support::until("a mail with the link", || {
        app.mails_to(email).iter().rev().find(|m| m.text.contains(&start)).map(|m| m.text.clone())
    });
    let found = text.split_whitespace().find(|w| w.starts_with(&start)).expect("a link");
    found[app.public_url().len() + "/auth".len()..].to_owned()
}

fn reset(app: &TestApp, person: &Person) {
    assert_eq!(app.post_json("/password-reset/", "", &json!({ "email": person.email })).status, 202);
    let link = link(app, &person.email, "/password-reset/");
    let mut parts = link.trim_matches('/').split('/').skip(1);
    let body = json!({
        "uid": parts.next(), "token": parts.next(), "new_password": BETTER, "new_password_confirm": BETTER,
    });
    assert_eq!(app.post_json("/password-reset/confirm/", "", &body).status, 200);
}

fn new_password(app: &TestApp, person: &Person) {
    let body =
        json!({ "current_password": PASSWORD, "new_password": BETTER, "new_password_confirm": BETTER });
    done(app, person, "POST", "/change-password/", &body);
}

fn new_address(app: &TestApp, person: &Person) {
    let email = format!("new-{}", person.email);
    done(app, person, "POST", "/change-email/", &json!({ "email": email }));
    let link = link(app, &email, "/change-email/");
    assert_eq!(app.ask(request("POST", &format!("/auth{link}"), "", b"")).status, 200);
}

fn as_admin(app: &TestApp, person: &Person, method: &str, path: &str, body: &Value) {
    let admin = app.person("admin");
    done(app, &admin, method, &format!("/admin/users/{}/{path}", person.id), body);
}

/// Every change, and what is left of this session and of the others.
fn cases() -> Vec<Case> {
    let case = |what, act, this, others| Case { what, act, this, others };
    let refreshed = Open { access: false, refresh: true };
    vec![
        case("another password", new_password, ALL, NOTHING),
        case("a reset", reset, NOTHING, NOTHING),
        // The token says the old address; the session goes on with one that says the new one.
        case("another address", new_address, refreshed, NOTHING),
        case("a factor more", |a, p| _ = done(a, p, "POST", "/2fa/email/", &json!({})), ALL, NOTHING),
        case("all others", |a, p| _ = done(a, p, "DELETE", "/sessions/", &json!({})), ALL, NOTHING),
        case(
            "out everywhere",
            |a, p| _ = done(a, p, "POST", "/logout/", &json!({ "all": true })),
            NOTHING,
            NOTHING,
        ),
        case("out here", |a, p| _ = done(a, p, "POST", "/logout/", &json!({})), NOTHING, ALL),
        case(
            "closed by its owner",
            |a, p| _ = done(a, p, "DELETE", "/profile/", &json!({})),
            NOTHING,
            NOTHING,
        ),
        case("switched off", |a, p| as_admin(a, p, "POST", "deactivate/", &json!({})), NOTHING, NOTHING),
        case("deleted", |a, p| as_admin(a, p, "DELETE", "", &json!({})), NOTHING, NOTHING),
        case("ended by an admin", |a, p| as_admin(a, p, "DELETE", "sessions/", &json!({})), NOTHING, NOTHING),
        case(
            "other roles",
            |a, p| as_admin(a, p, "PUT", "roles/", &json!({ "roles": ["staff"] })),
            refreshed,
            refreshed,
        ),
    ]
}

#[test]
fn t_08_every_change_ends_what_it_must_and_nothing_else() {
    let app = TestApp::start();
    let stranger = app.person("user");
    for case in cases() {
        let this = app.person("user");
        let other = app.sign_in(&this.email);
        (case.act)(&app, &this);
        assert_eq!(open_after_a_restart(&app, &other), case.others.access, "{}: the others", case.what);
        assert_eq!(open_after_a_restart(&app, &this), case.this.access, "{}: this session", case.what);
        assert_eq!(open(&app, &other), case.others, "{}: the others", case.what);
        assert_eq!(open(&app, &this), case.this, "{}: this session", case.what);
    }
    assert_eq!(open(&app, &stranger), ALL, "nobody else");
}

#[test]
fn t_08_switching_a_factor_off_ends_the_others_too() {
    let app = TestApp::start();
    let person = app.person("user");
    done(&app, &person, "POST", "/2fa/email/", &json!({}));
    let strong = app.with_mfa(&person);
    // A second session, opened past the factor: only its end is looked at here.
    let other = {
        let login = stagedoor::account::Login {
            email: person.email.clone(),
            password: stagedoor::model::Secret::new(PASSWORD),
            keep: false,
            browser: false,
        };
        let origin = stagedoor::account::Origin {
            ip: stagedoor::model::ClientIp::new([127, 0, 0, 1].into()),
            user_agent: "test".into(),
            request_id: stagedoor::model::RequestId::random(&stagedoor::model::SystemEntropy),
            device: None,
        };
        let begun = app.wait_for(app.accounts().login(login, &origin)).expect("the password is right");
        let stagedoor::account::SignIn::Challenge(challenge) = begun else { panic!("a second factor") };
        let mail = crate::support::until("a code", || {
            let mails = app.mails_to(&person.email);
            mails.iter().rev().find_map(|m| {
                let is_code = |w: &&str| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit());
                m.text.split_whitespace().find(is_code).map(str::to_owned)
            })
        });
        let body = json!({ "challenge": challenge.token.expose(), "code": mail });
        let answer = app.post_json("/token/verify-otp/", "", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = |member: &str| answer.json()[member].as_str().expect(member).to_owned();
        Person { access: text("access"), refresh: text("refresh"), ..person.clone() }
    };
    assert_eq!(app.ask(get("/api/x", &other.bearer())).status, 200);
    let weak = call(&app, &person, "DELETE", "/2fa/email/", &json!({}));
    assert_eq!((weak.status, problem(&weak).as_str()), (403, "elevation-required"), "M-03");
    done(&app, &strong, "DELETE", "/2fa/email/", &json!({}));
    assert_eq!(open(&app, &other), NOTHING);
    assert_eq!(open(&app, &person), ALL);
}
