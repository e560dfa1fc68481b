//! Answers under way end when what let them through ends: sign-out, sign-out everywhere, deactivation, other roles, and
//! rules that were tightened (5.34, 5.12, J-19, T-08). What stays open is in `streams_kept`.

use std::time::Duration;

use serde_json::json;

use crate::support::flow::{Flow, Kind, Released, endless};
use crate::support::h2;
use crate::support::{Person, TestApp, request, until};

/// Two people with every kind of answer under way.
struct Stage {
    app: TestApp,
    victim: Person,
    open: Vec<Flow>,
    others: Vec<Flow>,
    released: Released,
}

impl Stage {
    fn set() -> Self {
        let app = TestApp::start();
        let (victim, other) = (app.person("user"), app.person("user"));
        let released = endless(&app, "/api");
        let open = Flow::open_all(&app, "/api", Some(&victim));
        let others = Flow::open_all(&app, "/api", Some(&other));
        assert_eq!(app.metric("stagedoor_streams_open", ""), 8);
        Self { app, victim, open, others, released }
    }

    /// All answers of the victim are cut with `reason` after `act`, those of the other person are not.
    fn cuts(mut self, reason: &str, act: impl FnOnce(&TestApp, &Person)) {
        let app = &self.app;
        act(app, &self.victim);
        let done = app.now();
        for flow in &mut self.open {
            flow.assert_is_cut(app);
            println!(
                "{:?} was cut {} ms after the {reason} was answered",
                flow.kind,
                app.now().since(done).as_millis()
            );
        }
        assert_eq!(app.metric("stagedoor_streams_cut_total", reason), 4);
        assert_eq!(app.metric("stagedoor_streams_cut_total", ""), 4);
        until("the upstream to be released", || (self.released.count() == 3).then_some(()));
        until("four are left", || (app.metric("stagedoor_streams_open", "") == 4).then_some(()));
        self.others.iter_mut().for_each(Flow::assert_goes_on);
        self.end();
    }

    fn end(self) {
        drop(self.others);
        until("everything to end", || (self.app.metric("stagedoor_streams_open", "") == 0).then_some(()));
    }
}

fn admin(app: &TestApp, method: &str, person: &Person, what: &str, body: &serde_json::Value) {
    let admin = app.person("admin");
    let path = format!("/auth/admin/users/{}/{what}/", person.id);
    let extra = format!("Content-Type: application/json\r\n{}", admin.bearer());
    let answer = app.ask(request(method, &path, &extra, body.to_string().as_bytes()));
    assert!((200..300).contains(&answer.status), "{}", answer.text());
}

#[test]
fn case_5_34_j_19_sign_out_cuts_what_the_session_has_open() {
    Stage::set().cuts("stream_revoked", |app, user| {
        assert_eq!(app.post_json("/logout/", &user.bearer(), &json!({})).status, 204);
    });
}

#[test]
fn case_5_34_t_08_sign_out_everywhere_cuts_what_every_session_has_open() {
    let mut stage = Stage::set();
    let elsewhere = stage.app.sign_in(&stage.victim.email);
    let mut there = Flow::open(&stage.app, Kind::Events, "/api", Some(&elsewhere));
    let out = stage.app.post_json("/logout/", &stage.victim.bearer(), &json!({ "all": true }));
    assert_eq!(out.status, 204);
    there.assert_is_cut(&stage.app);
    for flow in &mut stage.open {
        flow.assert_is_cut(&stage.app);
    }
    stage.others.iter_mut().for_each(Flow::assert_goes_on);
    stage.end();
}

#[test]
fn case_5_34_t_08_deactivation_cuts() {
    Stage::set().cuts("stream_revoked", |app, user| admin(app, "POST", user, "deactivate", &json!({})));
}

#[test]
fn case_5_34_other_roles_cut() {
    Stage::set().cuts("stream_revoked", |app, user| {
        admin(app, "PUT", user, "roles", &json!({ "roles": ["staff"] }));
    });
}

#[test]
fn case_5_12_a_tightened_rule_cuts_what_it_no_longer_allows() {
    let mut stage = Stage::set();
    endless(&stage.app, "/public");
    let mut open = Flow::open_all(&stage.app, "/public", None);
    let admin = stage.app.person("admin");
    let mut allowed = Flow::open_all(&stage.app, "/api", Some(&admin));
    stage.app.reload("{ path: /api/**, allow: authenticated }", "{ path: /api/**, allow: { role: admin } }");
    stage.open.iter_mut().chain(&mut stage.others).for_each(|flow| flow.assert_is_cut(&stage.app));
    assert_eq!(stage.app.metric("stagedoor_streams_cut_total", "stream_rule_changed"), 8);
    // Under the same rule, but still allowed; and under another.
    allowed.iter_mut().chain(&mut open).for_each(Flow::assert_goes_on);
    assert_eq!(stage.app.metric("stagedoor_streams_cut_total", ""), 8);
}

#[test]
fn case_5_12_a_rule_that_goes_cuts_streams_of_nobody_too() {
    let app = TestApp::start();
    endless(&app, "/public");
    let mut open = Flow::open_all(&app, "/public", None);
    app.reload("  - { path: /public/**, allow: public }\n", "  - { path: /public/control, allow: public }\n");
    for flow in &mut open {
        flow.assert_is_cut(&app);
    }
}

/// A role that means less takes away what it was good for, without a change of the token.
#[test]
fn case_5_12_a_role_that_means_less_cuts() {
    let app = TestApp::with(|setup| {
        setup.rule("{ path: /view/**, allow: { permission: events.edit } }");
    });
    endless(&app, "/view");
    let (staff, admin) = (app.person("staff"), app.person("admin"));
    let mut lost = Flow::open(&app, Kind::Events, "/view", Some(&staff));
    let mut kept = Flow::open(&app, Kind::Events, "/view", Some(&admin));
    // With one more role in front, so that the places of the others shift.
    let roles = |staff| format!("admin: {{ permissions: [\"*\"] }}\n  staff: {{ permissions: [{staff}]");
    let fewer = format!("aide: {{ permissions: [things.view] }}\n  {}", roles("events.view"));
    app.reload(&roles("events.edit, events.view"), &fewer);
    lost.assert_is_cut(&app);
    kept.assert_goes_on();
}

/// The upstream begins its answer only after the session has ended: nobody else would look at that stream again.
#[test]
fn case_5_34_an_answer_that_begins_after_the_sign_out_is_cut_as_well() {
    let app = TestApp::start();
    let user = app.person("user");
    let (begin, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    app.upstream().script("/api/late", move |_, stream| {
        let _ = gate.lock().unwrap().recv_timeout(Duration::from_secs(8));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut go_on = std::io::Write::write_all(stream, head.as_bytes()).is_ok();
        while go_on {
            go_on = std::io::Write::write_all(stream, b"1\r\nx\r\n").is_ok();
            std::thread::sleep(Duration::from_millis(20));
        }
        crate::support::Next::Close
    });
    let mut client = app.connect();
    client.send(crate::support::get("/api/late", &user.bearer()));
    until("the request at the upstream", || (app.upstream().count() == 1).then_some(()));
    assert_eq!(app.post_json("/logout/", &user.bearer(), &json!({})).status, 204);
    // Long after the look that the sign-out caused.
    std::thread::sleep(Duration::from_millis(700));
    begin.send(()).unwrap();
    assert_eq!(client.head().map(|head| head.status), Ok(200));
    let began = app.now();
    while client.some().is_ok_and(|bytes| !bytes.is_empty()) {
        assert!(app.now().since(began) < Duration::from_secs(5), "it goes on");
    }
    assert_eq!(app.metric("stagedoor_streams_cut_total", "stream_revoked"), 1);
}

/// Only the stream is reset: what others do on the same connection goes on.
#[test]
fn case_5_34_an_http_2_connection_outlives_its_cut_stream() {
    let app = TestApp::start();
    let user = app.person("user");
    endless(&app, "/api");
    let mut flow = Flow::open(&app, Kind::Http2, "/api", Some(&user));
    assert_eq!(app.post_json("/logout/", &user.bearer(), &json!({})).status, 204);
    flow.assert_is_cut(&app);
    let mut connection = flow.http2().expect("HTTP/2");
    let stream = connection.open(&h2::fields("/public/x", &[]), true);
    assert_eq!(connection.end_of(stream).status(), Some(200));
    let token = format!("Bearer {}", user.access);
    let stream = connection.open(&h2::fields("/api/x", &[("authorization", token.as_bytes())]), true);
    assert_eq!(connection.end_of(stream).status(), Some(401));
}

#[test]
fn case_5_21_a_client_that_leaves_releases_the_upstream() {
    let app = TestApp::start();
    let user = app.person("user");
    let released = endless(&app, "/api");
    for flow in Flow::open_all(&app, "/api", Some(&user)) {
        flow.abort();
    }
    let mut cancelled = Flow::open(&app, Kind::Http2, "/api", Some(&user));
    cancelled.cancel();
    until("the upstream to be released", || (released.count() == 4).then_some(()));
    until("everything to end", || (app.metric("stagedoor_streams_open", "") == 0).then_some(()));
    assert_eq!(app.metric("stagedoor_streams_cut_total", ""), 0);
}
