//! The database goes away, hangs, is slow, is locked, has no room: rows 5.6 to 5.8. Who is signed in notices nothing.

use std::time::Duration;

use serde_json::json;

use super::{FAULT, Plan, Row, Stage};
use crate::support::exchange::{NoReply, Reply};
use crate::support::{Class, Mode, Report};

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
    let mut row = Row::inject("5.7 PostgreSQL hangs (SIGSTOP)", &stage, || stage.postgres.signal("STOP"));
    row.load.run_for(FAULT);
    row.heal(|| stage.postgres.signal("CONT"));
    assert_proxying_went_on(&row.finish(&mut stage));

    let mut row = Row::inject("5.7 PostgreSQL blackholed", &stage, || stage.door.set(Mode::Blackhole));
    row.load.run_for(FAULT);
    row.heal(|| stage.door.set(Mode::Pass));
    assert_proxying_went_on(&row.finish(&mut stage));
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

/// More people sign in at once than there are connections, and hashing takes longer than anything else: no connection
/// is held meanwhile, nothing is locked for ever, and refreshing goes on.
#[test]
fn case_5_8_the_smallest_pool_and_a_crowd_that_signs_in() {
    let plan = Plan {
        connections: 3,
        password: "password: { argon2: { memory: 19MiB, iterations: 12, workers: 1, queue: 8 } }".to_owned(),
        ..Plan::default()
    };
    let mut stage = Stage::start(&plan);
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
