//! The clock of one of two gateways is wrong and is set (5.10). It sees another wall clock than the rest of the machine
//! through libfaketime; time since the start goes on as it is.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::row::{print, violations};
use super::stage::email;
use super::{Plan, Stage};
use crate::flows_process::eventually;
use crate::support::{Class, Load, Node, Tokens, tokens_in};

/// How long people go on while the clock shows something else.
const WHILE: Duration = Duration::from_millis(1500);

/// The hands of a gateway's clock.
struct Hands<'a> {
    node: &'a Node,
    file: PathBuf,
}

fn library() -> String {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder").filter_map(Result::ok);
    let mut found = folders.map(|f| f.path().join("faketime/libfaketimeMT.so.1")).filter(|f| f.exists());
    found.next().expect("libfaketime is installed; scripts/test sees to it").display().to_string()
}

impl<'a> Hands<'a> {
    /// Of a gateway that is not running.
    fn of(node: &'a Node) -> Self {
        let hands = Self { node, file: node.file("clock") };
        hands.set("+0");
        let variables = [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", hands.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        node.set_environment(variables.map(|(name, value)| (name.to_owned(), value)).into());
        hands
    }

    /// From now on it shows the right time and so many seconds more.
    fn set(&self, seconds: &str) {
        let next = self.node.file("clock-next");
        std::fs::write(&next, format!("{seconds}\n")).expect("written");
        std::fs::rename(&next, &self.file).expect("in place");
    }

    fn restart(&self) {
        self.node.kill();
        self.set("+0");
        self.node.start();
    }
}

/// Asks the second gateway for a page.
fn there(stage: &Stage, tokens: &Tokens) -> u16 {
    stage.page(1, "/api/x", &tokens.access).expect("an answer")
}

/// And the first one.
fn here(stage: &Stage, tokens: &Tokens) -> u16 {
    stage.page(0, "/api/x", &tokens.access).expect("an answer")
}

#[test]
fn case_5_10_one_of_two_clocks_jumps_and_nothing_that_was_over_begins_anew() {
    let stage = Stage::start(&Plan::default());
    stage.nodes[1].kill();
    let hands = Hands::of(&stage.nodes[1]);
    hands.node.start();
    let people: Vec<_> =
        (0..3).map(|n| (email(n), stage.sign_in(&email(n), 0).expect("signed in"))).collect();
    let good = stage.sign_in(&email(0), 0).expect("signed in");
    let dead = stage.sign_in(&email(1), 1).expect("signed in");
    assert_eq!(stage.sign_out(&dead, 1), Ok(204));
    eventually("known at the other", || (here(&stage, &dead) == 401).then_some(()));
    let load = Load::start(vec![stage.nodes[0].public()], people, vec![dead.access.clone()]);
    load.run_for(WHILE);
    let injected = load.now();
    // After each turn of the hands: whoever signed out stays out.
    let turn = |to: &str| {
        hands.set(to);
        assert_eq!(there(&stage, &dead), 401, "INV-6 at {to}");
        load.run_for(WHILE);
    };

    turn("+120");
    assert_eq!(there(&stage, &good), 200, "what is good for longer than that is good");
    let early = stage.sign_in(&email(0), 1).expect("people can sign in there");
    assert_eq!(there(&stage, &early), 200);
    assert_eq!(here(&stage, &early), 401, "T-15: 120 s too early is too early");
    let renewed = stage.refresh(0, &early.refresh).expect("an answer");
    assert_eq!(renewed.status, 200, "and the sign-in is good for all: {}", renewed.text());
    let renewed = tokens_in(&renewed).expect("tokens");
    assert_eq!(here(&stage, &renewed), 200, "so is what it gives");
    eventually("the operator is told", || {
        (hands.node.metric("stagedoor_clock_skew_seconds", "") > 100.0).then_some(())
    });
    assert!(hands.node.log().contains("the clock of this machine is not that of the database"));
    // Two tabs of one browser, whichever gateway is asked first.
    for first in [0, 1] {
        let tokens = stage.sign_in(&email(0), 0).expect("signed in");
        let [one, other] = [first, 1 - first].map(|node| {
            let answer = stage.refresh(node, &tokens.refresh).expect("an answer");
            tokens_in(&answer)
                .unwrap_or_else(|| panic!("first {first}, at {node}: {}", answer.text()))
                .refresh
        });
        assert_eq!(one, other, "one successor");
    }

    // Back again: the gateway goes on from where it was.
    guess_while(&stage, || turn("+0"));
    assert_eq!((there(&stage, &good), there(&stage, &early)), (200, 200));
    eventually("the operator is told of that too", || {
        (hands.node.metric("stagedoor_clock_ahead_seconds", "") > 100.0).then_some(())
    });
    assert!(hands.node.log().contains("the clock was set back"));

    turn("+86400");
    assert_eq!(there(&stage, &good), 401, "for this gateway it has expired");
    turn("+0");
    assert_eq!(there(&stage, &good), 401, "and what has expired stays so");
    turn("-86400");
    assert_eq!(there(&stage, &good), 401, "however far the clock goes back");
    assert_eq!(here(&stage, &good), 200, "the other gateway is right all the time");

    hands.restart();
    assert_eq!(there(&stage, &good), 200, "with the right time after a restart");
    for back in ["-120", "-86400"] {
        turn(back);
        assert_eq!(there(&stage, &good), 200, "a clock that is set back is not believed: {back}");
        let late = stage.sign_in(&email(2), 1).expect("signed in");
        assert_eq!((there(&stage, &late), here(&stage, &late)), (200, 200), "and does no harm: {back}");
        hands.restart();
    }

    let healed = load.now();
    load.run_for(WHILE);
    let (report, _) = load.finish();
    assert_eq!(report.wrong(), Vec::<String>::new(), "people at the other gateway notice nothing");
    assert!(Class::HONEST.iter().all(|class| report.good_percent(*class) > 99.99), "{report:?}");
    let seen = violations(&report, &stage.upstream);
    let more = [("jumps".to_owned(), json!(8))].into_iter().collect();
    print(
        "5.10 clock of one gateway: ±120 s, ±1 day, set back",
        &report,
        (injected, healed),
        seen.len(),
        more,
    );
    assert_eq!(seen, Vec::<String>::new());
    stage.nodes.iter().for_each(|node| node.assert_sound(&stage.secrets()));
}

/// L-06: the clock changes in the middle of a flood of guesses, and no more of them are compared for that.
fn guess_while(stage: &Stage, change: impl FnOnce()) {
    let hashes = || stage.nodes[1].metric("stagedoor_hash_duration_seconds_count", "");
    let before = hashes();
    let wrong = json!({ "email": email(3), "password": "Wrong-Door-42!" });
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| stage.post(1, "/auth/token/", &wrong));
        }
        change();
        for _ in 0..20 {
            scope.spawn(|| stage.post(1, "/auth/token/", &wrong));
        }
    });
    let compared = hashes() - before;
    assert!(compared < 5.5, "L-06: {compared} passwords were compared");
    assert!(stage.sign_in(&email(3), 1).is_none(), "the account is locked");
}

#[test]
fn case_5_10_a_clock_before_the_program_was_made_is_refused() {
    let stage = Stage::set(&Plan::default());
    let hands = Hands::of(&stage.nodes[0]);
    hands.set("-63072000");
    hands.node.launch();
    assert_eq!(hands.node.exit_code(), Some(2));
    assert!(hands.node.log().contains("the clock says"), "{}", hands.node.log());
    hands.set("+0");
    hands.node.start();
}
