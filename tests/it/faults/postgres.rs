//! The database goes away, hangs, is slow, is locked, has no room: rows 5.6 to 5.8. Who is signed in notices nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{FAULT, Plan, Row, Stage};
use crate::flows_process::eventually;
use crate::support::exchange::{NoReply, Reply};
use crate::support::{Class, Mode, Node, Outcome, Report};

/// How long the server hangs: longer than a step of the store may take (2.5 s), twice.
const HANG: Duration = Duration::from_secs(6);
/// How long the pool may take to recover.
const RECOVERY: Duration = Duration::from_secs(5);

#[track_caller]
fn assert_later(answer: &Result<Reply, NoReply>) {
    let reply = answer.as_ref().expect("an answer");
    assert!(reply.says_later(), "{} {}", reply.head, reply.text());
    assert!(reply.field("set-cookie").is_none(), "nobody is signed out");
}

/// Who is signed in goes on as if nothing had happened. Where a recent sign-in is asked for, the answer may be "later"
/// after five seconds: without Redis only the database knows who has signed out.
#[track_caller]
fn assert_proxying_went_on(report: &Report) {
    let good = report.good_percent(Class::Proxied);
    assert!((good - 100.0).abs() < 0.01, "{good}");
}

#[test]
fn case_5_6_postgres_goes_away_under_two_gateways() {
    let mut stage = Stage::start(&Plan::default());
    stopped(&mut stage);
    let mut row = Row::inject("5.6 PostgreSQL refused, then reset", &stage, || stage.door.set(Mode::Refuse));
    row.load.run_for(FAULT / 2);
    stage.door.set(Mode::Reset);
    row.load.run_for(FAULT / 2);
    row.heal(|| stage.door.set(Mode::Pass));
    let report = row.finish(&mut stage);
    assert_proxying_went_on(&report);
    assert!(report.good_percent(Class::Refresh) < 100.0, "the fault was felt");
}

fn stopped(stage: &mut Stage) {
    let mut row = Row::inject("5.6 PostgreSQL stopped", stage, || stage.postgres.stop_at_once());
    stage.await_accounts(false);
    for node in 0..2 {
        assert!(stage.nodes[node].is_ready(), "it can still proxy");
        assert_later(&stage.register(node, "new@example.org"));
        assert_later(&stage.post(node, "/auth/password-reset/", &json!({ "email": "person1@example.org" })));
        let wrong = json!({ "email": "nobody@example.org", "password": "Wrong-Door-42!" });
        assert_later(&stage.post(node, "/auth/token/", &wrong));
    }
    row.load.run_for(FAULT);
    row.heal(|| stage.postgres.start_again());
    let report = row.finish(stage);
    assert_proxying_went_on(&report);
    assert!(report.good_percent(Class::Refresh) < 100.0, "the fault was felt");
    stage.await_accounts(true);
}

#[test]
fn case_5_7_postgres_hangs() {
    let mut stage = Stage::start(&Plan::default());
    let row = Row::inject("5.7 PostgreSQL hangs (SIGSTOP)", &stage, || stage.postgres.signal("STOP"));
    hang(row, &mut stage, |stage| stage.postgres.signal("CONT"));
    let row = Row::inject("5.7 PostgreSQL blackholed", &stage, || stage.door.set(Mode::Blackhole));
    hang(row, &mut stage, |stage| stage.door.set(Mode::Pass));
}

/// Until steps are given up and what waits for a connection is sent away; then the pool has to be well again.
fn hang(mut row: Row, stage: &mut Stage, mend: impl FnOnce(&Stage)) {
    row.load.run_for(HANG);
    row.heal(|| mend(stage));
    row.await_well();
    let well = row.healed_for();
    row.also("everybody_served_again_ms", well);
    let report = row.finish(stage);
    assert_proxying_went_on(&report);
    let shed = report.of(Class::Refresh).filter(|e| e.outcome == Outcome::Later).count();
    assert!(shed >= 2, "{shed} refreshes were shed");
    assert!(well <= RECOVERY, "the pool is well again after {well:?}");
}

#[test]
fn case_5_7_case_5_8_postgres_is_locked_slow_or_full() {
    let mut stage = Stage::start(&Plan::default());
    let database = stage.database();
    let lock = "BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE";
    let mut row = Row::inject("5.7 table accounts locked", &stage, || database.run(lock));
    row.load.run_for(FAULT);
    row.heal(|| database.run("COMMIT"));
    let report = row.finish(&mut stage);
    assert_proxying_went_on(&report);
    assert!(report.good_percent(Class::Refresh) < 100.0, "the fault was felt");

    let slow = Mode::Latency(Duration::from_millis(75));
    let mut row = Row::inject("5.7 PostgreSQL 150 ms away", &stage, || stage.door.set(slow));
    row.load.run_for(FAULT);
    row.heal(|| stage.door.set(Mode::Pass));
    assert_proxying_went_on(&row.finish(&mut stage));

    let narrow = "ALTER ROLE gate CONNECTION LIMIT 1;
                  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gate'";
    let mut row = Row::inject("5.8 one connection for two gateways", &stage, || database.run(narrow));
    row.load.run_for(FAULT);
    row.heal(|| database.run("ALTER ROLE gate CONNECTION LIMIT -1"));
    let report = row.finish(&mut stage);
    assert_proxying_went_on(&report);
    assert!(report.good_percent(Class::Refresh) < 100.0, "the fault was felt");
}

/// One connection to watch, one to write and one to read; and slow hashes.
fn narrow() -> Plan {
    Plan {
        connections: 3,
        password: "password: { argon2: { memory: 19MiB, iterations: 12, workers: 1, queue: 8 } }".to_owned(),
        ..Plan::default()
    }
}

/// More people sign in at once than there are connections, and hashing takes longer than anything else: no connection
/// is held meanwhile, nothing is locked for ever, and refreshing goes on.
#[test]
fn case_5_8_the_smallest_pool_and_a_crowd_that_signs_in() {
    let mut stage = Stage::start(&narrow());
    let database = stage.database();
    let mut row = Row::inject("5.8 smallest pool, crowd at the door", &stage, || {});
    let held = "pg_stat_activity WHERE usename = 'gate' AND state = 'idle in transaction'
                AND clock_timestamp() - state_change > interval '200 ms'";
    let mut longest_held = 0;
    std::thread::scope(|scope| {
        let body = |n: usize| json!({ "email": format!("person{}@example.org", n % 4), "password": "Wrong-Door-42!" });
        let (stage, nodes) = (&stage, 0..2);
        let crowd: Vec<_> = nodes
            .flat_map(|node| (0..8).map(move |n| (node, n)))
            .map(|(node, n)| scope.spawn(move || stage.post(node, "/auth/token/", &body(n))))
            .collect();
        while crowd.iter().any(|c| !c.is_finished()) {
            longest_held = longest_held.max(database.count(held));
            std::thread::sleep(Duration::from_millis(20));
        }
        for one in crowd {
            let status = one.join().expect("no panic").map(|r| r.status);
            assert!(matches!(status, Ok(401 | 403 | 429 | 503)), "{status:?}");
        }
    });
    assert_eq!(longest_held, 0, "a transaction waits for something that is not the database");
    row.heal(|| {
        database.run("DELETE FROM lockouts");
    });
    assert_proxying_went_on(&row.finish(&mut stage));
}

/// The crowd stays and the database is far away: every connection is at work, the operator sees it, and there are never more
/// of them than was configured.
#[test]
fn case_5_8_the_operator_sees_that_the_pool_is_full() {
    let mut stage = Stage::start(&narrow());
    let far = Mode::Latency(Duration::from_millis(25));
    let mut row = Row::inject("5.8 crowd keeps the smallest pool full", &stage, || stage.door.set(far));
    let (token, over) = (row.load.held().remove(0), AtomicBool::new(false));
    let busiest = std::thread::scope(|scope| {
        let (stage, token, over) = (&stage, &token, Over(&over));
        for n in 0..24 {
            let over = over.0;
            scope.spawn(move || stay(stage, n, token, over));
        }
        let mut busiest = [0; 2];
        eventually("the operator sees it", || {
            for (node, most_seen) in stage.nodes.iter().zip(&mut busiest) {
                let [busy, most] = ["busy", "most"].map(|state| connections(node, state));
                assert!(most == 3 && busy <= most, "{busy} of {most}");
                *most_seen = busy.max(*most_seen);
            }
            // The one to watch is needed for moments only.
            busiest.iter().all(|busy| *busy >= 2).then_some(busiest)
        })
    });
    row.note("busy_of_3", json!(busiest));
    row.heal(|| stage.door.set(Mode::Pass));
    assert_proxying_went_on(&row.finish(&mut stage));
    eventually("and that there is room again", || {
        stage.nodes.iter().all(|node| connections(node, "busy") <= 1).then_some(())
    });
}

/// Ends what goes on meanwhile, also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One of the crowd: every third signs in, the others look at an account.
fn stay(stage: &Stage, n: usize, token: &str, over: &AtomicBool) {
    let nobody = json!({ "email": format!("nobody{n}@example.org"), "password": "Wrong-Door-42!" });
    while !over.load(Ordering::SeqCst) {
        let status = if (n / 2).is_multiple_of(3) {
            stage.post(n % 2, "/auth/token/", &nobody).map(|r| r.status)
        } else {
            stage.page(n % 2, "/auth/profile/", token)
        };
        assert!(matches!(status, Ok(200 | 401 | 403 | 429 | 503)), "{status:?}");
    }
}

fn connections(node: &Node, state: &str) -> u32 {
    let value = node.metric("stagedoor_store_connections", &format!("state=\"{state}\""));
    format!("{value:.0}").parse().expect("a number")
}
