//! Tests of the rendered pages.

use std::time::Duration;

use askama::Template;

use super::check_mail::CheckMailPage;
use super::forgot::ResetPage;
use super::login::LoginPage;
use super::register::RegisterPage;
use super::second_factor::SecondFactorPage;
use super::*;
use crate::account::{Argon2Settings, Error, FieldErrors, OpenRole, PasswordPolicy, PasswordSettings};
use crate::gate::Principal;
use crate::model::{AccountId, RoleName, SessionId, Timestamp};
use crate::web::error::Problem;
use crate::web::{HomeLink, Settings};

const EVIL: &str = "\"><script>alert(1)</script>";

fn settings() -> Settings {
    let link = |role: &str, title: &str, href: &str| HomeLink {
        roles: if role.is_empty() { vec![] } else { vec![role.to_owned()] },
        title: title.to_owned(),
        href: href.to_owned(),
    };
    Settings {
        public_url: "http://localhost:8080".into(),
        auth_prefix: "/auth".into(),
        brand: "Lantern Events".into(),
        home_links: vec![
            link("", "All events", "/events/"),
            link("organizer", "My events", "/organizer/"),
            link("organizer", "Create an event", "/organizer/new/"),
            link("admin", "Administration", "/admin/"),
        ],
    }
}

fn rules() -> PasswordSettings {
    PasswordSettings {
        policy: PasswordPolicy::Classes,
        min_length: 8,
        max_length: 256,
        argon2: Argon2Settings {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            workers: None,
            queue: 1,
            queue_deadline: Duration::from_secs(1),
        },
    }
}

fn principal(name: &str) -> Principal {
    Principal {
        id: AccountId::from_bytes([1; 16]),
        session: SessionId::from_bytes([2; 16]),
        email: "mia.berger@example.org".into(),
        email_verified: true,
        name: name.into(),
        roles: vec![RoleName::parse("organizer").unwrap(), RoleName::parse("participant").unwrap()],
        permissions: vec!["events.*".into()],
        amr: vec!["pwd".into()],
        auth_time: Timestamp::from_secs(1_795_239_859),
        expires: Timestamp::from_secs(1_795_240_459),
    }
}

fn login(form: Form, notice: &str) -> LoginPage {
    let frame = Frame::of(&settings()).with_notice(notice);
    let (next, mac) = (String::new(), String::new());
    LoginPage { frame, form, keep: false, refusal: "", registration: true, next, mac }
}

fn second_factor(text: &str) -> SecondFactorPage {
    SecondFactorPage {
        frame: Frame::of(&settings()),
        form: Form::new(vec![Field::text("code", "Recovery code", "off", text)]),
        lead: "",
        method: "totp",
        others: vec![],
        by_mail: true,
        remember: false,
        next: text.to_owned(),
        mac: text.to_owned(),
    }
}

fn reset(text: &str) -> ResetPage {
    let form = Form::new(vec![Field::email(text), Field::mailed_code()]);
    ResetPage { frame: Frame::of(&settings()), form, uid: text.to_owned(), token: text.to_owned() }
}

fn open_roles() -> Vec<OpenRole> {
    let role = |name, needs_approval, default| OpenRole {
        name: RoleName::parse(name).unwrap(),
        needs_approval,
        default,
    };
    vec![role("participant", false, true), role("organizer", true, false)]
}

fn register(name: &str, email: &str, problem: Option<&Problem>) -> RegisterPage {
    let form = register::fields(&rules(), name, email);
    RegisterPage {
        frame: Frame::of(&settings()),
        form: problem.map_or_else(|| register::fields(&rules(), name, email), |p| form.refused(p)),
        roles: register::choices(&open_roles(), ""),
        role_errors: vec![],
        closed: false,
    }
}

fn two_wrong_fields() -> Problem {
    let mut fields = FieldErrors::default();
    fields.add("password", "too_short", "Use at least 8 characters.");
    fields.add("password", "no_digit", "Add a digit.");
    fields.add("password_confirm", "mismatch", "The two passwords are not the same.");
    Error::Invalid(fields).into()
}

#[test]
fn c_03_typed_text_is_escaped() {
    let pages = [
        login(login::fields(EVIL), EVIL).render().unwrap(),
        register(EVIL, EVIL, Some(&two_wrong_fields())).render().unwrap(),
        CheckMailPage { frame: Frame::of(&settings()), form: check_mail::fields(EVIL) }.render().unwrap(),
        home::home(&settings(), &principal(EVIL)).render().unwrap(),
        second_factor(EVIL).render().unwrap(),
        reset(EVIL).render().unwrap(),
        error_page(&settings(), http::StatusCode::NOT_FOUND, EVIL, EVIL, EVIL),
    ];
    for page in pages {
        assert!(page.contains("alert(1)"), "the text is kept");
        assert!(!page.contains("<script>alert"), "… and escaped");
        assert!(!page.contains("\"><script"), "… also in attributes");
    }
}

#[test]
fn c_03_pages_have_nothing_inline() {
    let pages = [
        login(login::fields(""), "").render().unwrap(),
        register("", "", None).render().unwrap(),
        home::home(&settings(), &principal("Mia")).render().unwrap(),
        second_factor("/events/").render().unwrap(),
        reset("").render().unwrap(),
    ];
    for page in pages {
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains("<script src=\"/auth/static/stagedoor."));
        assert!(!page.contains("style=") && !page.contains("<style") && !page.contains(" onclick"));
    }
}

#[test]
fn c_03_notices_are_a_fixed_set() {
    for n in Notice::ALL {
        assert!(Frame::of(&settings()).with_notice(n.id()).notice.is_some(), "{n:?}");
    }
    assert!(Frame::of(&settings()).with_notice("You won! Call …").notice.is_none());
}

#[test]
fn errors_are_beside_the_field_and_in_the_summary() {
    let page = register("Mia", "mia@example.org", Some(&two_wrong_fields())).render().unwrap();
    assert!(page.contains("role=\"alert\""));
    assert!(page.contains("<a href=\"#password\">Use at least 8 characters.</a>"), "{page}");
    assert!(
        page.contains("aria-describedby=\"password-error password-hint\" aria-invalid=\"true\""),
        "{page}"
    );
    assert!(page.contains("id=\"password_confirm-error\""));
    assert!(page.contains("value=\"mia@example.org\""), "the address is kept");
}

#[test]
fn what_is_about_one_field_is_said_once_above_and_once_beside_it() {
    let form = Form::new(vec![Field::email("a@b.de"), Field::mailed_code()]);
    let form = form.refused_at("code", &Error::InvalidToken.into());
    let page = CheckMailPage { frame: Frame::of(&settings()), form }.render().unwrap();
    assert_eq!(page.matches("This link or code is not valid").count(), 2, "{page}");
    assert!(page.contains("<a href=\"#code\">This link or code") && page.contains("id=\"code-error\""));
    assert!(page.contains("Please correct the fields that are marked."));
}

#[test]
fn bad_news_is_not_shown_as_good() {
    let shown = |n: Notice| login(login::fields(""), n.id()).render().unwrap();
    assert!(shown(Notice::Expired).contains("class=\"notice sorry\""));
    assert!(shown(Notice::PasswordReset).contains("class=\"notice\""));
}

#[test]
fn inv_4_passwords_are_never_sent_back() {
    let page = register("Mia", "mia@example.org", Some(&two_wrong_fields())).render().unwrap();
    for input in page.split("<input ").filter(|i| i.contains("type=\"password\"")) {
        assert!(!input.split('>').next().unwrap().contains("value="), "{input}");
    }
}

#[test]
fn password_managers_find_their_fields() {
    let login = login(login::fields(""), "").render().unwrap();
    let register = register("", "", None).render().unwrap();
    let code = CheckMailPage { frame: Frame::of(&settings()), form: check_mail::fields("a@b.de") };
    let code = code.render().unwrap();
    assert!(
        login.contains("autocomplete=\"username\"") && login.contains("autocomplete=\"current-password\"")
    );
    assert_eq!(register.matches("autocomplete=\"new-password\"").count(), 2);
    assert!(code.contains("autocomplete=\"one-time-code\"") && code.contains("inputmode=\"numeric\""));
}

#[test]
fn home_shows_the_links_of_the_roles() {
    let page = home::home(&settings(), &principal("Mia Berger")).render().unwrap();
    assert!(page.contains("/organizer/new/") && page.contains("/events/") && !page.contains("/admin/"));
    assert!(page.contains("Organizer") && page.contains("2026-11-21, "), "{page}");
}

#[test]
fn roles_are_asked_for_only_where_there_is_a_choice() {
    assert!(register::choices(&open_roles()[..1], "").is_empty());
    let page = register("", "", None).render().unwrap();
    assert!(page.contains("value=\"participant\" checked"), "{page}");
    assert!(page.contains("An administrator confirms"));
}
