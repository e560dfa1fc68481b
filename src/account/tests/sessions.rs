//! One's own sessions.

use super::*;

fn me(signed_in: &SignedIn) -> Me {
    Me {
        account: signed_in.user.id,
        session: signed_in.session,
        auth_time: Timestamp::from_secs(1_800_000_000),
        amr: vec!["pwd".into()],
    }
}

fn is_revoked(house: &House, signed_in: &SignedIn) -> bool {
    house.revocations.is_revoked(signed_in.session, signed_in.user.id, house.clock.now())
}

#[tokio::test]
async fn open_sessions_are_listed_and_each_can_be_ended() {
    let house = House::new();
    house.member(MINE).await;
    let mut mine = Vec::new();
    for n in 1..4 {
        house.clock.advance(secs(1));
        mine.push(house.login_from(MINE, GOOD, &from(&format!("192.0.2.{n}"))).await.unwrap());
    }
    let asking = me(&mine[2]);
    let listed = house.accounts.sessions(&asking).await.unwrap();
    assert_eq!(
        listed.iter().map(|s| s.ip.as_str()).collect::<Vec<_>>(),
        ["192.0.2.3", "192.0.2.2", "192.0.2.1"]
    );
    assert_eq!(listed.iter().map(|s| s.current).collect::<Vec<_>>(), [true, false, false]);
    let newest = &listed[0];
    assert_eq!(
        (newest.idle_expires_at, newest.expires_at),
        (house.clock.now().after(secs(1800)), house.clock.now().after(secs(30 * 86_400)))
    );
    assert_eq!(newest.amr, ["pwd"]);
    house.accounts.end_one_session(&asking, mine[1].session, &origin()).await.unwrap();
    assert!(is_revoked(&house, &mine[1]) && !is_revoked(&house, &mine[0]));
    assert_eq!(word(&house.refresh(&mine[1].refresh).await), "token");
    assert_eq!(word(&house.accounts.session(&asking, mine[1].session).await), "not found");
    assert_eq!(word(&house.accounts.end_one_session(&asking, mine[1].session, &origin()).await), "not found");
    house.accounts.end_one_session(&asking, asking.session, &origin()).await.unwrap();
    assert_eq!(word(&house.accounts.sessions(&asking).await), "sign in first");
    house.clock.advance(secs(1800));
    let again = house.login(MINE, GOOD).await.unwrap();
    assert_eq!(house.accounts.sessions(&me(&again)).await.unwrap().len(), 1, "who ran out is not listed");
}

#[tokio::test]
async fn t_08_ending_all_others_keeps_the_one_that_asks() {
    let house = House::new();
    house.member(MINE).await;
    house.member("eve@example.org").await;
    let eve = house.login("eve@example.org", GOOD).await.unwrap();
    let mut mine = Vec::new();
    for _ in 0..4 {
        mine.push(house.login(MINE, GOOD).await.unwrap());
    }
    house.accounts.end_other_sessions(&me(&mine[1]), &origin()).await.unwrap();
    for (n, session) in mine.iter().enumerate() {
        assert_eq!(is_revoked(&house, session), n != 1, "{n}");
        assert_eq!(house.refresh(&session.refresh).await.is_ok(), n == 1, "{n}");
    }
    assert!(!is_revoked(&house, &eve));
    assert_eq!(
        house.store.live_revocations(house.clock.now()).await.unwrap().len(),
        3,
        "durable, for other nodes"
    );
}

#[tokio::test]
async fn t_14_sessions_of_others_do_not_exist() {
    let house = House::new();
    house.member(MINE).await;
    house.member("eve@example.org").await;
    let mine = house.login(MINE, GOOD).await.unwrap();
    let eve = house.login("eve@example.org", GOOD).await.unwrap();
    let asking = me(&eve);
    assert_eq!(word(&house.accounts.session(&asking, mine.session).await), "not found");
    assert_eq!(word(&house.accounts.end_one_session(&asking, mine.session, &origin()).await), "not found");
    let nobody = crate::model::SessionId::from_bytes([3; 16]);
    assert_eq!(word(&house.accounts.session(&asking, nobody).await), "not found");
    // A token that says another account than its session belongs to: no such session.
    let mixed = Me { account: mine.user.id, ..me(&eve) };
    assert_eq!(word(&house.accounts.sessions(&mixed).await), "sign in first");
    house.refresh(&mine.refresh).await.unwrap();
}

#[tokio::test]
async fn t_08_a_session_that_was_opened_meanwhile_ends_with_the_others() {
    let house = House::new();
    let id = house.member(MINE).await;
    house.login(MINE, GOOD).await.unwrap();
    let mut tx = crate::store::Tx::new();
    let ending = house.accounts.end_sessions_within(&mut tx, id, None, "reset");
    let late = house.login(MINE, GOOD).await.unwrap();
    house.accounts.commit_ending(tx, ending).await.unwrap().unwrap();
    assert_eq!(word(&house.refresh(&late.refresh).await), "token");
    assert_eq!(house.store.live_revocations(house.clock.now()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn t_15_a_node_two_minutes_ahead_neither_revives_nor_ends_sessions() {
    let a = House::new();
    let b = House::over(a.store.clone(), a.clock.now().after(secs(120)), |_| ());
    a.member(MINE).await;
    let first = a.login(MINE, GOOD).await.unwrap();
    let second = b.refresh(&first.refresh).await.unwrap();
    a.refresh(&second.refresh).await.unwrap();
    let ended = b.login(MINE, GOOD).await.unwrap();
    b.accounts.end_one_session(&me(&ended), ended.session, &origin()).await.unwrap();
    assert_eq!(word(&a.refresh(&ended.refresh).await), "token", "ended ahead is ended behind");
    for _ in 0..5 {
        assert_eq!(word(&b.login(MINE, "Wrong-Word-1").await), "wrong");
    }
    assert_eq!(word(&a.login(MINE, GOOD).await), "locked");
    b.clock.advance(secs(900));
    b.login(MINE, GOOD).await.unwrap();
}
