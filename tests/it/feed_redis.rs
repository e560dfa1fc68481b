//! Nodes that share Redis besides the database: they tell each other in milliseconds, and lose nothing when they cannot.

use std::time::Duration;

use serde_json::json;
use stagedoor::model::{Clock as _, SystemClock};

use crate::feed_stage::{Around, asks, hear_each_other, node, sign_out, time_until_refused, with_redis};
use crate::support::fault_proxy::{FaultProxy, Mode};
use crate::support::flow::{Flow, endless};
use crate::support::until;

#[test]
fn j_19_with_redis_a_sign_out_is_everywhere_in_milliseconds() {
    let stage = Around::start();
    let (a, b) = (stage.node(), stage.node());
    hear_each_other(&[&a, &b]);
    let mut lags: Vec<Duration> = (0..20)
        .map(|_| {
            let person = a.person("user");
            assert_eq!(asks(&b, &person, "/api/x").status, 200);
            sign_out(&a, &person);
            time_until_refused(&b, &person)
        })
        .collect();
    lags.sort();
    println!(
        "{}",
        json!({ "case": "J-19 with Redis", "p50_us": lags[10].as_micros(), "max_us": lags[19].as_micros() })
    );
    assert!(lags[10] < Duration::from_millis(100), "{lags:?}");
    assert!(b.metric("stagedoor_revocation_lag_seconds_count{way=\"channel\"}", "") > 20);
}

#[test]
fn j_19_t_08_a_sign_out_on_one_node_cuts_what_is_open_on_the_other() {
    let stage = Around::start();
    let (a, b) = (stage.node(), stage.node());
    hear_each_other(&[&a, &b]);
    let released = endless(&b, "/api");
    let (leaver, other) = (a.person("user"), a.person("user"));
    let mut open = Flow::open_all(&b, "/api", Some(&leaver));
    let mut stays = Flow::open_all(&b, "/api", Some(&other));
    let clock = SystemClock::new();
    let begun = clock.monotonic();
    sign_out(&a, &leaver);
    for flow in &mut open {
        flow.assert_is_cut(&b);
    }
    let took = clock.monotonic().saturating_sub(begun);
    println!("{}", json!({ "case": "J-19, open streams on the other node", "all_cut_ms": took.as_millis() }));
    until("the connections to the application are closed", || {
        (released.count() >= open.len() - 1).then_some(())
    });
    for flow in &mut stays {
        flow.assert_goes_on();
    }
}

#[test]
fn case_5_3_j_19_a_flushed_or_restarted_redis_forgets_no_end() {
    let stage = Around::start();
    let (a, b) = (stage.node(), stage.node());
    let before = a.person("user");
    sign_out(&a, &before);
    until("B has heard", || (asks(&b, &before, "/api/x").status == 401).then_some(()));
    assert_eq!(stage.redis.ask(&["FLUSHALL"]), "+OK");
    stage.redis.kill();
    let during = a.person("user");
    assert_eq!(asks(&b, &during, "/api/x").status, 200);
    sign_out(&a, &during);
    time_until_refused(&b, &during);
    stage.redis.start_again();
    let c = stage.node();
    for app in [&a, &b, &c] {
        for ended in [&before, &during] {
            assert_eq!(asks(app, ended, "/api/x").status, 401);
        }
    }
    hear_each_other(&[&a, &b, &c]);
    let after = a.person("user");
    sign_out(&a, &after);
    for app in [&b, &c] {
        time_until_refused(app, &after);
    }
}

#[test]
fn case_5_1_without_redis_the_database_is_enough() {
    let stage = Around::start();
    let (a, b) = (stage.node(), stage.node());
    hear_each_other(&[&a, &b]);
    let admin = a.person("admin");
    stage.redis.kill();
    // Longer than anything is relied on.
    for _ in 0..6 {
        let person = a.person("admin");
        assert_eq!(asks(&b, &person, "/admin/x").status, 200);
        sign_out(&a, &person);
        time_until_refused(&b, &person);
        assert_eq!((asks(&a, &admin, "/admin/x").status, asks(&b, &admin, "/admin/x").status), (200, 200));
    }
}

#[test]
fn case_5_6_without_the_database_the_other_nodes_are_enough_while_all_of_them_are_heard() {
    let stage = Around::start();
    let (store, by_it) = stage.way_to_the_store();
    let redis = FaultProxy::to(stage.redis.address());
    let a = node(&stage.server.url(), None, |setup| with_redis(setup, redis.address()));
    let b = node(&by_it, Some(&a), |setup| with_redis(setup, stage.redis.address()));
    hear_each_other(&[&a, &b]);
    let admin = a.person("admin");
    store.set(Mode::Refuse);
    for _ in 0..7 {
        let person = a.person("admin");
        assert_eq!(asks(&b, &person, "/admin/x").status, 200, "A says that this is all");
        sign_out(&a, &person);
        time_until_refused(&b, &person);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(b.metric("stagedoor_revocation_polls_total", "failed") >= 5, "it had to do without");
    // Now A can still write to the database, but nobody hears of it.
    redis.set(Mode::Refuse);
    let leaver = a.person("admin");
    sign_out(&a, &leaver);
    until("B does not trust the silence", || {
        assert_eq!(asks(&b, &leaver, "/api/x").status, 200, "a harmless one passes until the token expires");
        (asks(&b, &admin, "/admin/x").status == 503).then_some(())
    });
    assert_eq!(asks(&b, &leaver, "/admin/x").status, 503);
    redis.set(Mode::Pass);
    until("A is heard again", || {
        let (good, ended) = (asks(&b, &admin, "/admin/x").status, asks(&b, &leaver, "/admin/x").status);
        assert!(matches!((good, ended), (503, 503 | 401) | (200, 401)), "{good} {ended}");
        (good == 200).then_some(())
    });
}

#[test]
fn case_5_1_case_5_4_without_both_what_matters_waits_and_everything_comes_back_by_itself() {
    let stage = Around::start();
    let (a, b) = (stage.node(), stage.node());
    hear_each_other(&[&a, &b]);
    let (admin, user) = (a.person("admin"), a.person("user"));
    stage.server.stop_at_once();
    stage.redis.kill();
    for app in [&a, &b] {
        until("it notices", || {
            assert_eq!(asks(app, &user, "/api/x").status, 200);
            (asks(app, &admin, "/admin/x").status == 503).then_some(())
        });
    }
    stage.redis.start_again();
    stage.server.start_again();
    for app in [&a, &b] {
        until("it comes back", || (asks(app, &admin, "/admin/x").status == 200).then_some(()));
    }
    hear_each_other(&[&a, &b]);
    // A Redis that takes no writes carries messages all the same; one that refuses even that is one that is away.
    assert_eq!(stage.redis.ask(&["CONFIG", "SET", "min-replicas-to-write", "1"]), "+OK");
    let person = a.person("user");
    sign_out(&a, &person);
    time_until_refused(&b, &person);
}
