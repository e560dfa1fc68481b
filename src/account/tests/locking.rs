//! The lock.

use super::*;

async fn fail(house: &House, email: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(word(&house.login(email, "Wrong-Word-1").await), "wrong", "{email}");
    }
}

#[tokio::test]
async fn l_11_a_locked_account_answers_right_and_wrong_alike() {
    let house = House::new();
    house.member(MINE).await;
    for email in [MINE, "unknown@example.org"] {
        fail(&house, email, 5).await;
        let hashes = house.accounts.hasher().completed();
        assert_eq!(word(&house.login(email, GOOD).await), "locked");
        assert_eq!(word(&house.login(email, "Wrong-Word-1").await), "locked");
        assert_eq!(house.accounts.hasher().completed(), hashes);
    }
    let mails = house.mails("locked").await;
    assert_eq!(mails.len(), 1, "only the owner of an account is told");
    assert_eq!(mails[0].0, MINE);
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'account.locked'").await, 2);
}

#[tokio::test]
async fn locks_double_up_to_a_day_and_start_over_after_a_success() {
    let house = House::new();
    house.member(MINE).await;
    let minutes = [15, 30, 60, 120, 240, 480, 960, 1440, 1440];
    for length in minutes {
        fail(&house, MINE, 5).await;
        house.clock.advance(secs(length * 60).checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(word(&house.login(MINE, GOOD).await), "locked", "{length} min");
        house.clock.advance(Duration::from_millis(1));
    }
    house.login(MINE, GOOD).await.unwrap();
    fail(&house, MINE, 5).await;
    house.clock.advance(secs(900));
    house.login(MINE, GOOD).await.unwrap();
}

#[tokio::test]
async fn failures_count_together_for_half_an_hour_and_a_success_forgets_them() {
    let house = House::new();
    house.member(MINE).await;
    fail(&house, MINE, 4).await;
    house.login(MINE, GOOD).await.unwrap();
    fail(&house, MINE, 4).await;
    house.clock.advance(secs(1800));
    fail(&house, MINE, 4).await;
    house.clock.advance(secs(1799));
    fail(&house, MINE, 1).await;
    assert_eq!(word(&house.login(MINE, GOOD).await), "locked");
}

#[tokio::test]
async fn the_lock_and_its_history_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let start = Timestamp::from_secs(1_800_000_000);
    let before = House::at(path.clone(), start, |_| ());
    before.member(MINE).await;
    fail(&before, MINE, 5).await;
    drop(before);
    let after = House::at(path, start.after(secs(899)), |_| ());
    assert_eq!(word(&after.login(MINE, GOOD).await), "locked");
    after.clock.advance(secs(1));
    fail(&after, MINE, 5).await;
    after.clock.advance(secs(1799));
    assert_eq!(word(&after.login(MINE, GOOD).await), "locked", "the second lock is twice as long");
    after.clock.advance(secs(1));
    after.login(MINE, GOOD).await.unwrap();
}

#[tokio::test]
async fn open_sessions_live_through_a_lock() {
    let house = House::new();
    house.member(MINE).await;
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    fail(&house, MINE, 5).await;
    house.refresh(&signed_in.refresh).await.unwrap();
}

#[tokio::test]
async fn a_not_activated_owner_gets_no_mail_about_a_lock() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    fail(&house, MINE, 5).await;
    assert!(house.mails("locked").await.is_empty());
}

#[tokio::test]
async fn counters_that_are_left_alone_leave() {
    let house = House::new();
    fail(&house, MINE, 5).await;
    house.clock.advance(secs(900 + 86_400));
    assert_eq!(house.accounts.purge_lockouts().await.unwrap(), 0);
    house.clock.advance(secs(1));
    assert_eq!(house.accounts.purge_lockouts().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_06_failures_that_are_counted_at_the_same_time_all_count() {
    let house = House::with(|s| s.lockout.failures = 100);
    parallel(40, |_| {
        let accounts = Arc::clone(&house.accounts);
        async move {
            let email = crate::model::Email::parse(MINE).unwrap();
            let key = crate::store::LockKey::address(&email);
            let failure = lockout::Failure { key: &key, email: &email, account: None, reason: "wrong_code" };
            accounts.count_failure(failure, &origin()).await.unwrap();
        }
    })
    .await;
    assert_eq!(house.count("SELECT failures FROM lockouts").await, 40);
    assert_eq!(house.count("SELECT count(*) FROM attempts").await, 40);
}

#[tokio::test]
async fn l_06_a_counter_changes_only_from_what_was_seen() {
    let house = House::new();
    fail(&house, MINE, 1).await;
    let key = crate::store::LockKey::address(&crate::model::Email::parse(MINE).unwrap());
    let seen = house.store.failures(&key).await.unwrap();
    fail(&house, MINE, 1).await;
    for stale in [seen, None] {
        let mut tx = crate::store::Tx::new();
        tx.set_failures(&key, stale.as_ref(), &seen.unwrap());
        assert!(house.store.commit(tx).await.unwrap().is_none());
    }
    assert_eq!(house.count("SELECT failures FROM lockouts").await, 2);
}
