//! Group 1.J of the security cases, J-19 to J-27 as far as they exist: ended, doubled and reassigned tokens, and
//! what is in their claims.

use serde_json::{Value, json};
use stagedoor::account::CreateUser;
use stagedoor::model::Secret;

use crate::flows_mail::link_and_code;
use crate::jwt_forge::{Court, payload_of};
use crate::support::{Browser, PASSWORD, Person, TestApp, get};

#[test]
fn j_19_signing_out_ends_the_token_on_an_open_connection() {
    let app = TestApp::start();
    let (person, other) = (app.person("user"), app.person("user"));
    let request = get("/api/x", &person.bearer());
    let mut open = app.connect();
    for _ in 0..3 {
        assert_eq!(open.send(&request).answer().unwrap().status, 200, "positive control");
    }
    let before = app.upstream().count();
    assert_eq!(app.post_json("/logout/", &person.bearer(), &json!({})).status, 204);
    assert_eq!(open.send(&request).answer().unwrap().status, 401);
    assert_eq!(app.ask(&request).status, 401, "on a new connection");
    assert_eq!(app.ask(get("/api/x", &person.cookies())).status, 401, "as a cookie");
    assert_eq!(app.ask(get("/auth/me/", &person.bearer())).status, 401);
    assert_eq!(app.upstream().count(), before);
    assert_eq!(app.metric("stagedoor_denials_total", "reason=\"token_revoked\""), 3, "INV-7");
    app.case(Some(&other), get("/api/x", &other.bearer())).allowed();
    let again = app.sign_in(&person.email);
    app.case(Some(&again), get("/api/x", &again.bearer())).allowed();
}

#[test]
fn j_19_signing_out_everywhere_ends_every_session_at_once() {
    let app = TestApp::start();
    let first = app.person("user");
    let second = app.sign_in(&first.email);
    for person in [&first, &second] {
        app.case(Some(person), get("/api/x", &person.bearer())).allowed();
    }
    assert_eq!(app.post_json("/logout/", &first.bearer(), &json!({ "all": true })).status, 204);
    for person in [&first, &second] {
        app.case(None, get("/api/x", &person.bearer())).denied();
        let answer = app.post_json("/token/refresh/", "", &json!({ "refresh": person.refresh }));
        assert_eq!(answer.status, 401);
    }
    let third = app.sign_in(&first.email);
    app.case(Some(&third), get("/api/x", &third.bearer())).allowed();
}

#[test]
fn j_19_a_restart_forgets_no_sign_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display().to_string();
    let start = || {
        TestApp::with(|setup| {
            setup.top(&format!("store: {{ url: \"sqlite:{at}/store.db\" }}\nsecret: \"file:{at}/secret\""));
            // The port changes with each start, the issuer must not.
            setup.top("token: { issuer: https://gate.example }");
        })
    };
    let app = start();
    let (person, other) = (app.person("user"), app.person("user"));
    app.case(Some(&person), get("/api/x", &person.bearer())).allowed();
    assert_eq!(app.post_json("/logout/", &person.bearer(), &json!({})).status, 204);
    drop(app);
    let app = start();
    app.case(Some(&other), get("/api/x", &other.bearer())).allowed();
    app.case(None, get("/api/x", &person.bearer())).denied();
}

#[test]
fn j_20_two_different_credentials_are_ambiguous() {
    let app = TestApp::start();
    let (user, admin) = (app.person("user"), app.person("admin"));
    let (cookie, both) =
        (format!("stagedoor_access={}", admin.access), format!("{}{}", user.bearer(), user.bearer()));
    app.case(Some(&admin), get("/admin/x", &admin.bearer())).allowed();
    app.case(
        Some(&user),
        get("/api/x", &format!("{}Cookie: stagedoor_access={}\r\n", user.bearer(), user.access)),
    )
    .allowed();
    for (what, fields) in [
        ("bearer and cookie", format!("{}Cookie: {cookie}\r\n", user.bearer())),
        ("bearer twice", format!("{}{}", user.bearer(), admin.bearer())),
        ("the same bearer twice", both),
        ("two cookies in one field", format!("Cookie: stagedoor_access={}; {cookie}\r\n", user.access)),
        (
            "two cookies in two fields",
            format!("Cookie: stagedoor_access={}\r\nCookie: {cookie}\r\n", user.access),
        ),
        ("half a bearer and a cookie", format!("Authorization: Bearer \r\nCookie: {cookie}\r\n")),
    ] {
        for path in ["/api/x", "/admin/x"] {
            let seen = app.case(None, get(path, &fields)).denied();
            assert_eq!(seen.answer().status, 401, "{what} at {path}");
        }
        assert_eq!(app.ask(get("/auth/me/", &fields)).status, 401, "{what} at our own endpoint");
    }
    for query in ["access_token", "token", "jwt", "stagedoor_access"] {
        let target = format!("/api/x?{query}={}", user.access);
        assert_eq!(app.case(None, get(&target, "")).denied().answer().status, 401, "{query}");
    }
}

#[test]
fn j_20_two_different_refresh_tokens_are_ambiguous() {
    let app = TestApp::start();
    let (one, two) = (app.person("user"), app.person("user"));
    let mut browser = Browser::of(&app, &one);
    let body = json!({ "refresh": two.refresh }).to_string();
    let json = "Content-Type: application/json\r\n";
    assert_eq!(browser.fetch("POST", "/auth/token/refresh/", json, body.as_bytes()).status, 401);
    for person in [one, two] {
        let answer = app.post_json("/token/refresh/", "", &json!({ "refresh": person.refresh }));
        assert_eq!(answer.status, 200, "neither was used up");
    }
}

#[test]
fn j_21_roles_are_a_list_of_exact_strings() {
    let court = Court::in_session("ES256");
    let ask = |payload: String| {
        let token = court.forge.token(court.forge.header(), payload);
        court.app.ask(get("/admin/x", &format!("Authorization: Bearer {token}\r\n")))
    };
    assert_eq!(ask(court.with("roles", json!(["admin", "user"]))).status, 200, "positive control");
    assert_eq!(ask(court.with("roles", json!([]))).status, 403, "someone without a role");
    assert_eq!(ask(court.with("roles", json!(["administrator"]))).status, 403, "a role nobody knows");
    for roles in [
        json!("admin"),
        json!({ "0": "admin" }),
        json!(["Admin"]),
        json!([["admin"]]),
        json!("user admin"),
        json!(null),
        json!([null]),
        json!([1]),
        json!(true),
        json!(["user admin"]),
        json!(["admin\u{0}"]),
        json!(["admin,user"]),
        json!([""]),
        json!(["user", ["admin"]]),
        json!([" admin"]),
        json!(["admin "]),
    ] {
        let before = court.app.upstream().count();
        assert_eq!(ask(court.with("roles", roles.clone())).status, 401, "{roles}");
        assert_eq!(court.app.upstream().count(), before, "{roles}");
        court.refuse_payload(court.with("roles", roles.clone()), &roles.to_string());
    }
    for claim in ["amr", "permissions"] {
        for value in [json!("pwd"), json!(null), json!([["pwd"]]), json!({ "0": "pwd" })] {
            court.refuse_payload(court.with(claim, value.clone()), &format!("{claim} {value}"));
        }
    }
    for claim in ["sub", "sid", "jti"] {
        for id in
            [json!(""), json!("admin"), json!(1), json!("01010101010101010101010101010101"), json!(null)]
        {
            court.refuse_payload(court.with(claim, id.clone()), &format!("{claim} {id}"));
        }
    }
}

/// Registers, activates by the code and signs in, all over HTTP.
fn join(app: &TestApp, name: &str, email: &str) -> Value {
    let body = json!({ "name": name, "email": email, "password": PASSWORD, "password_confirm": PASSWORD });
    assert_eq!(app.post_json("/register/", "", &body).status, 202, "{name:?}");
    let (_, code) = link_and_code(app, &app.mail_to(email, 0).text);
    let body = json!({ "email": email, "code": code });
    assert_eq!(app.post_json("/verify-email/code/", "", &body).status, 200);
    let answer = app.post_json("/token/", "", &json!({ "email": email, "password": PASSWORD }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn j_22_names_stay_values() {
    let app = TestApp::start();
    let names = [
        r#"x","roles":["admin"#,
        r#"x\",\"roles\":[\"admin\"],\"y\":\"#,
        "}{",
        "</script><script>alert(1)</script>",
        "{{7*7}}",
        "x\\",
        "a.b.c",
    ];
    for (n, name) in names.iter().enumerate() {
        let joined = join(&app, name, &format!("someone{n}@example.org"));
        let access = joined["access"].as_str().unwrap();
        let claims = payload_of(access);
        assert_eq!((claims["name"].as_str(), &claims["roles"]), (Some(*name), &json!(["user"])), "{claims}");
        let bearer = format!("Authorization: Bearer {access}\r\n");
        let me = app.ask(get("/auth/me/", &bearer)).json();
        assert_eq!((me["name"].as_str(), &me["roles"]), (Some(*name), &json!(["user"])));
        assert_eq!(app.ask(get("/api/x", &bearer)).status, 200);
        assert_eq!(app.upstream().last().field("x-auth-roles").as_deref(), Some("user"), "{name}");
        assert_eq!(app.ask(get("/admin/x", &bearer)).status, 403, "{name}");
    }
}

#[test]
fn j_23_an_address_that_comes_back_is_another_account() {
    let app = TestApp::start();
    let gone: Person = app.person("user");
    let id = gone.id.to_string();
    app.wait_for(app.store().write("DELETE FROM accounts WHERE id = $1", vec![id.as_str().into()])).unwrap();
    let wanted = CreateUser {
        email: gone.email.clone(),
        name: "Somebody Else".into(),
        roles: vec!["user".into()],
        password: Secret::new(PASSWORD),
    };
    let new_id = app.wait_for(app.accounts().create_user(wanted)).unwrap();
    assert_ne!(new_id, gone.id);
    let refreshed = app.post_json("/token/refresh/", "", &json!({ "refresh": gone.refresh }));
    assert_eq!(refreshed.status, 401, "{}", refreshed.text());
    let new = app.sign_in(&gone.email);
    assert_eq!(new.id, new_id);
    app.case(Some(&new), get("/api/x", &new.bearer())).allowed();
}

#[test]
fn j_27_documents_of_the_wrong_kind() {
    let court = Court::in_session("ES256");
    let by_position = json!(["ES256", "at+jwt", court.forge.kid]).to_string();
    let good = court.forge.header();
    for header in [
        "[]",
        "null",
        "1",
        "\"x\"",
        "{}",
        "true",
        "{",
        "}",
        &by_position,
        &format!(" {good}"),
        &format!("{good}\n"),
    ] {
        court.refuse_header(header, header);
    }
    let payload = court.payload();
    let values: Vec<&Value> = payload.as_object().unwrap().values().collect();
    for body in
        ["[]", "null", "1", "\"x\"", "{}", "{]}", &json!(values).to_string(), &format!("{payload}{payload}")]
    {
        court.refuse_payload(body, body);
    }
    court.app.assert_alive();
}
