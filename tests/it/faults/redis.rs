//! Redis goes away, hangs, is slow, comes back empty, refuses to write: rows 5.1 to 5.4. What must not be lost is in the
//! database; what Redis counts is counted by each gateway alone meanwhile, more strictly.

use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, SystemClock};

use super::asking::{Asking, EVERY};
use super::stage::email;
use super::{Plan, Row, Stage};
use crate::flows_process::eventually;
use crate::support::{Class, FaultProxy, Mode, RedisServer, Report, tokens_in};

/// How long a fault lasts of which several are tried in one test.
const SHORT: Duration = Duration::from_millis(1300);
/// How long Redis hangs after the gateways have noticed.
const LONG: Duration = Duration::from_secs(3);
/// By how much the answers may be later then. One call to Redis in a while is tried, for 50 ms, and the row allows 60; the
/// rest is for machines with other things to do. Without a time-out it would be half a second or seconds.
const BUDGET: Duration = Duration::from_millis(250);
/// So many more requests may be under way. A second of waiting would be forty.
const PILE: usize = 30;
/// For how long a gateway relies on what it was told last.
const TRUST: Duration = Duration::from_secs(5);

/// A Redis behind a proxy.
struct Shared {
    server: RedisServer,
    door: FaultProxy,
}

impl Shared {
    fn start() -> Self {
        let server = RedisServer::start();
        let door = FaultProxy::to(server.address());
        Self { server, door }
    }

    fn plan(&self) -> Plan {
        Plan { top: format!("redis: {{ url: \"redis://{}\" }}", self.door.address()), ..Plan::default() }
    }

    /// One command.
    fn tell(&self, command: &str) {
        let answer = self.server.ask(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(answer, "+OK", "{command}");
    }
}

/// Who is signed in notices nothing at all, and refreshing goes on. A turn to sign in that could not be given back ends by
/// itself after a few seconds: who comes for the same address meanwhile may be told "later".
#[track_caller]
fn assert_unnoticed(report: &Report) {
    for class in [Class::Proxied, Class::Sensitive, Class::Refresh] {
        assert!(
            (report.good_percent(class) - 100.0).abs() < 0.01,
            "{class:?}: {}",
            report.good_percent(class)
        );
    }
}

/// Somebody signs out at one gateway; how long until the other refuses the token. From then on it must be dead.
fn revoke(stage: &Stage, row: Option<&Row>, n: usize) -> Duration {
    let (here, there) = (n % 2, (n + 1) % 2);
    let tokens = stage.sign_in(&email(n % 4), here).expect("signed in");
    assert_eq!(stage.page(there, "/api/x", &tokens.access), Ok(200), "the token is good");
    assert_eq!(stage.sign_out(&tokens, here), Ok(204));
    let clock = SystemClock::new();
    assert_eq!(stage.page(here, "/api/x", &tokens.access), Ok(401), "where it was decided it counts at once");
    eventually("the other gateway refuses it", || {
        (stage.page(there, "/api/x", &tokens.access) == Ok(401)).then_some(())
    });
    let lag = clock.monotonic();
    assert_eq!(stage.page(there, "/secure/x", &tokens.access), Ok(401));
    if let Some(row) = row {
        row.load.must_be_dead(&tokens.access);
    }
    lag
}

/// A fault of Redis that the gateways notice, the operator sees, and nobody else.
struct Trouble<'a> {
    name: &'static str,
    inject: &'a dyn Fn(),
    mend: &'a dyn Fn(),
}

fn errors(stage: &Stage) -> f64 {
    stage.nodes.iter().map(|n| n.metric("stagedoor_redis_errors_total", "")).sum()
}

fn go_through(stage: &mut Stage, trouble: &Trouble<'_>, n: usize) {
    let before = errors(stage);
    let mut row = Row::inject(trouble.name, stage, trouble.inject);
    eventually("the operator sees it", || (errors(stage) > before).then_some(()));
    row.also("operator_sees_ms", row.lasted());
    let lag = revoke(stage, Some(&row), n);
    row.also("revocation_lag_ms", lag);
    row.load.run_for(SHORT.saturating_sub(row.lasted()));
    mend(stage, row, trouble);
}

fn mend(stage: &mut Stage, mut row: Row, trouble: &Trouble<'_>) {
    row.heal(trouble.mend);
    eventually("Redis is used again", || (breakers_open(stage) == 0).then_some(()));
    row.also("redis_used_again_ms", row.healed_for());
    assert_unnoticed(&row.finish(stage));
}

/// How many gateways leave Redis alone.
fn breakers_open(stage: &Stage) -> usize {
    stage.nodes.iter().filter(|n| n.metric("stagedoor_redis_breaker_open", "") > 0.5).count()
}

/// Redis takes what it is sent and answers late or never: nothing piles up, and once the gateways leave it alone nobody
/// waits for it.
fn hang(stage: &mut Stage, trouble: &Trouble<'_>, n: usize) {
    let asking = Asking::start(stage);
    let mut usual = None;
    let mut row = Row::inject(trouble.name, stage, || {
        usual = Some(asking.look());
        (trouble.inject)();
    });
    let usual = usual.expect("it was injected");
    eventually("both leave it alone", || (breakers_open(stage) == 2).then_some(()));
    row.also("left_alone_ms", row.lasted());
    let (first, from) = (asking.look(), row.load.now());
    row.load.run_for(LONG);
    let then = asking.look();
    // What the machine does to those who need no Redis at all, it does to these as well.
    let pages = row.load.report().since(from).within(Class::Proxied, 100);
    row.note("in_flight", json!(first.most.max(then.most)));
    row.also("asking_p99_ms", then.p99);
    row.also("asking_p99_before_ms", usual.p99);
    let lag = revoke(stage, Some(&row), n);
    row.also("revocation_lag_ms", lag);
    mend(stage, row, trouble);
    let piled = usize::try_from(pages.as_millis() / EVERY.as_millis()).expect("few");
    let most = usual.most + PILE + piled;
    assert!(first.most.max(then.most) <= most, "in flight: {} and {} of {most}", first.most, then.most);
    let allowed = usual.p99 + pages + BUDGET;
    assert!(then.p99 <= allowed, "{:?} where {allowed:?} are allowed", then.p99);
}

#[test]
fn case_5_1_case_5_2_redis_goes_away_or_is_slow() {
    let shared = Shared::start();
    let mut stage = Stage::start(&shared.plan());
    let pass = || shared.door.set(Mode::Pass);
    let far = Mode::Latency(Duration::from_millis(250));
    let troubles = [
        Trouble {
            name: "5.1 Redis killed",
            inject: &|| shared.server.kill(),
            mend: &|| shared.server.start_again(),
        },
        Trouble { name: "5.1 Redis refused", inject: &|| shared.door.set(Mode::Refuse), mend: &pass },
    ];
    for (n, trouble) in troubles.iter().enumerate() {
        go_through(&mut stage, trouble, n);
    }
    let hangs = [
        Trouble {
            name: "5.2 Redis hangs (SIGSTOP)",
            inject: &|| shared.server.signal("STOP"),
            mend: &|| shared.server.signal("CONT"),
        },
        Trouble {
            name: "5.2 Redis hangs (DEBUG SLEEP 5)",
            inject: &|| shared.server.sleep(Duration::from_secs(5)),
            mend: &|| shared.server.await_awake(),
        },
        Trouble { name: "5.2 Redis 500 ms away", inject: &|| shared.door.set(far.clone()), mend: &pass },
    ];
    for (n, trouble) in hangs.iter().enumerate() {
        hang(&mut stage, trouble, n);
    }
}

/// Each gateway counts for itself, up to a tenth of the quota.
#[test]
fn case_5_1_brute_force_while_redis_is_gone() {
    let shared = Shared::start();
    let stage = Stage::start(&Plan { login: "30/1m", ..shared.plan() });
    shared.server.kill();
    let cap = 2 * 3;
    let tries = 80;
    let mut compared = 0;
    for n in 0..tries {
        let body = json!({ "email": format!("victim{}@example.org", n / 4), "password": "Wrong-Door-42!" });
        let answer = stage.post(n % 2, "/auth/token/", &body).expect("an answer");
        match answer.status {
            401 => compared += 1,
            429 => assert!(answer.field("retry-after").is_some(), "{}", answer.head),
            _ => panic!("{} {}", answer.status, answer.text()),
        }
    }
    println!(
        "{}",
        json!({
            "fault": "5.1 brute force without Redis", "tries": tries, "compared": compared, "cap": cap,
            "violations": usize::from(compared > cap),
        })
    );
    assert!((1..=cap).contains(&compared), "{compared} of {tries}");
}

/// Right after Redis has forgotten everything: who was signed out stays out (J-19), an exchanged refresh token stays
/// exchanged (T-04), who was locked out stays locked out, and a flood of guesses finds the lock (L-06).
#[test]
fn case_5_3_redis_comes_back_empty() {
    let shared = Shared::start();
    let mut stage = Stage::start(&shared.plan());
    revoke_often(&stage);
    for name in ["5.3 Redis restarted empty", "5.3 FLUSHALL"] {
        let out = stage.sign_in(&email(0), 0).expect("signed in");
        assert_eq!(stage.sign_out(&out, 0), Ok(204));
        let rotated = stage.sign_in(&email(1), 0).expect("signed in");
        let child = tokens_in(&stage.refresh(1, &rotated.refresh).expect("an answer")).expect("exchanged");
        tokens_in(&stage.refresh(0, &child.refresh).expect("an answer")).expect("exchanged again");
        let mut row = Row::inject(name, &stage, || match name {
            "5.3 FLUSHALL" => shared.tell("FLUSHALL"),
            _ => {
                shared.server.kill();
                shared.server.start_again();
            }
        });
        for node in 0..2 {
            assert_eq!(stage.page(node, "/api/x", &out.access), Ok(401), "J-19");
        }
        row.load.must_be_dead(&out.access);
        row.load.run_for(SHORT / 2);
        row.heal(|| {});
        assert_unnoticed(&row.finish(&mut stage));
        // It ends its family, which the row would take for a fault.
        for node in 0..2 {
            assert_eq!(stage.refresh(node, &rotated.refresh).map(|r| r.status), Ok(401), "T-04");
        }
        stage.database().run("UPDATE sessions SET end_reason = 'known' WHERE end_reason = 'reuse'");
    }
    locks_hold(&stage, &shared);
}

fn hashes(stage: &Stage) -> f64 {
    stage.nodes.iter().map(|n| n.metric("stagedoor_hash_duration_seconds_count", "")).sum()
}

fn locks_hold(stage: &Stage, shared: &Shared) {
    let wrong = |n: usize| json!({ "email": email(n), "password": "Wrong-Door-42!" });
    for n in 0..5 {
        assert_eq!(stage.post(n % 2, "/auth/token/", &wrong(2)).map(|r| r.status), Ok(401));
    }
    shared.tell("FLUSHALL");
    let before = hashes(stage);
    assert!(
        stage.sign_in(&email(2), 0).is_none() && stage.sign_in(&email(2), 1).is_none(),
        "locked after the flush"
    );
    // A flood at once, over both, at an address that is not locked yet.
    std::thread::scope(|scope| {
        for n in 0..60 {
            scope.spawn(move || stage.post(n % 2, "/auth/token/", &wrong(3)));
        }
    });
    let compared = hashes(stage) - before;
    println!(
        "{}",
        json!({ "fault": "5.3 60 guesses at once after FLUSHALL", "compared": compared,
                "violations": u8::from(compared > 5.5) })
    );
    assert!(compared < 5.5, "L-06: {compared} passwords were compared");
    assert!(stage.sign_in(&email(3), 1).is_none(), "and then it is locked");
}

#[test]
fn case_5_4_redis_takes_no_changes() {
    let shared = Shared::start();
    let mut stage = Stage::start(&shared.plan());
    let faults = [
        ("5.4 Redis became a replica (READONLY)", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        // No policy but this one may be: it forgets nothing by itself.
        ("5.4 Redis is full (OOM)", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        (
            "5.4 Redis lost its replicas (NOREPLICAS)",
            "CONFIG SET min-replicas-to-write 1",
            "CONFIG SET min-replicas-to-write 0",
        ),
    ];
    for (n, (name, inject, mend)) in faults.into_iter().enumerate() {
        let trouble = Trouble { name, inject: &|| shared.tell(inject), mend: &|| shared.tell(mend) };
        go_through(&mut stage, &trouble, n);
    }
}

/// The database is gone, and the gateways still tell each other through Redis what has ended: nothing closes. Then nobody
/// tells them any more: places that ask for a recent sign-in say "later", all others stay open.
#[test]
fn case_5_1_case_5_6_postgres_is_gone_and_then_redis_too() {
    let shared = Shared::start();
    let mut stage = Stage::start(&shared.plan());
    let mut row =
        Row::inject("5.1 + 5.6 PostgreSQL gone, then Redis too", &stage, || stage.postgres.stop_at_once());
    row.load.run_for(TRUST + SHORT / 2);
    let report = row.load.report();
    for class in [Class::Proxied, Class::Sensitive] {
        assert!(
            (report.good_percent(class) - 100.0).abs() < 0.01,
            "{class:?}: {}",
            report.good_percent(class)
        );
    }
    shared.server.kill();
    let both = row.lasted();
    let token = row.load.held().remove(0);
    eventually("sensitive places close", || {
        (0..2).all(|node| stage.page(node, "/secure/x", &token) == Ok(503)).then_some(())
    });
    row.also("closed_after_ms", row.lasted().saturating_sub(both));
    row.load.run_for(SHORT / 2);
    assert_eq!(stage.page(0, "/api/x", &token), Ok(200), "others stay open");
    row.heal(|| {
        stage.postgres.start_again();
        shared.server.start_again();
    });
    let report = row.finish(&mut stage);
    assert!((report.good_percent(Class::Proxied) - 100.0).abs() < 0.01, "proxying goes on");
    assert!(report.good_percent(Class::Sensitive) < 100.0, "the fault was felt");
}

/// Without any fault: from sign-out at one gateway to refusal at the other.
fn revoke_often(stage: &Stage) {
    let mut lags: Vec<_> = (0..40).map(|n| revoke(stage, None, n)).collect();
    lags.sort_unstable();
    println!(
        "{}",
        json!({
            "fault": "no fault: 40 sign-outs, refused elsewhere",
            "revocation_lag_p50_ms": lags[lags.len() / 2].as_millis(),
            "revocation_lag_ms": lags[lags.len() - 1].as_millis(),
        })
    );
}
