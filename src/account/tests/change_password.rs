//! Another password for somebody who is signed in.

use super::hands::*;
use super::*;

#[tokio::test]
async fn t_08_every_other_session_ends_and_this_one_lives() {
    let house = House::new();
    house.member(MINE).await;
    let (mine, other) = (house.login(MINE, GOOD).await.unwrap(), house.login(MINE, GOOD).await.unwrap());
    house.accounts.change_password(&me(&house, &mine), &change(GOOD, BETTER), &origin()).await.unwrap();
    assert!(house.is_revoked(&other) && !house.is_revoked(&mine));
    assert_eq!(word(&house.refresh(&other.refresh).await), "token");
    house.refresh(&mine.refresh).await.unwrap();
    assert_eq!(word(&house.login(MINE, GOOD).await), "wrong");
    house.login(MINE, BETTER).await.unwrap();
    assert_eq!(house.mails("password_changed").await[0].0, MINE);
    assert_eq!(house.audited("password.changed").await, 1);
}

#[tokio::test]
async fn every_broken_rule_is_named() {
    let house = House::new();
    house.member(MINE).await;
    let me = me(&house, &house.login(MINE, GOOD).await.unwrap());
    let hashes = house.accounts.hasher().completed();
    for (current, new, expected) in [
        ("", BETTER, "current_password:required"),
        (GOOD, GOOD, "new_password:unchanged"),
        (GOOD, "\u{ff23}orrect-Horse-7", "new_password:unchanged"),
        (GOOD, "short", "new_password:too_short"),
        (GOOD, "Xx-Grace-77", "new_password:contains_name"),
        (GOOD, "Password1!", "new_password:common"),
    ] {
        let codes = broken(house.accounts.change_password(&me, &change(current, new), &origin()).await);
        assert!(codes.contains(&expected.to_owned()), "{new}: {codes:?}");
    }
    assert_eq!(house.accounts.hasher().completed(), hashes, "no rule costs a hash");
    let result = house.accounts.change_password(&me, &change("Wrong-Word-1", BETTER), &origin()).await;
    assert_eq!(broken(result), ["current_password:wrong"]);
    house.login(MINE, GOOD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_06_a_stolen_session_gets_five_guesses_and_locks_nobody_else_out() {
    let house = House::new();
    house.member(MINE).await;
    let stolen = me(&house, &house.login(MINE, GOOD).await.unwrap());
    let hashes = house.accounts.hasher().completed();
    let words = parallel(40, |n| {
        let (accounts, stolen) = (Arc::clone(&house.accounts), stolen.clone());
        async move {
            let guess = change(&format!("Wrong-Word-{n}"), BETTER);
            word(&accounts.change_password(&stolen, &guess, &origin()).await)
        }
    })
    .await;
    assert_eq!(words.iter().filter(|w| **w == "invalid").count(), 5, "{words:?}");
    assert_eq!(words.iter().filter(|w| **w == "locked").count(), 35, "{words:?}");
    assert_eq!(house.accounts.hasher().completed(), hashes + 5);
    let result = house.accounts.change_password(&stolen, &change(GOOD, BETTER), &origin()).await;
    assert_eq!(word(&result), "locked", "also for the right one");
    house.login(MINE, GOOD).await.expect("L-09: the owner is not locked out");
    house.clock.advance(secs(900));
    house.accounts.change_password(&stolen, &change(GOOD, BETTER), &origin()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_changes_at_once_on_two_nodes_one_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::from_secs(1_800_000_000);
    let path = dir.path().join("db");
    let nodes: Vec<_> = (0..2).map(|_| House::at(path.clone(), now, |_| ())).collect();
    nodes[0].member(MINE).await;
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(me(&nodes[0], &nodes[0].login(MINE, GOOD).await.unwrap()));
    }
    let words = parallel(10, |n| {
        let (accounts, me) = (Arc::clone(&nodes[n % 2].accounts), sessions[n].clone());
        async move {
            let change = change(GOOD, &format!("Battery-Staple-{n}"));
            word(&accounts.change_password(&me, &change, &origin()).await)
        }
    })
    .await;
    assert_eq!(words.iter().filter(|w| **w == "ok").count(), 1, "{words:?}");
    assert_eq!(nodes[0].mails("password_changed").await.len(), 1);
    assert_eq!(nodes[0].count("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 1);
}

#[tokio::test]
async fn a_dead_session_changes_nothing() {
    let house = House::new();
    house.member(MINE).await;
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    let me = me(&house, &signed_in);
    let out = Logout { refresh: Some(signed_in.refresh.clone()), ..Logout::default() };
    house.accounts.logout(out, &origin()).await.unwrap();
    let result = house.accounts.change_password(&me, &change(GOOD, BETTER), &origin()).await;
    assert_eq!(word(&result), "sign in first");
}
