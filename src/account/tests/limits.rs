//! Rate limits of signing in, as they are by default.

use async_trait::async_trait;

use super::*;
use crate::limiter::{Limiter, LimiterError, Taken};

const DEFAULT: Quota = Quota { limit: 5, window: Duration::from_secs(60) };

fn house() -> House {
    House::with(|s| s.rate_limits.login = DEFAULT)
}

/// A right password takes a try like any other: those over the limit are told when to come back, and none of the tries counts
/// as a failure or locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_07_parallel_right_passwords_are_never_taken_for_an_attack() {
    let house = house();
    house.member(MINE).await;
    let mut waiting = 20;
    for round in 0..4 {
        let outcomes = parallel(waiting, |_| {
            let accounts = Arc::clone(&house.accounts);
            let typed =
                Login { email: MINE.into(), password: Secret::new(GOOD), keep: false, browser: false };
            async move { accounts.login(typed, &origin()).await }
        })
        .await;
        assert_eq!(outcomes.iter().filter(|r| r.is_ok()).count(), 5, "round {round}");
        for refused in outcomes.iter().filter_map(|r| r.as_ref().err()) {
            let Error::Limited(limited) = refused else { panic!("{refused}") };
            assert_eq!(limited.taken.reset_after, secs(60));
        }
        waiting -= 5;
        house.clock.advance(secs(60));
    }
    assert_eq!(waiting, 0, "all twenty are in");
    assert_eq!(house.count("SELECT count(*) FROM lockouts").await, 0);
}

#[tokio::test]
async fn l_21_one_password_on_ten_thousand_addresses_is_stopped_by_network() {
    let house = house();
    let before = house.accounts.hasher().completed();
    let networks = ["192.0.2.66", "2001:db8:1:2::1"];
    for n in 0..10_000u32 {
        // An IPv6 subscriber has a whole /64.
        let ip = if n % 2 == 0 { networks[0].to_owned() } else { format!("2001:db8:1:2::{n:x}") };
        let result = house.login_from(&format!("p{n}@example.org"), "Summer-2026!", &from(&ip)).await;
        assert_eq!(word(&result), if n < 10 { "wrong" } else { "limited" }, "{n}");
    }
    assert_eq!(house.accounts.hasher().completed() - before, 10);
    assert_eq!(
        house.count("SELECT count(*) FROM attempts").await,
        12,
        "ten tries, and one line for each network"
    );
    assert_eq!(house.count("SELECT count(*) FROM lockouts").await, 10);
    house.member(MINE).await;
    house.login(MINE, GOOD).await.unwrap_or_else(|e| panic!("others are not held up: {e}"));
}

#[tokio::test]
async fn l_21_from_many_networks_each_has_its_own_limit() {
    let house = house();
    for network in 0..50 {
        for n in 0..8 {
            let email = format!("p{network}-{n}@example.org");
            let result =
                house.login_from(&email, "Summer-2026!", &from(&format!("198.51.100.{network}"))).await;
            assert_eq!(word(&result), if n < 5 { "wrong" } else { "limited" });
        }
    }
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE reason = 'limited'").await, 50);
}

#[tokio::test]
async fn tries_over_the_limit_are_written_down_once_a_minute_with_their_account() {
    let house = house();
    house.member(MINE).await;
    for minute in 1..=3 {
        for n in 0..9 {
            let result = house.login_from(MINE, GOOD, &from(&format!("192.0.2.{n}"))).await;
            assert_eq!(word(&result), if n < 5 { "ok" } else { "limited" });
        }
        let written = "SELECT count(*) FROM attempts WHERE reason = 'limited' AND account_id IS NOT NULL";
        assert_eq!(house.count(written).await, minute);
        house.clock.advance(secs(60));
    }
    for _ in 0..6 {
        let nothing =
            Login { email: "no address".into(), password: Secret::new("x"), keep: false, browser: false };
        let _ = house.accounts.login(nothing, &origin()).await;
    }
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE reason = 'limited'").await, 3);
}

struct Dead;

#[async_trait]
impl Limiter for Dead {
    async fn take(&self, _: &str, _: Quota) -> Result<Taken, LimiterError> {
        Err(LimiterError("gone".into()))
    }
}

#[tokio::test]
async fn l_10_without_a_limiter_nobody_guesses() {
    let mut house = house();
    house.member(MINE).await;
    let before = house.accounts.hasher().completed();
    Arc::get_mut(&mut house.accounts).unwrap().limiter = Arc::new(Dead);
    for password in [GOOD, "Wrong-Word-1"] {
        assert_eq!(word(&house.login(MINE, password).await), "unavailable");
    }
    assert_eq!(house.accounts.hasher().completed(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_17_parallel_sign_ins_on_two_nodes_make_an_old_hash_anew() {
    let old = House::new();
    old.member(MINE).await;
    let nodes = [0, 1]
        .map(|_| House::over(old.store.clone(), old.clock.now(), |s| s.password.argon2.memory_kib = 16));
    let outcomes = parallel(20, |n| {
        let accounts = Arc::clone(&nodes[n % 2].accounts);
        let typed = Login { email: MINE.into(), password: Secret::new(GOOD), keep: false, browser: false };
        async move { word(&accounts.login(typed, &origin()).await) }
    })
    .await;
    assert!(outcomes.iter().all(|w| *w == "ok"), "{outcomes:?}");
    assert_eq!(
        old.count("SELECT count(*) FROM accounts WHERE password_hash LIKE '%$m=16,t=1,p=1$%'").await,
        1
    );
    nodes[0].login(MINE, GOOD).await.unwrap();
}
