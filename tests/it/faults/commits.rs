//! The answer to a COMMIT is lost: nobody knows whether it happened (5.9). And two tabs that refresh at once over two
//! gateways while the database is far away and connections break (5.27).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, SystemClock};

use super::stage::email;
use super::{FAULT, Plan, Row, Stage};
use crate::support::exchange::{bytes, exchange};
use crate::support::{Mode, tokens_in, until};

/// What the client library sends for it.
const COMMIT: &[u8] = b"COMMIT\0";

#[test]
fn case_5_9_the_answer_to_a_commit_is_lost() {
    let mut stage = Stage::start(&Plan::default());
    let lose = |every| Mode::LoseAnswer { to: COMMIT, every };
    let mut row = Row::inject("5.9 answer to each second COMMIT lost", &stage, || stage.door.set(lose(2)));
    row.load.run_for(FAULT);
    row.heal(|| stage.door.set(Mode::Pass));
    row.finish(&mut stage);

    // By itself, to look at what was done: each answer is lost, and then the client asks again.
    let database = stage.database();
    let mut tokens = stage.sign_in(&email(1), 0).expect("signed in");
    for n in 0..6 {
        let (node, other) = (n % 2, (n + 1) % 2);
        let new = format!("new{n}@example.org");
        stage.door.set(lose(1));
        let unknown = stage.register(node, &new).expect("an answer");
        assert!(unknown.says_later(), "{} {}", unknown.head, unknown.text());
        let unknown = stage.refresh(node, &tokens.refresh).expect("an answer");
        assert!(unknown.says_later(), "{} {}", unknown.head, unknown.text());
        stage.door.set(Mode::Pass);

        let again = stage.register(other, &new).expect("an answer");
        assert_eq!(again.status, 202, "{}", again.text());
        assert_eq!(database.count(&format!("accounts WHERE email = '{new}'")), 1);
        let mails = database.count(&format!("outbox WHERE recipient = '{new}' AND kind = 'activation'"));
        assert!((1..=2).contains(&mails), "{mails} mails");
        let again = stage.refresh(other, &tokens.refresh).expect("an answer");
        let child = tokens_in(&again).unwrap_or_else(|| panic!("{} {}", again.head, again.text()));
        tokens =
            tokens_in(&stage.refresh(node, &child.refresh).expect("an answer")).expect("the child is good");
    }
    assert_eq!(database.count("sessions WHERE end_reason = 'reuse'"), 0, "no family was ended");
}

#[test]
fn case_5_9_who_comes_back_late_is_still_signed_in() {
    let stage = Stage::start(&Plan { reuse_window: "1s", ..Plan::default() });
    let (clock, database) = (SystemClock::new(), stage.database());
    let cut = || stage.door.set(Mode::LoseAnswer { to: COMMIT, every: 1 });
    let late = || {
        let over = clock.monotonic() + Duration::from_secs(2);
        until("the window is over", || (clock.monotonic() > over).then_some(()));
    };

    // A program: told to come later, it comes much later.
    let tokens = stage.sign_in(&email(1), 0).expect("signed in");
    cut();
    let unknown = stage.refresh(0, &tokens.refresh).expect("an answer");
    assert!(unknown.says_later(), "{} {}", unknown.head, unknown.text());
    stage.door.set(Mode::Pass);
    late();
    let again = stage.refresh(1, &tokens.refresh).expect("an answer");
    let child = tokens_in(&again).unwrap_or_else(|| panic!("{} {}", again.head, again.text()));
    assert!(tokens_in(&stage.refresh(0, &child.refresh).expect("an answer")).is_some(), "the child is good");

    // A browser whose access cookie has ended: its page comes all the same, and the next click is as good.
    let tokens = stage.sign_in(&email(2), 1).expect("signed in");
    let cookie = format!("Cookie: stagedoor_refresh={}\r\nAccept: text/html\r\n", tokens.refresh);
    let click = || stage.ask(1, &bytes("GET", "/api/x", &cookie, None)).expect("an answer");
    cut();
    let page = click();
    assert_eq!((page.status, page.field("set-cookie")), (200, None), "{}", page.head);
    stage.door.set(Mode::Pass);
    late();
    let page = click();
    assert_eq!(page.status, 200, "{}", page.head);
    assert!(page.field("set-cookie").is_some(), "the cookies of the successor: {}", page.head);
    assert_eq!(database.count("sessions WHERE end_reason = 'reuse'"), 0, "no family was ended");
}

/// Sign-ins that race at once, and how often in a row. `STAGEDOOR_RACES=10000` asks for more races
/// (start the test binary itself, nextest ends tests after three minutes).
const FAMILIES: usize = 32;
const RACES: usize = 160;
/// Half of it in each direction.
const AWAY: Duration = Duration::from_millis(100);
/// A tab that got no answer asks again so often.
const TRIES: usize = 30;

struct Tabs {
    nodes: [SocketAddr; 2],
    left: AtomicUsize,
    repeated: AtomicUsize,
    asked: AtomicUsize,
}

impl Tabs {
    /// One tab: asks until it has an answer. The refresh token it got, or why it was sent away.
    async fn tab(&self, node: usize, token: &str) -> Result<String, String> {
        let request = bytes("POST", "/auth/token/refresh/", "", Some(&json!({ "refresh": token })));
        let mut last = String::new();
        for again in 0..TRIES {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let reply = exchange(self.nodes[(node + again) % 2], &request, Duration::from_secs(10)).await;
            match reply {
                Ok(reply) if reply.status == 200 => {
                    return Ok(tokens_in(&reply).expect("tokens").refresh);
                }
                Ok(reply) if reply.says_later() => last = reply.text(),
                Ok(reply) => return Err(format!("{} {}", reply.status, reply.text())),
                Err(silence) => last = format!("{silence:?}"),
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        Err(format!("no answer in {TRIES} tries, the last: {last}"))
    }

    /// Two tabs race with the same token, again and again. How many races, and what went wrong.
    async fn family(&self, mut token: String) -> (usize, Option<String>) {
        let mut races = 0;
        while self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            let (one, other) = tokio::join!(self.tab(0, &token), self.tab(1, &token));
            match (one, other) {
                (Ok(one), Ok(other)) if one == other => token = one,
                (Ok(_), Ok(_)) => return (races, Some("two children".to_owned())),
                (one, other) => return (races, Some(format!("signed out: {one:?} {other:?}"))),
            }
            races += 1;
        }
        (races, None)
    }
}

#[test]
fn case_5_27_two_tabs_over_two_gateways_race_for_a_refresh() {
    let plan = Plan { connections: 40, ..Plan::default() };
    let stage = Stage::start(&plan);
    let wanted = std::env::var("STAGEDOOR_RACES").ok().map_or(RACES, |n| n.parse().expect("a number"));
    let tokens: Vec<_> =
        (0..FAMILIES).map(|n| stage.sign_in(&email(n % 4), n % 2).expect("signed in").refresh).collect();
    stage.door.set(Mode::Flaky { delay: AWAY / 2, every: 101 });
    let clock = SystemClock::new();
    let tabs = Arc::new(Tabs {
        nodes: [stage.nodes[0].public(), stage.nodes[1].public()],
        left: AtomicUsize::new(wanted),
        repeated: AtomicUsize::new(0),
        asked: AtomicUsize::new(0),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let families = tokens.into_iter().map(|token| {
        let tabs = tabs.clone();
        runtime.spawn(async move { tabs.family(token).await })
    });
    let families: Vec<_> = families.collect();
    let ended: Vec<_> = families.into_iter().map(|f| runtime.block_on(f).expect("no panic")).collect();
    let took = clock.monotonic();
    stage.door.set(Mode::Pass);
    let races: usize = ended.iter().map(|(races, _)| races).sum();
    let wrong: Vec<_> = ended.into_iter().filter_map(|(_, wrong)| wrong).collect();
    println!(
        "{}",
        json!({
            "fault": "5.27 two tabs, 100 ms, resets", "lasted_ms": took.as_millis(), "races": races,
            "repeated": tabs.repeated.load(Ordering::SeqCst), "requests": tabs.asked.load(Ordering::SeqCst),
            "violations": wrong.len(),
        })
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(races, wanted);
    let reused = stage.database().count("sessions WHERE end_reason = 'reuse'");
    assert_eq!(reused, 0, "nobody was signed out");
    let secrets = stage.secrets();
    for node in &stage.nodes {
        node.assert_sound(&secrets);
    }
}
