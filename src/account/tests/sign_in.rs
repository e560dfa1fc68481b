//! Signing in.

use super::*;

#[tokio::test]
async fn l_04_l_05_spellings_of_an_address_share_account_and_counter() {
    let house = House::new();
    house.member(MINE).await;
    for email in
        ["ADA@example.org", "ada@EXAMPLE.org ", "Ada@Example.Org", "ada@example.ORG", " ada@example.org"]
    {
        assert_eq!(word(&house.login(email, "Wrong-Word-1").await), "wrong", "{email}");
    }
    assert_eq!(word(&house.login(MINE, GOOD).await), "locked");
    for email in
        ["\u{ff41}da@example.org", "ada\0@example.org", "ada%00@example.org\n", "a\u{308}da@example.org"]
    {
        assert_eq!(broken(house.login(email, GOOD).await), ["email:invalid"], "{email:?}");
    }
    assert_eq!(house.count("SELECT count(*) FROM lockouts").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_06_two_hundred_parallel_guesses_compare_five_hashes() {
    for email in [MINE, "unknown@example.org"] {
        let house = House::new();
        house.member(MINE).await;
        let before = house.accounts.hasher().completed();
        let outcomes = parallel(200, |n| {
            let accounts = Arc::clone(&house.accounts);
            let typed = Login {
                email: email.into(),
                password: Secret::new(format!("Wrong-{n}")),
                keep: false,
                browser: false,
            };
            async move { word(&accounts.login(typed, &origin()).await) }
        })
        .await;
        assert_eq!(house.accounts.hasher().completed() - before, 5);
        assert_eq!(outcomes.iter().filter(|w| **w == "wrong").count(), 5);
        assert_eq!(outcomes.iter().filter(|w| **w == "locked").count(), 195);
        assert_eq!(house.count("SELECT count(*) FROM attempts").await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_07_twenty_parallel_right_passwords_all_succeed() {
    let house = House::new();
    house.member(MINE).await;
    let outcomes = parallel(20, |_| {
        let accounts = Arc::clone(&house.accounts);
        let typed = Login { email: MINE.into(), password: Secret::new(GOOD), keep: false, browser: false };
        async move { accounts.login(typed, &origin()).await }
    })
    .await;
    assert!(outcomes.iter().all(Result::is_ok));
}

#[tokio::test]
async fn sign_in_is_limited_by_network_and_by_address() {
    let house = House::with(|s| s.rate_limits.login = Quota { limit: 5, window: secs(60) });
    house.member(MINE).await;
    for n in 0..6 {
        let result = house.login_from(&format!("p{n}@x.org"), GOOD, &from("192.0.2.1")).await;
        assert_eq!(word(&result), if n < 5 { "wrong" } else { "limited" });
    }
    for n in 0..6 {
        let result = house.login_from(MINE, GOOD, &from(&format!("192.0.2.{}", 10 + n))).await;
        assert_eq!(word(&result), if n < 5 { "ok" } else { "limited" });
    }
}

#[tokio::test]
async fn unknown_and_known_addresses_cost_the_same_and_leave_the_same_rows() {
    let house = House::new();
    house.member(MINE).await;
    for email in [MINE, "unknown@example.org"] {
        let before = house.accounts.hasher().completed();
        assert_eq!(word(&house.login(email, "Wrong-Word-1").await), "wrong");
        assert_eq!(house.accounts.hasher().completed(), before + 1);
    }
    assert_eq!(house.count("SELECT count(*) FROM lockouts WHERE failures = 1").await, 2);
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE reason = 'wrong_credentials'").await, 2);
}

#[tokio::test]
async fn only_a_right_password_learns_that_an_account_is_off() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    house.member("off@example.org").await;
    house
        .store
        .write("UPDATE accounts SET disabled_at = 1 WHERE email = 'off@example.org'", vec![])
        .await
        .unwrap();
    assert_eq!(word(&house.login(MINE, "Wrong-Word-1").await), "wrong");
    assert_eq!(word(&house.login(MINE, GOOD).await), "not activated");
    assert_eq!(word(&house.login("off@example.org", "Wrong-Word-1").await), "wrong");
    assert_eq!(word(&house.login("off@example.org", GOOD).await), "deactivated");
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE outcome = 'failure'").await, 4);
    assert_eq!(house.count("SELECT count(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn l_17_a_hash_with_old_parameters_is_made_anew_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let now = Timestamp::from_secs(1_800_000_000);
    let hash = |house: &House| {
        let store = house.store.clone();
        async move {
            let rows = store.read("SELECT password_hash FROM accounts", vec![]).await.unwrap();
            rows[0].string(0).unwrap()
        }
    };
    let old = House::at(path.clone(), now, |_| ());
    old.member(MINE).await;
    let before = hash(&old).await;
    assert!(before.contains("$m=8,t=1,p=1$"), "{before}");
    drop(old);
    let new = House::at(path, now, |s| s.password.argon2.memory_kib = 16);
    new.login(MINE, GOOD).await.unwrap();
    let after = hash(&new).await;
    assert!(after.contains("$m=16,t=1,p=1$"), "{after}");
    new.login(MINE, GOOD).await.unwrap();
    assert_eq!(hash(&new).await, after);
}

#[tokio::test]
async fn t_11_the_oldest_session_ends_when_there_are_too_many() {
    let house = House::with(|s| s.session.max_per_account = 3);
    house.member(MINE).await;
    let mut all = Vec::new();
    for _ in 0..10 {
        all.push(house.login(MINE, GOOD).await.unwrap());
        house.clock.advance(secs(1));
    }
    assert_eq!(house.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 3);
    for (n, signed_in) in all.iter().enumerate() {
        let revoked = house.revocations.is_revoked(signed_in.session, signed_in.user.id, house.clock.now());
        assert_eq!(revoked, n < 7, "{n}");
        assert_eq!(house.refresh(&signed_in.refresh).await.is_ok(), n >= 7, "{n}");
    }
    house.clock.advance(secs(86_401));
    assert_eq!(house.accounts.purge_sessions().await.unwrap(), 7, "rows are bounded as well");
    house.clock.advance(secs(1800));
    assert_eq!(house.accounts.purge_sessions().await.unwrap(), 3, "the others have run out");
}

#[tokio::test]
async fn old_attempts_leave() {
    let house = House::new();
    house.login(MINE, "Wrong-Word-1").await.unwrap_err();
    house.clock.advance(secs(100));
    assert_eq!(house.accounts.purge_attempts(secs(100)).await.unwrap(), 0);
    assert_eq!(house.accounts.purge_attempts(secs(99)).await.unwrap(), 1);
}
