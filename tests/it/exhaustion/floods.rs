//! Floods: sign-ins beyond what can be hashed (D-04, D-05, D-13), and refusals beyond what should be written down (D-11).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, PASSWORD, RawClient, TestApp, get, request};

const THREADS: usize = 12;
const HASHED: &str = "stagedoor_hash_duration_seconds_count";

/// Hashing takes its time, one at a time, and three may wait.
fn busy() -> TestApp {
    TestApp::with(|setup| {
        setup.tweak(|settings| {
            let password = &mut settings.account.password;
            (password.argon2.memory_kib, password.argon2.iterations) = (16 << 10, 3);
            password.argon2.queue = 3;
            settings.account.lockout.failures = 1_000_000;
        });
    })
}

fn login(email: &str, password: &str) -> Vec<u8> {
    let body = json!({ "email": email, "password": password }).to_string();
    let more = "Content-Type: application/json\r\nConnection: close\r\n";
    request("POST", "/auth/token/", more, body.as_bytes())
}

/// What twelve people get who each try ten times; `email` makes an address of thread and try.
fn flood(app: &TestApp, email: impl Fn(usize, usize) -> String + Sync) -> Vec<Answer> {
    let one = |thread: usize| {
        let email = &email;
        move || (0..10).map(|n| app.ask(login(&email(thread, n), "Wrong-Horse-9!"))).collect::<Vec<_>>()
    };
    scope(|s| {
        let all: Vec<_> = (0..THREADS).map(|n| s.spawn(one(n))).collect();
        all.into_iter().flat_map(|t| t.join().expect("answers")).collect()
    })
}

/// Each is a refusal after a hash or a "later" without one.
fn assert_shed_before_hashing(app: &TestApp, answers: &[Answer], hashed_before: usize) {
    let (later, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 503);
    for answer in &later {
        let after = answer.field("retry-after").and_then(|s| s.parse::<u32>().ok());
        assert!(after.is_some_and(|s| s > 0), "{}", answer.text());
    }
    assert!(
        refused.iter().all(|a| a.status == 401),
        "{:?}",
        refused.iter().map(|a| a.status).collect::<Vec<_>>()
    );
    assert!(!later.is_empty(), "the flood was no flood");
    assert!(!refused.is_empty(), "nobody got through");
    let hashed = app.metric(HASHED, "") - hashed_before;
    println!("{} answers: {} hashed, {} later", answers.len(), refused.len(), later.len());
    assert_eq!(hashed, refused.len(), "one hash for each that was not shed, none for the others");
}

#[test]
fn d_04_a_flood_of_sign_ins_is_shed_before_hashing_and_pages_go_on() {
    let app = busy();
    let user = app.person("user");
    let victims: Vec<String> = (0..THREADS).map(|_| app.person("user").email).collect();
    let before = app.metric(HASHED, "");
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let answers = scope(|s| {
        s.spawn(|| {
            let mut client = app.connect();
            while !over.load(Ordering::SeqCst) {
                client.send(get("/api/x", &user.bearer()));
                assert_eq!(client.answer().map(|a| a.status), Ok(200), "pages go on");
                asked.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(2));
            }
        });
        let answers = flood(&app, |thread, _| victims[thread].clone());
        over.store(true, Ordering::SeqCst);
        answers
    });
    assert!(asked.load(Ordering::SeqCst) > 10);
    assert_shed_before_hashing(&app, &answers, before);
    // And then all is as before.
    assert_eq!(app.ask(get("/api/x", &user.bearer())).status, 200);
}

#[test]
fn d_13_unknown_people_pass_the_same_gate() {
    let app = busy();
    let before = app.metric(HASHED, "");
    let answers = flood(&app, |thread, n| format!("nobody{thread}.{n}@example.org"));
    assert_shed_before_hashing(&app, &answers, before);
}

#[test]
fn d_05_people_who_leave_at_once_take_no_more_hashes_than_there_are() {
    let app = busy();
    let before = app.metric(HASHED, "");
    for n in 0..300 {
        let mut client = RawClient::connect(app.address());
        client.send(login(&format!("gone{n}@example.org"), PASSWORD));
        drop(client);
    }
    // Somebody who stays is served as soon as it is their turn: no slot was lost.
    let patient = crate::support::until("a slot", || {
        let answer = app.ask(login("patient@example.org", PASSWORD));
        (answer.status == 401).then_some(answer)
    });
    assert_eq!(patient.status, 401);
    assert!(app.metric(HASHED, "") - before <= 300, "somebody was hashed for twice");
}
