//! Administration over HTTP: the doors to the use cases, strict queries, exports, the running rules.

use serde_json::{Value, json};

use crate::flows_client::problem;
use crate::support::{Answer, Person, TestApp, get, request};

/// Below `/auth`: `/auth/bootstrap/`.
const BOOTSTRAP: &str = "/bootstrap/";

fn read(app: &TestApp, who: &Person, path: &str) -> Answer {
    app.ask(get(path, &who.bearer()))
}

fn send(app: &TestApp, who: &Person, method: &str, path: &str, body: &Value) -> Answer {
    let extra = format!("Content-Type: application/json\r\n{}", who.bearer());
    app.ask(request(method, path, &extra, body.to_string().as_bytes()))
}

fn app() -> TestApp {
    TestApp::with(|setup| {
        setup.tweak(|settings| {
            let mut auditor = settings.account.roles[0].clone();
            auditor.name = stagedoor::model::RoleName::parse("auditor").expect("a name");
            auditor.permissions =
                ["users.view", "audit.view", "mail.view", "rules.view"].map(str::to_owned).to_vec();
            settings.account.roles.push(auditor);
        });
    })
}

#[test]
fn l_13_forged_cursors_orders_and_filters_are_400_and_never_more() {
    let app = app();
    let admin = app.person("admin");
    let forged = [
        "/auth/admin/users/?cursor=1",
        "/auth/admin/users/?cursor=%27%20OR%201%3D1",
        "/auth/admin/users/?cursor=dXNlcnM6LWNyZWF0ZWQKbjEKMQ",
        "/auth/admin/users/?sort=password_hash",
        "/auth/admin/users/?sort=created%27",
        "/auth/admin/users/?sort=--created",
        "/auth/admin/users/?role=admin%27--",
        "/auth/admin/users/?state=%27",
        "/auth/admin/users/?filter=%27",
        "/auth/admin/users/?limit=0",
        "/auth/admin/users/?limit=101",
        "/auth/admin/users/?limit=1&limit=2",
        "/auth/admin/users/?format=xlsx",
        "/auth/admin/users/?q=%ff",
        "/auth/admin/users/?q=%00",
        "/auth/admin/approvals/?cursor=%27",
        "/auth/admin/attempts/?account=%27",
        "/auth/admin/attempts/?address=%27",
        "/auth/admin/attempts/?ip=%27",
        "/auth/admin/attempts/?outcome=%27",
        "/auth/admin/attempts/?from=yesterday",
        "/auth/admin/attempts/?cursor=AAAA",
        "/auth/admin/audit/?actor=%27",
        "/auth/admin/audit/?target=%27",
        "/auth/admin/audit/?action=%27",
        "/auth/admin/audit/?to=%27",
        "/auth/admin/audit/?cursor=AAAA",
        "/auth/admin/mail/?state=%27",
        "/auth/admin/mail/?cursor=AAAA",
        "/auth/admin/rules/explain?path=x",
        "/auth/admin/rules/explain?path=/&ip=%27",
        "/auth/admin/rules/explain?path=/&method=%20",
    ];
    for path in forged {
        let answer = read(&app, &admin, path);
        assert_eq!((answer.status, problem(&answer).as_str()), (400, "malformed-query"), "{path}");
    }
    for path in [
        "/auth/admin/users/?q=O%27Brien",
        "/auth/admin/users/?q=%25&sort=-name",
        "/auth/admin/users/?q=%F0%9F%A6%80",
    ] {
        assert_eq!(read(&app, &admin, path).json()["items"], json!([]), "{path}");
    }
    let next = read(&app, &admin, "/auth/admin/attempts/?limit=1").json()["next"].clone();
    assert_eq!(next, json!(null), "one sign-in so far");
    app.sign_in(&admin.email);
    let next = read(&app, &admin, "/auth/admin/attempts/?limit=1").json()["next"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    assert_eq!(read(&app, &admin, &format!("/auth/admin/attempts/?limit=1&cursor={next}")).status, 200);
    assert_eq!(
        read(&app, &admin, &format!("/auth/admin/audit/?cursor={next}")).status,
        400,
        "of another list"
    );
}

#[test]
fn auditors_see_everything_and_change_nothing() {
    let app = app();
    let (auditor, user) = (app.person("auditor"), app.person("user"));
    let id = user.id;
    let one = format!("/auth/admin/users/{id}/");
    let lists = [
        "/auth/admin/users/",
        "/auth/admin/approvals/",
        "/auth/admin/attempts/",
        "/auth/admin/audit/",
        "/auth/admin/mail/",
        "/auth/admin/rules/",
        "/auth/admin/rules/explain?path=/admin/x",
    ];
    for path in lists.iter().copied().chain([one.as_str(), &format!("/auth/admin/users/{id}/sessions/")]) {
        assert_eq!(read(&app, &auditor, path).status, 200, "{path}");
        let refused = read(&app, &user, path);
        assert_eq!((refused.status, problem(&refused).as_str()), (403, "permission-required"), "{path}");
        assert_eq!(app.ask(get(path, "")).status, 401, "{path}");
    }
    let empty = json!({});
    let changes = [
        (
            "POST",
            "/auth/admin/users/".to_owned(),
            json!({"email": "x@example.org", "name": "X", "roles": []}),
        ),
        ("DELETE", one.clone(), empty.clone()),
        ("POST", format!("/auth/admin/users/{id}/activate/"), empty.clone()),
        ("POST", format!("/auth/admin/users/{id}/deactivate/"), empty.clone()),
        ("POST", format!("/auth/admin/users/{id}/unlock/"), empty.clone()),
        ("POST", format!("/auth/admin/users/{id}/reset-password/"), empty.clone()),
        ("PUT", format!("/auth/admin/users/{id}/roles/"), json!({"roles": ["admin"]})),
        ("DELETE", format!("/auth/admin/users/{id}/sessions/"), empty.clone()),
        ("POST", format!("/auth/admin/approvals/{}/", user.id), json!({"approve": true})),
        ("POST", format!("/auth/admin/mail/{}/retry/", user.id), empty.clone()),
    ];
    for (method, path, body) in changes {
        let refused = send(&app, &auditor, method, &path, &body);
        assert_eq!(
            (refused.status, problem(&refused).as_str()),
            (403, "permission-required"),
            "{method} {path}"
        );
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(
            send(&app, &app.person("admin"), method, "/auth/admin/audit/", &empty).status,
            405,
            "append-only"
        );
    }
}

#[test]
fn an_admin_looks_after_people() {
    let app = app();
    let (admin, user) = (app.person("admin"), app.person("user"));
    let id = user.id;
    let one = format!("/auth/admin/users/{id}/");
    let found = read(&app, &admin, &format!("/auth/admin/users/?q={}&sort=email", user.email)).json();
    assert_eq!(found["items"][0]["id"], json!(user.id.to_string()));
    let shown = read(&app, &admin, &one);
    assert_eq!((&shown.json()["state"], &shown.json()["sessions"]), (&json!("active"), &json!(1)));
    assert!(!shown.text().contains("argon2"), "T-17: {}", shown.text());
    let roles =
        send(&app, &admin, "PUT", &format!("/auth/admin/users/{id}/roles/"), &json!({"roles": ["staff"]}));
    assert_eq!(roles.status, 200, "{}", roles.text());
    assert_eq!(read(&app, &admin, &one).json()["roles"], json!(["staff"]));
    assert_eq!(send(&app, &admin, "PUT", &format!("/auth/admin/users/{id}/roles/"), &json!({})).status, 422);
    assert_eq!(
        send(&app, &admin, "PUT", &format!("/auth/admin/users/{id}/roles/"), &json!({"roles": ["no"]}))
            .status,
        422
    );
    let off = send(&app, &admin, "POST", &format!("/auth/admin/users/{id}/deactivate/"), &json!({}));
    assert_eq!(off.status, 200, "{}", off.text());
    assert_eq!(app.ask(get("/api/x", &user.bearer())).status, 401, "J-18");
    assert_eq!(app.post_json("/token/refresh/", "", &json!({"refresh": user.refresh})).status, 401);
    assert_eq!(send(&app, &admin, "DELETE", &one, &json!({})).status, 204);
    assert_eq!(read(&app, &admin, &one).status, 404);
    assert_eq!(read(&app, &admin, "/auth/admin/users/nonsense/").status, 404);
    let last = send(&app, &admin, "POST", &format!("/auth/admin/users/{}/deactivate/", admin.id), &json!({}));
    assert_eq!((last.status, problem(&last).as_str()), (409, "last-admin"));
    let trail =
        read(&app, &admin, &format!("/auth/admin/audit/?target={}&actor={}", user.id, admin.id)).json();
    let actions: Vec<_> =
        trail["items"].as_array().expect("lines").iter().map(|l| l["action"].clone()).collect();
    assert_eq!(actions, ["account.deleted", "account.deactivated", "account.roles"]);
    assert!(trail["items"][0]["request_id"].as_str().is_some_and(|id| id.len() == 36));
}

#[test]
fn r_15_an_invitation_goes_to_its_owner_alone() {
    let app = app();
    let admin = app.person("admin");
    let body = json!({"email": "new@example.org", "name": "=Newman", "roles": ["staff"]});
    let made = send(&app, &admin, "POST", "/auth/admin/users/", &body);
    assert_eq!((made.status, &made.json()["state"]), (201, &json!("unverified")), "{}", made.text());
    let mail = app.mail_to("new@example.org", 0);
    let token = mail.text.split('/').find(|part| part.len() == 43).expect("a link");
    app.canary("the token of an invitation", token);
    let queue = read(&app, &admin, "/auth/admin/mail/").json();
    assert_eq!(queue["items"][0]["kind"], json!("invited"));
    let csv = read(&app, &admin, "/auth/admin/users/?format=csv&sort=email");
    assert_eq!(csv.field("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert!(
        csv.text().contains("\"new@example.org\",\"'=Newman\",\"staff\",\"\",\"unverified\""),
        "{}",
        csv.text()
    );
    assert_eq!(csv.text().lines().count(), 3);
}

#[test]
fn the_running_rules_explain_themselves() {
    let app = app();
    let admin = app.person("admin");
    let rules = read(&app, &admin, "/auth/admin/rules/").json();
    assert!(rules["items"].as_array().expect("rules").iter().any(|r| r["path"] == json!("/admin/**")));
    let told = read(&app, &admin, "/auth/admin/rules/explain?path=/admin/x&role=user").json();
    assert_eq!(told["verdict"]["outcome"], json!("forbidden"));
    assert_eq!(told["verdict"]["reason"], json!("role_required"));
    let told = read(&app, &admin, "/auth/admin/rules/explain?path=/admin/x&role=user,admin").json();
    assert_eq!(told["verdict"]["outcome"], json!("allowed"));
    let told = read(&app, &admin, "/auth/admin/rules/explain?path=/api/x").json();
    assert_eq!(told["verdict"]["outcome"], json!("needs_sign_in"));
}

#[test]
fn l_20_the_first_admin_is_made_once() {
    let app = app();
    let link = app.wait_for(app.accounts().bootstrap_link()).expect("answers").expect("no admin yet");
    let (page, token) = link.expose().split_once('#').expect("a fragment");
    assert_eq!(page, format!("{}/auth/bootstrap/", app.public_url()));
    app.canary("the bootstrap token", token);
    let body = |email: &str| {
        json!({"token": token, "name": "Root", "email": email, "password": crate::support::PASSWORD,
               "password_confirm": crate::support::PASSWORD})
    };
    let mut forged = body("root@example.org");
    forged["token"] = "x".into();
    let wrong = app.post_json(BOOTSTRAP, "", &forged);
    assert_eq!((wrong.status, problem(&wrong).as_str()), (410, "bootstrap-over"));
    let without = app.post_json(BOOTSTRAP, "", &json!({"name": "Root"}));
    assert_eq!((without.status, problem(&without).as_str()), (422, "invalid-input"));
    assert_eq!(app.post_json(BOOTSTRAP, "", &body("root@example.org")).status, 201);
    assert_eq!(app.post_json(BOOTSTRAP, "", &body("two@example.org")).status, 410);
    let admin = app.sign_in("root@example.org");
    assert_eq!(read(&app, &admin, "/auth/admin/users/").status, 200);
}
