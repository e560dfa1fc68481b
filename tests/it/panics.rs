//! A fault in the program itself (5.28): whatever panics while a request is decided or answered, the request is not
//! forwarded because of it, and nobody else notices. What panics here is what the gateway is given: its clock and its
//! randomness, which it asks before and after it has decided.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock, Entropy, SystemClock, SystemEntropy, Timestamp};

use crate::support::h2::fields;
use crate::support::{PASSWORD, TestApp, get, request, until};

/// Panics at the n-th question from a thread that serves requests; once.
struct Trap {
    clock: SystemClock,
    /// How many questions until then; negative: never.
    fuse: AtomicI64,
    sprung: AtomicUsize,
}

impl Trap {
    fn arm(&self, questions: i64) {
        self.fuse.store(questions, Ordering::SeqCst);
    }

    /// How often it has gone off.
    fn disarm(&self) -> usize {
        self.fuse.store(-1, Ordering::SeqCst);
        self.sprung.load(Ordering::SeqCst)
    }

    fn asked(&self) {
        let serves = std::thread::current().name().is_some_and(|name| name == "stagedoor");
        if serves && self.fuse.load(Ordering::SeqCst) >= 0 && self.fuse.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.sprung.fetch_add(1, Ordering::SeqCst);
            panic!("the trap");
        }
    }
}

impl Clock for Trap {
    fn now(&self) -> Timestamp {
        self.asked();
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.asked();
        self.clock.monotonic()
    }
}

impl Entropy for Trap {
    fn fill(&self, buf: &mut [u8]) {
        self.asked();
        SystemEntropy.fill(buf);
    }
}

struct Stage {
    app: TestApp,
    trap: Arc<Trap>,
}

impl Stage {
    /// So few places that one which is not given back would be missed.
    fn start() -> Self {
        let trap = Arc::new(Trap {
            clock: SystemClock::new(),
            fuse: AtomicI64::new(-1),
            sprung: AtomicUsize::new(0),
        });
        let app = TestApp::with(|setup| {
            setup.surroundings(trap.clone(), trap.clone());
            setup.upstream_option("max_in_flight: 2").upstream_option("assertion: request");
            setup.tweak(|settings| settings.proxy.limits.connections_per_address = 12);
        });
        Self { app, trap }
    }

    /// Asks with the trap at the first question, then at the second, and so on until it does not go off; how many
    /// questions there were. `ask` gives the status, if there is one. A request that the gate allows may have been
    /// forwarded when something panics, though once at most; no other one ever is.
    fn at_every_question(&self, what: &str, ask: &dyn Fn() -> Option<u16>, good: u16) -> i64 {
        let forwarded = self.app.upstream().count();
        for n in 0..100 {
            let before = self.trap.disarm();
            self.trap.arm(n);
            let status = ask();
            if self.trap.disarm() == before {
                assert_eq!(status, Some(good), "{what}, with nothing in the way");
                let last = self.app.upstream().since(forwarded).len();
                let most = if last > 0 { usize::try_from(n).unwrap_or(0) + 1 } else { 0 };
                assert!(last <= most, "{what}: forwarded {last} times in {most} tries");
                return n;
            }
            // The last questions are asked when the answer is out.
            assert!(
                matches!(status, None | Some(500)) || status == Some(good),
                "{what}, question {n}: {status:?}"
            );
            assert!(good == 200 || self.app.upstream().count() == forwarded, "{what}, question {n}");
        }
        panic!("{what}: no end of questions");
    }

    fn ask(&self, bytes: &[u8]) -> Option<u16> {
        self.app.try_ask(bytes).ok().map(|a| a.status)
    }
}

fn posted(path: &str, body: &serde_json::Value) -> Vec<u8> {
    let fields = "Content-Type: application/json\r\nConnection: close\r\n";
    request("POST", path, fields, body.to_string().as_bytes())
}

#[test]
fn case_5_28_a_panic_before_or_after_the_decision_forwards_nothing_and_harms_nobody() {
    let stage = Stage::start();
    let app = &stage.app;
    let user = app.person("user");
    let close = |fields: String| format!("{fields}Connection: close\r\n");
    let allowed = get("/api/x", &close(user.bearer()));
    let bearer = format!("Bearer {}", user.access);
    let h2 = || app.h2(&fields("/api/x", &[("authorization", bearer.as_bytes())])).status();

    let asked = stage.at_every_question("allowed", &|| stage.ask(&allowed), 200);
    assert!(asked >= 2, "one question before the decision, one for the assertion after it: {asked}");
    let over_h2 = stage.at_every_question("allowed, HTTP/2", &h2, 200);
    assert!(over_h2 >= 2, "{over_h2}");
    let anonymous = get("/api/x", "Connection: close\r\n");
    let forged = get("/api/x", "Authorization: Bearer a.b.c\r\nConnection: close\r\n");
    let public = get("/public/x", "Connection: close\r\n");
    assert!(stage.at_every_question("anonymous", &|| stage.ask(&anonymous), 401) >= 1);
    assert!(stage.at_every_question("forged", &|| stage.ask(&forged), 401) >= 1);
    assert!(stage.at_every_question("public", &|| stage.ask(&public), 200) >= 1);
    let sign_in = posted("/auth/token/", &json!({ "email": user.email, "password": PASSWORD }));
    assert!(stage.at_every_question("signing in", &|| stage.ask(&sign_in), 200) >= 3);
    // A panic between the exchange and the answer: asked again, it gets what it did not get.
    let refresh = posted("/auth/token/refresh/", &json!({ "refresh": user.refresh }));
    assert!(stage.at_every_question("refreshing", &|| stage.ask(&refresh), 200) >= 3);

    // More often than there are places.
    for n in 0..40 {
        let before = stage.trap.disarm();
        stage.trap.arm(n % asked);
        assert!(matches!(stage.ask(&allowed), None | Some(200 | 500)), "{n}");
        assert_eq!(stage.trap.disarm(), before + 1, "{n}");
    }
    until("every place is given back", || (stage.ask(&allowed) == Some(200)).then_some(()));
    until("upstream requests are over", || {
        (app.metric("stagedoor_upstream_in_flight", "") == 0).then_some(())
    });
    assert_eq!(app.metric("stagedoor_panics_total", ""), stage.trap.disarm(), "each is counted");
    app.settle();
}
