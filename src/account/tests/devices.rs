//! Devices: knowing them again, telling of new ones, trusting them.

use super::*;

/// The same browser, with the cookie it was given.
fn with(device: Option<&Secret>) -> Origin {
    Origin { device: device.cloned(), ..origin() }
}

fn me(signed_in: &SignedIn) -> Me {
    Me {
        account: signed_in.user.id,
        session: signed_in.session,
        auth_time: Timestamp::from_secs(1_800_000_000),
        amr: vec!["pwd".into()],
    }
}

/// `uid` and `token` of each link "this was not me", oldest first.
async fn links(house: &House) -> Vec<(String, String)> {
    let mails = house.mails("new_device").await;
    let read = |text: &str| {
        let link = text.split_whitespace().find(|w| w.contains("/not-me/")).unwrap();
        let mut parts = link.trim_end_matches('/').rsplit('/');
        let (token, uid) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
        assert_eq!(link, format!("https://gate.example/auth/not-me/{uid}/{token}/"));
        (uid, token)
    };
    mails.iter().map(|(_, text)| read(text)).collect()
}

#[tokio::test]
async fn l_09_strangers_cannot_lock_a_known_device_out() {
    let house = House::new();
    house.member(MINE).await;
    let first = house.login(MINE, GOOD).await.unwrap();
    let mine = with(first.device.as_ref());
    // Locked again each time it opens, for more than a day.
    for lock in [15, 30, 60, 120, 240, 480, 960, 1440] {
        for _ in 0..5 {
            assert_eq!(word(&house.login_from(MINE, "Wrong-Word-1", &from("192.0.2.66")).await), "wrong");
        }
        assert_eq!(word(&house.login_from(MINE, GOOD, &from("192.0.2.66")).await), "locked");
        house.login_from(MINE, GOOD, &mine).await.unwrap();
        if lock == 15 {
            house.refresh(&first.refresh).await.unwrap();
        }
        house.clock.advance(secs(lock * 60));
    }
    for _ in 0..5 {
        assert_eq!(word(&house.login_from(MINE, "Wrong-Word-1", &from("192.0.2.66")).await), "wrong");
    }
    let theirs = house.member("eve@example.org").await;
    let eve = house.login("eve@example.org", GOOD).await.unwrap();
    assert_eq!(eve.user.id, theirs);
    let known_elsewhere = with(eve.device.as_ref());
    assert_eq!(
        word(&house.login_from(MINE, GOOD, &known_elsewhere).await),
        "locked",
        "a device of another account"
    );
}

#[tokio::test]
async fn l_09_a_device_has_a_counter_of_its_own_and_its_lock_is_told() {
    let house = House::new();
    house.member(MINE).await;
    let first = house.login(MINE, GOOD).await.unwrap();
    let mine = with(first.device.as_ref());
    for _ in 0..5 {
        assert_eq!(word(&house.login_from(MINE, "Wrong-Word-1", &mine).await), "wrong");
    }
    assert_eq!(word(&house.login_from(MINE, GOOD, &mine).await), "locked");
    assert_eq!(house.mails("locked").await.len(), 1);
    house.login(MINE, GOOD).await.unwrap();
}

#[tokio::test]
async fn a_sign_in_on_a_new_device_is_told_and_the_first_one_of_an_account_is_not() {
    let house = House::new();
    house.member(MINE).await;
    house.member("eve@example.org").await;
    let first = house.login(MINE, GOOD).await.unwrap();
    let cookie = first.device.expect("a cookie to keep");
    assert!(house.mails("new_device").await.is_empty());
    let again = house.login_from(MINE, GOOD, &with(Some(&cookie))).await.unwrap();
    assert!(again.device.is_none(), "it has one");
    assert!(house.mails("new_device").await.is_empty());
    let eve = house.login("eve@example.org", GOOD).await.unwrap().device.unwrap();
    let shared = house.login_from(MINE, GOOD, &with(Some(&eve))).await.unwrap();
    assert!(shared.device.is_none());
    assert_eq!(house.mails("new_device").await.len(), 1, "known to another account only");
    let mut bent = cookie.expose().to_owned();
    let end = if bent.ends_with('A') { "Q" } else { "A" };
    bent.replace_range(bent.len() - 1.., end);
    for forged in [bent.as_str(), "", "AAAA", &format!("{}=", cookie.expose())] {
        let answer = house.login_from(MINE, GOOD, &with(Some(&Secret::new(forged)))).await.unwrap();
        assert!(answer.device.is_some(), "{forged}");
    }
    let mails = house.mails("new_device").await;
    assert_eq!(mails.len(), 5);
    assert!(mails.iter().all(|(to, text)| to == MINE && text.contains("203.0.113.7")));
}

#[tokio::test]
async fn programs_without_a_cookie_jar_neither_flood_the_owner_nor_the_store() {
    let house = House::new();
    house.member(MINE).await;
    let cookie = house.login(MINE, GOOD).await.unwrap().device.unwrap();
    house.clock.advance(secs(1));
    house.login_from(MINE, GOOD, &with(Some(&cookie))).await.unwrap();
    for _ in 0..60 {
        house.clock.advance(secs(1));
        house.login(MINE, GOOD).await.unwrap();
    }
    assert_eq!(house.mails("new_device").await.len(), 5, "five an hour");
    assert_eq!(house.count("SELECT count(*) FROM devices").await, 50);
    assert!(house.login_from(MINE, GOOD, &with(Some(&cookie))).await.unwrap().device.is_none());
    assert_eq!(house.mails("new_device").await.len(), 5, "who comes back is not pushed out");
    house.clock.advance(secs(3600));
    house.login(MINE, GOOD).await.unwrap();
    assert_eq!(house.mails("new_device").await.len(), 6);
}

#[tokio::test]
async fn t_08_not_me_ends_every_session_forgets_the_devices_and_forces_a_reset() {
    let house = House::new();
    let id = house.member(MINE).await;
    let mine = house.login(MINE, GOOD).await.unwrap();
    let known = with(mine.device.as_ref());
    let thief = house.login_from(MINE, GOOD, &from("192.0.2.66")).await.unwrap();
    let second = house.login_from(MINE, GOOD, &from("192.0.2.67")).await.unwrap();
    let all = links(&house).await;
    assert_eq!(all.len(), 2);
    let (uid, token) = &all[0];
    house.accounts.check_not_me(uid, token).await.unwrap();
    house.refresh(&thief.refresh).await.unwrap_or_else(|e| panic!("looking changes nothing: {e}"));
    house.accounts.not_me(uid, token, &origin()).await.unwrap();
    for session in [&mine, &thief, &second] {
        assert_eq!(word(&house.refresh(&session.refresh).await), "token");
        assert!(house.revocations.is_revoked(session.session, id, house.clock.now()));
    }
    assert_eq!(house.count("SELECT count(*) FROM devices").await, 0);
    assert_eq!(word(&house.login_from(MINE, GOOD, &known).await), "reset required");
    assert_eq!(word(&house.login(MINE, "Wrong-Word-1").await), "wrong", "only a right password learns it");
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'account.not_me'").await, 1);
}

#[tokio::test]
async fn t_12_each_link_of_several_counts_and_none_counts_twice() {
    let house = House::new();
    house.member(MINE).await;
    house.login(MINE, GOOD).await.unwrap();
    for ip in ["192.0.2.66", "192.0.2.67"] {
        house.login_from(MINE, GOOD, &from(ip)).await.unwrap();
    }
    let all = links(&house).await;
    for (uid, token) in &all {
        house.accounts.check_not_me(uid, token).await.unwrap();
        assert_eq!(word(&house.accounts.check_unlock(uid, token).await), "token", "of another purpose");
    }
    let (uid, token) = all[1].clone();
    let outcomes = parallel(10, |_| {
        let (accounts, uid, token) = (Arc::clone(&house.accounts), uid.clone(), token.clone());
        async move { word(&accounts.not_me(&uid, &token, &origin()).await) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|w| **w == "ok").count(), 1, "{outcomes:?}");
    assert_eq!(word(&house.accounts.not_me(&uid, &token, &origin()).await), "token");
    for (uid, token) in [(uid.as_str(), ""), ("nobody", &token), (&uid, "AAAA"), ("", "")] {
        assert_eq!(word(&house.accounts.not_me(uid, token, &origin()).await), "token");
    }
}

#[tokio::test]
async fn the_link_not_me_lives_for_a_week() {
    let house = House::new();
    house.member(MINE).await;
    house.login(MINE, GOOD).await.unwrap();
    house.login(MINE, GOOD).await.unwrap();
    let (uid, token) = links(&house).await.remove(0);
    house.clock.advance(secs(7 * 86_400 - 1));
    house.accounts.check_not_me(&uid, &token).await.unwrap();
    house.clock.advance(secs(1));
    assert_eq!(word(&house.accounts.not_me(&uid, &token, &origin()).await), "token");
}

#[tokio::test]
async fn a_trusted_device_is_trusted_by_its_account_for_a_month_or_until_it_is_forgotten() {
    let house = House::new();
    house.member(MINE).await;
    house.member("eve@example.org").await;
    let mut first = house.login(MINE, GOOD).await.unwrap();
    let mine = with(first.device.as_ref());
    let account = |email: &str| {
        let (store, email) = (house.store.clone(), crate::model::Email::parse(email).unwrap());
        async move { store.account_by_email(&email).await.unwrap().unwrap() }
    };
    let (me_row, eve_row) = (account(MINE).await, account("eve@example.org").await);
    assert!(!house.accounts.trusted_device(&me_row, &mine).await.unwrap());
    let copied = mine;
    house.accounts.trust_device(&mut first, &copied).await;
    let mine = with(first.device.as_ref());
    assert!(!house.accounts.trusted_device(&me_row, &copied).await.unwrap(), "nor a copy made before");
    assert!(house.accounts.trusted_device(&me_row, &mine).await.unwrap());
    assert!(!house.accounts.trusted_device(&eve_row, &mine).await.unwrap(), "of one account only");
    assert!(!house.accounts.trusted_device(&me_row, &origin()).await.unwrap(), "no cookie");
    let listed = house.accounts.devices(&me(&first)).await.unwrap();
    assert!(listed.len() == 1 && listed[0].current && listed[0].trusted_until.is_some());
    house.login_from(MINE, GOOD, &mine).await.unwrap();
    assert!(house.accounts.trusted_device(&me_row, &mine).await.unwrap(), "a sign-in does not end it");
    house.clock.advance(secs(30 * 86_400));
    assert!(!house.accounts.trusted_device(&me_row, &mine).await.unwrap());
    let mut second = house.login_from(MINE, GOOD, &mine).await.unwrap();
    house.accounts.trust_device(&mut second, &mine).await;
    let mine = with(second.device.as_ref());
    assert!(house.accounts.trusted_device(&me_row, &mine).await.unwrap());
    let listed = house.accounts.devices(&me(&second)).await.unwrap();
    house.accounts.forget_one_device(&me(&second), listed[0].id, &origin()).await.unwrap();
    assert!(!house.accounts.trusted_device(&me_row, &mine).await.unwrap());
    house.refresh(&second.refresh).await.unwrap();
    house.accounts.trust_device(&mut second, &mine).await;
    assert!(
        !house.accounts.trusted_device(&me_row, &mine).await.unwrap(),
        "a forgotten device stays forgotten"
    );
}

#[tokio::test]
async fn t_14_devices_of_others_do_not_exist() {
    let house = House::new();
    house.member(MINE).await;
    house.member("eve@example.org").await;
    let mine = me(&house.login(MINE, GOOD).await.unwrap());
    let eve = me(&house.login("eve@example.org", GOOD).await.unwrap());
    let device = house.accounts.devices(&mine).await.unwrap()[0].id;
    assert_eq!(word(&house.accounts.forget_one_device(&eve, device, &origin()).await), "not found");
    house.accounts.forget_all_devices(&eve, &origin()).await.unwrap();
    assert_eq!(house.accounts.devices(&mine).await.unwrap().len(), 1);
    assert!(house.accounts.devices(&eve).await.unwrap().is_empty());
}

#[tokio::test]
async fn devices_that_are_left_alone_leave() {
    let house = House::new();
    house.member(MINE).await;
    house.login(MINE, GOOD).await.unwrap();
    let seen = house.clock.now();
    assert_eq!(house.store.purge_devices(seen, 10).await.unwrap(), 0);
    assert_eq!(house.store.purge_devices(seen.after(secs(1)), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn l_09_strangers_do_not_use_up_the_tries_of_a_known_device() {
    let house = House::with(|s| s.rate_limits.login = Quota { limit: 5, window: secs(60) });
    house.member(MINE).await;
    let mine = with(house.login(MINE, GOOD).await.unwrap().device.as_ref());
    for n in 0..6 {
        let stranger = from(&format!("198.51.100.{n}"));
        let said = word(&house.login_from(MINE, "Wrong-Word-1", &stranger).await);
        assert!(["wrong", "locked", "limited"].contains(&said), "{said}");
    }
    assert_eq!(word(&house.login_from(MINE, GOOD, &from("198.51.100.77")).await), "limited");
    house.login_from(MINE, GOOD, &mine).await.unwrap();
}
