//! One's own history.

use super::*;

async fn page(house: &House, me: &Me, cursor: Option<&Cursor>, limit: u32) -> Page<Activity> {
    house.accounts.activity(me, cursor, limit).await.unwrap()
}

#[tokio::test]
async fn the_history_is_complete_in_order_and_one_s_own() {
    let house = House::with(|s| s.lockout.failures = 100);
    house.member(MINE).await;
    house.member("eve@example.org").await;
    house.login("eve@example.org", GOOD).await.unwrap();
    for n in 0..24 {
        // Several within one millisecond: the identifier decides between them.
        house.clock.advance(secs(u64::from(n % 8 == 0)));
        let from = from(&format!("192.0.2.{n}"));
        assert_eq!(word(&house.login_from(MINE, "Wrong-Word-1", &from).await), "wrong");
    }
    house.clock.advance(secs(1));
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    let me = Me {
        account: signed_in.user.id,
        session: signed_in.session,
        auth_time: house.clock.now(),
        amr: vec!["pwd".into()],
    };
    let first = page(&house, &me, None, 10).await;
    assert_eq!((first.items[0].outcome.as_str(), first.items[0].reason.as_str()), ("success", "password"));
    // What comes meanwhile moves no page.
    house.login(MINE, "Wrong-Word-1").await.unwrap_err();
    let second = page(&house, &me, first.next.as_ref(), 10).await;
    let third = page(&house, &me, second.next.as_ref(), 10).await;
    assert_eq!((first.items.len(), second.items.len(), third.items.len(), third.next), (10, 10, 5, None));
    let all: Vec<_> = [first.items, second.items, third.items].concat();
    assert!(all.windows(2).all(|pair| pair[0].at >= pair[1].at));
    let mut addresses: Vec<_> = all.iter().map(|a| a.ip.as_str()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 25, "none twice, none missing, none of others");
    assert_eq!(page(&house, &me, None, 100).await.items.len(), 26);
}
