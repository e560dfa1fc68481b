//! Keys that follow each other under load, and one that goes at once (5.11, J-10).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stagedoor::token::ROTATION_SLACK;

use crate::flows_process::{PASSWORD, Site, eventually};
use crate::support::{TestApp, get, until};

const MINUTE: Duration = Duration::from_secs(60);

/// The names of the keys as upstreams see them.
fn published(app: &TestApp) -> Vec<String> {
    let set = app.ask(get("/auth/.well-known/jwks.json", "")).json();
    let names = set["keys"].as_array().expect("keys").iter();
    let mut names: Vec<String> = names.map(|k| k["kid"].as_str().expect("a kid").to_owned()).collect();
    names.sort();
    names
}

/// Waits until the running gateway publishes exactly these.
fn wait_for(app: &TestApp, mut names: Vec<String>) {
    names.sort();
    until("the keys", || (published(app) == names).then_some(()));
}

fn header_kid(token: &str) -> String {
    use base64::Engine as _;
    let header = token.split('.').next().expect("a header");
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).expect("base64url");
    serde_json::from_slice::<Value>(&json).expect("JSON")["kid"].as_str().expect("kid").to_owned()
}

#[test]
fn fault_5_11_no_valid_token_is_refused_while_keys_follow_each_other() {
    let app = TestApp::with(|setup| {
        setup.manual_clock();
    });
    let first = published(&app).remove(0);
    let (asked, refused, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let person = app.person("user");
    let old_token = get("/api/x", &person.bearer());
    assert_eq!(header_kid(&person.access), first);
    let next = app.rotate_keys();
    wait_for(&app, vec![first.clone(), next.clone()]);
    let early = app.sign_in(&person.email);
    assert_eq!(header_kid(&early.access), first, "published, and not yet signing");
    app.advance(MINUTE * 9);
    let late = app.sign_in(&person.email);
    assert_eq!(header_kid(&late.access), first);
    let late_token = get("/api/x", &late.bearer());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut open = app.connect();
                while !stop.load(Ordering::SeqCst) {
                    let status = open.send(&late_token).answer().expect("an answer").status;
                    refused.fetch_add(usize::from(status != 200), Ordering::SeqCst);
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let passed = |n: usize| until("requests", || (asked.load(Ordering::SeqCst) >= n).then_some(()));
        passed(50);
        app.advance(MINUTE + Duration::from_secs(1));
        passed(asked.load(Ordering::SeqCst) + 100);
        app.advance(MINUTE * 5);
        passed(asked.load(Ordering::SeqCst) + 100);
        stop.store(true, Ordering::SeqCst);
    });
    assert_eq!(refused.load(Ordering::SeqCst), 0, "of {}", asked.load(Ordering::SeqCst));
    assert_eq!(app.ask(&old_token).status, 401, "expired by itself");
    let new = app.sign_in(&person.email);
    assert_eq!(header_kid(&new.access), next, "signs now");
    app.case(Some(&new), get("/api/x", &new.bearer())).allowed();
    assert_eq!(published(&app).len(), 2, "upstreams still need the old one");

    app.advance(app.settings().token.access_ttl + ROTATION_SLACK);
    wait_for(&app, vec![next]);
    assert_eq!(app.ask(&late_token).status, 401);
}

#[test]
fn j_10_a_key_removed_in_an_emergency_vouches_for_nothing_at_once() {
    let app = TestApp::start();
    let person = app.person("user");
    let request = get("/api/x", &person.bearer());
    app.case(Some(&person), &request).allowed();
    let leaked = published(&app).remove(0);
    let before = app.upstream().count();
    let successor = app.revoke_key(&leaked);
    wait_for(&app, vec![successor.clone()]);
    let refused = app.ask(&request);
    assert_eq!(refused.status, 401, "remembered as good a moment ago");
    assert_eq!(app.metric("stagedoor_denials_total", "reason=\"token_key_unknown\""), 1);
    assert_eq!(app.upstream().count(), before);
    let again = app.sign_in(&person.email);
    assert_eq!(header_kid(&again.access), successor);
    app.case(Some(&again), get("/api/x", &again.bearer())).allowed();
}

/// Runs the binary and reads its lines of JSON.
fn keys(site: &Site, args: &[&str]) -> Vec<Value> {
    let output = site.run(&[&["keys"], args, &["--json"]].concat(), "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_command_line_changes_the_keys_of_a_gateway_that_runs() {
    let site = Site::new();
    site.create_user("robin@example.org", "admin");
    let _server = site.serve();
    let names = || -> Vec<String> {
        let set = site.client().get("/auth/.well-known/jwks.json").json();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        keys.iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect()
    };
    let listed = keys(&site, &["list"]);
    assert_eq!((listed.len(), &listed[0]["state"]), (1, &json!("signing")));
    let first = listed[0]["kid"].as_str().unwrap().to_owned();
    assert_eq!(names(), [first.as_str()]);

    let next = keys(&site, &["rotate"])[0]["kid"].as_str().unwrap().to_owned();
    eventually("both are published", || (names().len() == 2 && names().contains(&next)).then_some(()));
    let states: Vec<Value> = keys(&site, &["list"]).into_iter().map(|k| k["state"].clone()).collect();
    assert_eq!(states, [json!("signing"), json!("waiting")]);
    let again = site.run(&["keys", "rotate"], "");
    assert_eq!(again.status.code(), Some(1), "one waits already");

    let sign_in = || {
        let body = json!({ "email": "robin@example.org", "password": PASSWORD });
        let answer = site.client().post_json("/auth/token/", &body).json();
        answer["access"].as_str().expect("a token").to_owned()
    };
    let token = sign_in();
    assert_eq!(header_kid(&token), first);
    let me = |token: &str| site.client().bearer(token).get("/auth/me/").status;
    assert_eq!(me(&token), 200, "positive control");
    keys(&site, &["revoke", &first]);
    eventually("the key is gone", || (names() == [next.as_str()]).then_some(()));
    assert_eq!(me(&token), 401);
    let fresh = sign_in();
    assert_eq!((header_kid(&fresh), me(&fresh)), (next, 200), "the next one signs at once");
    let unknown = site.run(&["keys", "revoke", "0000000000000000"], "");
    assert_eq!(unknown.status.code(), Some(1));
}
