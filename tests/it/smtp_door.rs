//! The whole gateway with a mail server that is slow, gone or refuses: people do not notice, and mails come later. And
//! `stagedoor mail test`.

use std::time::Duration;

use serde_json::json;
use stagedoor::mail::{SmtpSettings, TransportSettings};
use stagedoor::model::{Clock as _, Secret, SystemClock};

use crate::flows_process::{PASSWORD, Ports, Site};
use crate::smtp_stage::SmtpServer;
use crate::support::{TestApp, until};

fn sending_to(port: u16) -> TestApp {
    TestApp::with(move |setup| {
        setup.tweak(move |settings| {
            settings.mail.transport = TransportSettings::Smtp(SmtpSettings {
                url: Secret::new(format!("smtp://127.0.0.1:{port}")),
                ca: None,
                timeout: Duration::from_secs(15),
            });
        });
    })
}

fn register(app: &TestApp, email: &str) -> Duration {
    let body =
        json!({ "name": "Robin Roe", "email": email, "password": PASSWORD, "password_confirm": PASSWORD });
    let began = SystemClock::new().now();
    let answer = app.post_json("/register/", "", &body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    SystemClock::new().now().since(began)
}

/// Far below the fifteen seconds that any step of a conversation may take.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn a_dead_mail_server_slows_no_answer() {
    let mute = SmtpServer::start(&["mute"]);
    let app = sending_to(mute.port);
    // More people than the worker has hands, so that all of them wait for the server.
    for n in 0..8 {
        assert!(register(&app, &format!("person{n}@example.org")) < AT_ONCE);
    }
    until("somebody waits for the server", || (!mute.said().is_empty()).then_some(()));
    assert!(register(&app, "late@example.org") < AT_ONCE);
    let kept = app.wait_for(app.store().mail_queue()).unwrap().0;
    assert_eq!(kept, 9, "nothing is lost");
}

#[test]
fn a_refused_mail_is_counted_and_the_answer_is_the_same() {
    let server = SmtpServer::start(&["refuse-rcpt"]);
    let app = sending_to(server.port);
    register(&app, "nobody@example.org");
    until("the mail is given up", || (app.metric("stagedoor_mails_total", "given_up") == 1).then_some(()));
    assert_eq!(app.wait_for(app.store().mail_queue()).unwrap().0, 0, "nothing waits");
}

fn mail_test(transport: &str, port: u16) -> (Option<i32>, String) {
    let text = format!(
        "server: {{ listen: 127.0.0.1:PUBLIC, admin_listen: 127.0.0.1:ADMIN, public_url: http://localhost:PUBLIC }}
store: {{ url: \"sqlite:site.db\" }}
mail: {{ {transport} }}
roles: {{ user: {{ registration: open, default: true }} }}
upstreams: {{ app: {{ servers: [\"http://127.0.0.1:UPSTREAM\"] }} }}
routes: [{{ path: /**, upstream: app }}]
rules: [{{ path: /**, allow: authenticated }}]
"
    );
    let site = Site::with(&text.replace("SMTP", &port.to_string()));
    let output = site.run(&["mail", "test", "--to", "ada@example.org"], "");
    let said = [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap()).concat();
    (output.status.code(), said)
}

fn says(transport: &str, port: u16, code: i32, words: &str) {
    let (exit, said) = mail_test(transport, port);
    assert!(exit == Some(code) && said.contains(words), "{transport}: {exit:?} {said}");
    assert!(!said.contains("s3cret") && !said.contains("panicked"), "{said}");
}

#[test]
fn mail_test_says_what_happened() {
    let smtp = "transport: smtp, url: \"smtp://x:s3cret@localhost:SMTP\", timeout: 10s";
    let plain = "transport: smtp, url: \"smtp://localhost:SMTP\", timeout: 10s";
    let server = SmtpServer::start(&["take"]);
    says(plain, server.port, 0, "took the mail for ada@example.org");
    assert_eq!(server.wait_for(1)[0].to(), ["ada@example.org"]);
    assert!(server.mails()[0].str("text").contains("works"));

    let server = SmtpServer::start(&["take", "--login", "x:another"]);
    says(smtp, server.port, 1, "535");
    let server = SmtpServer::start(&["refuse-rcpt"]);
    says(plain, server.port, 1, "550");
    let server = SmtpServer::start(&["mute"]);
    says(&plain.replace("10s", "1s"), server.port, 1, "no answer within 1s");
    let unused = Ports::lease(1);
    says(plain, unused.first, 1, "refused");

    says("transport: mailbox", 1, 2, "nothing is sent");
    says("transport: smtp, url: \"smtp://u:s3cret@mx.example\"", 1, 2, "no TLS");
    says("transport: file, dir: mails", 1, 0, "mails");
}
