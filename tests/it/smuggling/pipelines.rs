//! Requests that do not wait for the answer before them: the first one is served, what came with it is dropped with the
//! connection. Nothing is decided by what another request was.

use super::stage;
use crate::support::{Answer, RawClient, TestApp, get, request};

/// All answers until the connection ends.
fn answers(client: &mut RawClient) -> Vec<Answer> {
    let mut all = Vec::new();
    while let Ok(answer) = client.answer() {
        all.push(answer);
    }
    all
}

/// Sends everything at once; as many requests reach the upstream as it has answered to the client. Returns the statuses.
fn at_once(app: &TestApp, bytes: &[u8]) -> Vec<u16> {
    let before = app.upstream().count();
    let mut client = app.connect();
    client.send(bytes);
    let answers = answers(&mut client);
    assert!(client.is_closed());
    let forwarded = app.judge_since(before, None, "a pipeline");
    let by_upstream: Vec<_> = answers.iter().filter(|a| a.field("x-upstream").is_some()).collect();
    assert_eq!(forwarded.len(), by_upstream.len(), "only what was answered has been forwarded");
    for (request, answer) in forwarded.iter().zip(by_upstream) {
        assert_eq!(answer.json()["target"], request.target.as_str(), "its own answer");
    }
    answers.iter().map(|a| a.status).collect()
}

#[test]
fn s_27_pipelines() {
    let app = stage();
    let open = |n: usize| get(&format!("/public/{n}"), "");
    let shut = |n: usize| get(&format!("/admin/{n}"), "");
    let ours = || get("/auth/.well-known/jwks.json", "");
    let posted = |n: usize| request("POST", &format!("/public/{n}"), "", b"hello");
    for many in [2, 10, 1000] {
        let run = |one: &dyn Fn(usize) -> Vec<u8>| (0..many).flat_map(one).collect::<Vec<u8>>();
        assert_eq!(at_once(&app, &run(&open)), [200], "{many} for anybody");
        assert_eq!(at_once(&app, &run(&posted)), [200], "{many} with bodies");
        let mixed = |n: usize| if n.is_multiple_of(2) { open(n) } else { shut(n) };
        assert_eq!(at_once(&app, &run(&mixed)), [200], "{many}, every other one for nobody");
        let mixed = |n: usize| if n.is_multiple_of(2) { shut(n) } else { open(n) };
        assert_eq!(at_once(&app, &run(&mixed))[..1], [401], "{many}, the first one for nobody");
        let mixed = |n: usize| if n.is_multiple_of(2) { ours() } else { open(n) };
        assert_eq!(at_once(&app, &run(&mixed)), [200], "{many}, the first one ours");
    }
    let targets: Vec<String> = app.upstream().since(0).into_iter().map(|r| r.target).collect();
    assert!(targets.iter().all(|t| t == "/public/0"), "{targets:?}");
}

/// One after the other on one connection, each is decided for itself.
#[test]
fn s_27_each_decision_is_its_own() {
    let app = stage();
    let (user, admin) = (app.person("user"), app.person("admin"));
    let mut client = app.connect();
    for turn in 0..40 {
        let (who, token, path, status) = [
            (Some(&admin), admin.bearer(), "/admin/x", 200),
            (None, String::new(), "/public/x", 200),
            (Some(&user), user.bearer(), "/api/x", 200),
            (Some(&user), user.bearer(), "/admin/x", 403),
            (None, String::new(), "/admin/x", 401),
            (Some(&admin), admin.bearer(), "/mfa/x", 401),
        ][turn % 6]
            .clone();
        let before = app.upstream().count();
        client.send(get(path, &token));
        assert_eq!(client.answer().map(|a| a.status), Ok(status), "turn {turn}");
        app.judge_since(before, who, path);
    }
}
