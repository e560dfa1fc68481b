//! Answers under way that an end is not about go on: those of other people, of other sessions, of nobody; those that a
//! changed rule still allows; and those whose token only grew old.

use std::time::Duration;

use serde_json::json;

use crate::support::flow::{Flow, Kind, endless};
use crate::support::{TestApp, get};

/// Time enough for a cut that must not come; what follows it is a control stream that is cut.
fn after_a_cut(app: &TestApp) {
    endless(app, "/api/control");
    let control = app.person("user");
    let mut cut = Flow::open(app, Kind::Events, "/api/control", Some(&control));
    assert_eq!(app.post_json("/logout/", &control.bearer(), &json!({})).status, 204);
    cut.assert_is_cut(app);
}

#[test]
fn another_session_of_the_same_person_goes_on() {
    let app = TestApp::start();
    endless(&app, "/api");
    let here = app.person("user");
    let there = app.sign_in(&here.email);
    let mut ends = Flow::open_all(&app, "/api", Some(&here));
    let mut goes_on = Flow::open_all(&app, "/api", Some(&there));
    assert_eq!(app.post_json("/logout/", &here.bearer(), &json!({})).status, 204);
    for flow in &mut ends {
        flow.assert_is_cut(&app);
    }
    goes_on.iter_mut().for_each(Flow::assert_goes_on);
    assert_eq!(app.metric("stagedoor_streams_cut_total", ""), 4);
}

#[test]
fn streams_of_nobody_go_on() {
    let app = TestApp::start();
    endless(&app, "/public");
    let mut open = Flow::open_all(&app, "/public", None);
    after_a_cut(&app);
    open.iter_mut().for_each(Flow::assert_goes_on);
}

/// A public path is told who asks; when that is no longer true, the conversation with that person is over.
#[test]
fn a_public_stream_of_somebody_is_theirs() {
    let app = TestApp::start();
    endless(&app, "/public");
    let user = app.person("user");
    let mut open = Flow::open(&app, Kind::WebSocket, "/public", Some(&user));
    assert_eq!(app.post_json("/logout/", &user.bearer(), &json!({})).status, 204);
    open.assert_is_cut(&app);
}

/// The session lives on and so does what it opened; only a new request takes a new token.
#[test]
fn a_token_that_grows_old_ends_no_stream() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
        setup.rule("{ path: /fresh/**, allow: { max_age: 10m } }");
    });
    endless(&app, "/api");
    endless(&app, "/fresh");
    let user = app.person("user");
    let mut open = Flow::open_all(&app, "/api", Some(&user));
    open.extend(Flow::open_all(&app, "/fresh", Some(&user)));
    app.advance(Duration::from_secs(1200));
    assert_eq!(app.ask(get("/api/x", &user.bearer())).status, 401, "the token has expired");
    // A reload asks the rules again, as of when the request came.
    app.reload("/mfa/**", "/mfa2/**");
    open.iter_mut().for_each(Flow::assert_goes_on);
    assert_eq!(app.metric("stagedoor_streams_cut_total", ""), 0);
    app.reload("max_age: 10m", "role: admin");
    for flow in &mut open[4..] {
        flow.assert_is_cut(&app);
    }
    open[..4].iter_mut().for_each(Flow::assert_goes_on);
}

/// Half a second is enough for what ordinary answers still have to send.
#[test]
fn an_answer_that_is_nearly_done_is_not_cut() {
    let app = TestApp::start();
    let user = app.person("user");
    let (signed_out, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    app.upstream().script("/api/report", move |_, stream| {
        let _ = std::io::Write::write_all(
            stream,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        );
        let _ = told.lock().unwrap().recv_timeout(Duration::from_secs(8));
        std::thread::sleep(Duration::from_millis(150));
        let _ = std::io::Write::write_all(stream, b"5\r\n-last\r\n0\r\n\r\n");
        crate::support::Next::KeepAlive
    });
    let mut client = app.connect();
    client.send(get("/api/report", &user.bearer()));
    assert_eq!(client.head().map(|head| head.status), Ok(200));
    assert_eq!(app.post_json("/logout/", &user.bearer(), &json!({})).status, 204);
    signed_out.send(()).unwrap();
    let rest = client.through(b"0\r\n\r\n").expect("the whole answer");
    assert!(rest.ends_with(b"-last\r\n0\r\n\r\n"), "{rest:?}");
    // The connection was not cut behind it either.
    std::thread::sleep(Duration::from_millis(700));
    client.send(get("/public/x", ""));
    assert_eq!(client.answer().map(|answer| answer.status), Ok(200));
    assert_eq!(app.metric("stagedoor_streams_cut_total", ""), 0);
}

/// The slow answer to a sign-out is our own, and comes whole.
#[test]
fn the_sign_out_itself_is_answered_on_a_connection_with_streams() {
    let app = TestApp::start();
    endless(&app, "/api");
    let user = app.person("user");
    let flow = Flow::open(&app, Kind::Http2, "/api", Some(&user));
    let mut connection = flow.http2().expect("HTTP/2");
    let token = format!("Bearer {}", user.access);
    let mut fields = crate::support::h2::fields(
        "/auth/logout/",
        &[("authorization", token.as_bytes()), ("content-type", b"application/json")],
    );
    fields[0].1 = b"POST";
    let stream = connection.open(&fields, false);
    connection.data(stream, b"{}", true);
    assert_eq!(connection.end_of(stream).status(), Some(204));
}
