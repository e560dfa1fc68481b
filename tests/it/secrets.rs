//! Invariants 4 and 7 of the security page, asked of the real binary: what its log says about refusals and what it never says.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stagedoor::model::{Clock as _, SystemClock};
use totp_rs::{Algorithm, Builder};

use crate::flows_client::Client;
use crate::flows_process::{PASSWORD, Site, eventually};
use crate::support::{Answer, RawClient, TestApp, get, request};

/// The lines of the log, which are JSON.
fn log(site: &Site) -> Vec<Value> {
    let text = std::fs::read_to_string(site.path("log")).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

/// A field of a line, wherever the format puts it.
fn field<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    line.get(name).or_else(|| line.get("fields").and_then(|f| f.get(name)))
}

fn refusals(site: &Site) -> Vec<Value> {
    let of = |l: &Value| field(l, "message").is_some_and(|m| m == "request refused");
    log(site).into_iter().filter(of).collect()
}

fn token(client: &Client, email: &str, password: &str) -> Answer {
    client.post_json("/auth/token/", &json!({ "email": email, "password": password }))
}

#[test]
fn every_refusal_is_one_line_with_its_reason_and_the_id_of_the_request() {
    let site = Site::new();
    site.create_user("robin@example.org", "user");
    let _server = site.serve();
    let client = site.client();
    let access = token(&client, "robin@example.org", PASSWORD).json()["access"].as_str().unwrap().to_owned();
    let bearer = format!("Authorization: Bearer {access}\r\n");
    let cookie = format!("Cookie: stagedoor_access={access}\r\nSec-Fetch-Site: cross-site\r\n");
    let json = "Content-Type: application/json\r\n";
    let guess = json!({ "email": "robin@example.org", "password": "Wrong-Pass-1" }).to_string();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nAccept: text/html\r\n";
    let kinds: Vec<(u16, &str, Vec<u8>)> = vec![
        (400, "dot_segment", get("/api/../x", "")),
        (400, "host_twice", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec()),
        (401, "unauthenticated", get("/api/x", "")),
        (401, "", get("/api/x", "Authorization: Bearer a.b.c\r\n")),
        (403, "role_required", get("/admin/x", &bearer)),
        (403, "cross_site", request("POST", "/api/x", &cookie, b"")),
        (403, "cross-site", request("POST", "/auth/logout/", &cookie, b"")),
        (401, "wrong-credentials", request("POST", "/auth/token/", json, guess.as_bytes())),
        (
            401,
            "wrong-credentials",
            request("POST", "/auth/login/", form, b"email=a%40example.org&password=Wrong-1"),
        ),
        (400, "malformed-body", request("POST", "/auth/token/", json, b"{\"email\":[]}")),
        (400, "invalid-token", request("POST", "/auth/unlock/u/t/", "", b"")),
        (400, "invalid-token", request("POST", "/auth/unlock/u/t/", form, b"")),
        (403, "permission-required", get("/auth/admin/users/", &bearer)),
        (401, "unauthenticated", get("/auth/sessions/", "")),
        (404, "not-found", get("/auth/nothing/", "")),
        (502, "upstream_down", get("/public/x", "")),
    ];
    for (status, reason, bytes) in kinds {
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(90)]).into_owned();
        let before = refusals(&site).len();
        let mut connection = RawClient::connect(site.public());
        connection.send(&bytes);
        let answer = connection.answer().expect("an answer");
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let lines = eventually("a line", || Some(refusals(&site)).filter(|l| l.len() > before));
        // Whatever else this request would make is written before the next one is answered.
        connection = RawClient::connect(site.public());
        connection.send(get("/auth/.well-known/jwks.json", ""));
        assert_eq!(connection.answer().map(|a| a.status), Ok(200));
        assert_eq!(refusals(&site).len(), before + 1, "{what}: {lines:?}");
        let line = &lines[before];
        let said = field(line, "reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        assert!(said == reason || (reason.is_empty() && !said.is_empty()), "{what}: {line}");
        assert_eq!(field(line, "status"), Some(&json!(status)), "{what}");
        let id = field(line, "request_id").and_then(Value::as_str).expect("an id").to_owned();
        let told = answer.field("x-request-id").map(str::to_owned);
        let told = told.or_else(|| answer.json()["request_id"].as_str().map(str::to_owned));
        assert_eq!(told, Some(id.clone()), "{what}");
        let same = log(&site).iter().filter(|l| field(l, "request_id").is_some_and(|i| *i == *id)).count();
        assert_eq!(same, 1, "{what}: one line under {id}");
        let cause = ["upstream", "error"].map(|name| field(line, name).and_then(Value::as_str));
        match cause {
            [Some("things"), Some(error)] => assert!(status == 502 && error.contains("refused"), "{line}"),
            cause => assert!(status != 502 && cause == [None, None], "{what}: {line}"),
        }
    }
}

/// Addresses of ours may hold a secret, however they are written; those of applications are written down whole.
#[test]
fn inv_4_the_path_of_a_refusal_is_cut_where_it_is_ours_and_only_there() {
    let site = Site::new();
    let _server = site.serve();
    let large = "Content-Length: 99999999\r\n";
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{large}\r\n").into_bytes();
    for (bytes, path) in [
        (get("/authors/s3cr3t", ""), "/authors/s3cr3t"),
        (get("/auth.txt", ""), "/auth.txt"),
        (get("/authors/../s3cr3t", ""), "/authors/../s3cr3t"),
        (get("/api/auth/s3cr3t", ""), "/api/auth/s3cr3t"),
        (post("/auth/unlock/u/s3cr3t/"), "/auth"),
        (post("/%61uth/unlock/u/s3cr3t/"), "/auth"),
        (get("/%61uth/../auth/unlock/u/s3cr3t/", ""), "/auth"),
        (get("/%2561uth/unlock/u/s3cr3t/", ""), "/auth"),
        (get("/auth%2funlock%2fu%2fs3cr3t/", ""), "/auth"),
        (get("/auth%5cunlock/u/s3cr3t/", ""), "/auth"),
        (get("/AUTH/unlock/u/s3cr3t/", ""), "/AUTH"),
        (get("/mail//%41uth;x=1/unlock/u/s3cr3t/", ""), "/mail//Auth"),
        (get("//localhost/auth/unlock/u/s3cr3t/", ""), "//localhost/auth"),
    ] {
        let what = String::from_utf8_lossy(&bytes).into_owned();
        let before = refusals(&site).len();
        let mut connection = RawClient::connect(site.public());
        connection.send(&bytes);
        assert!(connection.answer().expect("an answer").status >= 400, "{what}");
        let lines = eventually("a line", || Some(refusals(&site)).filter(|l| l.len() > before));
        assert_eq!(field(&lines[before], "path"), Some(&json!(path)), "{what}");
    }
}

/// All secrets of one person, as they come along.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn keep(&mut self, secret: &str) -> String {
        assert!(secret.len() >= 6, "{secret}");
        self.0.insert(secret.to_owned());
        secret.to_owned()
    }

    fn member(&mut self, answer: &Answer, name: &str) -> String {
        let body = answer.json();
        self.keep(body[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", answer.text())))
    }
}

/// The plain text of a mail file.
fn decoded(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=")
}

/// The path of the newest link with `flow` in it, and the code beside it.
fn mailed(site: &Site, flow: &str, secrets: &mut Secrets) -> (String, String) {
    let start = format!("{}/auth{flow}", site.url());
    // Some mails name the page without a token.
    let link = |m: &str| {
        m.split_whitespace().find(|w| w.starts_with(&start) && w.len() > start.len()).map(str::to_owned)
    };
    let (mail, link) = eventually("a mail", || {
        site.mails().iter().rev().map(|m| decoded(m)).find_map(|m| link(&m).map(|link| (m, link)))
    });
    let path = link[site.url().len()..].to_owned();
    secrets.keep(path.trim_end_matches('/').rsplit('/').next().unwrap());
    let code = mail.split("page that asks for it:").nth(1).and_then(|r| r.split_whitespace().next());
    (path, code.map(|c| secrets.keep(c)).unwrap_or_default())
}

fn shown(secret: &str, at: u64) -> String {
    let value = |c: u8| if c.is_ascii_digit() { c - b'2' + 26 } else { c - b'A' };
    let bits: Vec<u8> = secret.bytes().flat_map(|c| (0..5).rev().map(move |n| value(c) >> n & 1)).collect();
    let seed: Vec<u8> = bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)).collect();
    let seed: [u8; 20] = seed.try_into().unwrap();
    let app = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
    app.with_secret(seed).build().unwrap().generate(at).to_string()
}

#[test]
fn no_secret_of_any_flow_is_in_the_log_the_metrics_or_a_subject() {
    let site = Site::new();
    let _server = site.serve();
    let client = site.client();
    let mut secrets = Secrets::default();
    let (first, second, wrong) =
        (secrets.keep(PASSWORD), secrets.keep("Second-Act-43!"), secrets.keep("Wrong-Pass-1"));
    let email = "robin@example.org";
    // Registration and the first sign-in.
    let form = json!({ "name": "Robin Roe", "email": email, "password": first, "password_confirm": first });
    assert_eq!(client.post_json("/auth/register/", &form).status, 202);
    let (link, code) = mailed(&site, "/verify-email/", &mut secrets);
    assert_eq!(code.len(), 6);
    assert_eq!(client.get(&link).status, 200);
    assert_eq!(client.post_json(&link, &json!({})).status, 200);
    assert_eq!(client.post_json(&link, &json!({})).status, 400, "used");
    assert_eq!(token(&client, email, &wrong).status, 401);
    let tokens = token(&client, email, &first);
    let (access, refresh) = (secrets.member(&tokens, "access"), secrets.member(&tokens, "refresh"));
    // Tokens that work, that are used again and that are bent.
    let renewed = client.post_json("/auth/token/refresh/", &json!({ "refresh": refresh }));
    secrets.member(&renewed, "refresh");
    let access_2 = secrets.member(&renewed, "access");
    let bent = secrets.keep(&format!("{refresh}A"));
    assert_eq!(client.post_json("/auth/token/refresh/", &json!({ "refresh": bent })).status, 401);
    let tampered = secrets.keep(&format!("{access}x"));
    assert_eq!(client.clone().bearer(&tampered).get("/api/x").status, 401);
    assert_eq!(client.get(&format!("/api/x?access_token={access}")).status, 401);
    let me = client.clone().bearer(&access_2);
    // A second factor, its recovery codes, and a sign-in with each.
    let begun = me.post_json("/auth/2fa/totp/", &json!({}));
    let seed = secrets.member(&begun, "secret");
    let now = SystemClock::new().now().secs().try_into().unwrap();
    let code = secrets.keep(&shown(&seed, now));
    let confirmed = me.post_json("/auth/2fa/totp/confirm/", &json!({ "code": code }));
    let codes: Vec<String> = serde_json::from_value(confirmed.json()["recovery_codes"].clone()).unwrap();
    for code in &codes {
        secrets.keep(code);
    }
    for (code, method) in
        [(code.as_str(), "totp"), (codes[0].as_str(), "recovery"), (codes[0].as_str(), "recovery")]
    {
        let challenge = secrets.member(&token(&client, email, &first), "challenge");
        let answer = client.post_json(
            "/auth/token/verify-otp/",
            &json!({ "challenge": challenge, "code": code, "method": method }),
        );
        if answer.status == 200 {
            secrets.member(&answer, "refresh");
        }
    }
    // A reset by a link, opened as a page, used, and used again.
    assert_eq!(client.post_json("/auth/password-reset/", &json!({ "email": email })).status, 202);
    let (link, _) = mailed(&site, "/password-reset/", &mut secrets);
    let page = client.clone().with("Accept", "text/html").get(&link);
    assert_eq!((page.status, page.field("referrer-policy")), (200, Some("no-referrer")), "R-10");
    let parts: Vec<&str> = link.trim_matches('/').split('/').rev().take(2).collect();
    let body =
        json!({ "uid": parts[1], "token": parts[0], "new_password": second, "new_password_confirm": second });
    let done = client.post_json("/auth/password-reset/confirm/", &body);
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(client.post_json("/auth/password-reset/confirm/", &body).status, 400);
    // A lock, and the link that opens it.
    for _ in 0..6 {
        token(&client, email, &wrong);
    }
    let (link, _) = mailed(&site, "/unlock/", &mut secrets);
    assert_eq!(client.post_json(&link, &json!({})).status, 200);
    let challenge = secrets.member(&token(&client, email, &second), "challenge");
    let body = json!({ "challenge": challenge, "code": codes[1], "method": "recovery" });
    let tokens = client.post_json("/auth/token/verify-otp/", &body);
    let me = client.clone().bearer(&secrets.member(&tokens, "access"));
    secrets.member(&tokens, "refresh");
    // Another address, and closing the account.
    assert_eq!(me.post_json("/auth/change-email/", &json!({ "email": "new@example.org" })).status, 202);
    let (link, _) = mailed(&site, "/change-email/", &mut secrets);
    assert_eq!(client.post_json(&link, &json!({})).status, 200);
    // What a person types into the wrong place.
    client.get(&format!("/auth/login/?password={first}&next=/{refresh}"));
    client.get(&format!("/auth/verify-email/{first}/{seed}/"));

    let mut connection = RawClient::connect(site.ports.address(1));
    connection.send(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", site.ports.address(1)));
    let metrics = connection.answer().expect("metrics").text();
    let text = std::fs::read_to_string(site.path("log")).unwrap();
    let subjects: Vec<String> = site
        .mails()
        .iter()
        .filter_map(|m| m.lines().find(|l| l.starts_with("Subject:")).map(str::to_owned))
        .collect();
    assert!(metrics.contains("stagedoor_") && text.lines().count() > 5 && subjects.len() > 5, "{text}");
    for secret in &secrets.0 {
        // Six digits may be part of a number that is none of ours: they count only on their own.
        let found = |text: &str| {
            text.match_indices(secret.as_str()).any(|(at, _)| {
                let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit() || c == '.');
                secret.len() > 6
                    || !(digit(text[..at].chars().next_back())
                        || digit(text[at + secret.len()..].chars().next()))
            })
        };
        assert!(!found(&text), "in the log: {secret}\n{text}");
        assert!(!found(&metrics), "in the metrics: {secret}");
        assert!(!subjects.iter().any(|s| found(s)), "in a subject: {secret}");
    }
    assert!(!text.contains(email) && !metrics.contains(email), "nor who somebody is");
}

/// A change, and the line of the audit trail that it makes.
type Change = (&'static str, fn(&TestApp, &str) -> Answer);

fn call(app: &TestApp, bearer: &str, method: &str, path: &str, body: &Value) -> Answer {
    let fields = format!("{bearer}Content-Type: application/json\r\n");
    app.ask(request(method, &format!("/auth{path}"), &fields, body.to_string().as_bytes()))
}

#[test]
fn every_change_is_one_line_of_the_audit_trail_with_the_id_of_its_request() {
    const NEW: &str = "Second-Act-43!";
    let changes: Vec<Change> = vec![
        ("profile.changed", |a, b| call(a, b, "PATCH", "/profile/", &json!({ "name": "Kim" }))),
        ("password.changed", |a, b| {
            let body = json!({ "current_password": crate::support::PASSWORD, "new_password": NEW, "new_password_confirm": NEW });
            call(a, b, "POST", "/change-password/", &body)
        }),
        ("factor.email_on", |a, b| call(a, b, "POST", "/2fa/email/", &json!({}))),
        ("factor.totp_begun", |a, b| call(a, b, "POST", "/2fa/totp/", &json!({}))),
        ("email.change_asked", |a, b| {
            call(a, b, "POST", "/change-email/", &json!({ "email": "new@example.org" }))
        }),
        ("session.elevated", |a, b| {
            call(a, b, "POST", "/elevate/", &json!({ "password": crate::support::PASSWORD }))
        }),
        ("session.ended_others", |a, b| call(a, b, "DELETE", "/sessions/", &json!({}))),
        ("device.forgotten_all", |a, b| call(a, b, "DELETE", "/2fa/devices/", &json!({}))),
        ("account.closed", |a, b| call(a, b, "DELETE", "/profile/", &json!({}))),
        ("session.logout", |a, b| call(a, b, "POST", "/logout/", &json!({}))),
        ("password.reset_asked", |a, _| {
            call(a, "", "POST", "/password-reset/", &json!({ "email": "x@example.org" }))
        }),
    ];
    let app = TestApp::start();
    let lines = || {
        let all = "SELECT action, request_id FROM audit ORDER BY at, id";
        let rows = app.wait_for(app.store().read(all, Vec::new())).unwrap();
        rows.iter().map(|r| (r.string(0).unwrap(), r.string(1).unwrap())).collect::<Vec<_>>()
    };
    for (action, change) in changes {
        let person = app.person("user");
        app.sign_in(&person.email);
        let before = lines();
        let answer = change(&app, &person.bearer());
        assert!((200..300).contains(&answer.status), "{action}: {}", answer.text());
        let after = lines();
        let id = answer.field("x-request-id").expect("an id").to_owned();
        let new: Vec<_> = after.iter().filter(|l| !before.contains(l)).cloned().collect();
        assert_eq!(new, [(action.to_owned(), id)], "{action}");
    }
}
