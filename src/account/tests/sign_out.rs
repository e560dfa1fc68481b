//! Signing out.

use super::*;

async fn logout(house: &House, what: Logout) {
    house.accounts.logout(what, &origin()).await.unwrap();
}

fn by_refresh(signed_in: &SignedIn) -> Logout {
    Logout { refresh: Some(signed_in.refresh.clone()), ..Logout::default() }
}

fn by_access(signed_in: &SignedIn) -> Logout {
    Logout { session: Some((signed_in.user.id, signed_in.session)), ..Logout::default() }
}

fn is_revoked(house: &House, signed_in: &SignedIn) -> bool {
    house.revocations.is_revoked(signed_in.session, signed_in.user.id, house.clock.now())
}

#[tokio::test]
async fn t_09_logout_is_idempotent_and_never_an_oracle() {
    let house = House::new();
    house.member(MINE).await;
    house.member("eve@example.org").await;
    let mine = house.login(MINE, GOOD).await.unwrap();
    let eves = house.login("eve@example.org", GOOD).await.unwrap();
    logout(&house, Logout::default()).await;
    for junk in ["", "sdr_", "sdr_AAAA", "nonsense", &"A".repeat(90)] {
        logout(&house, Logout { refresh: Some(Secret::new(junk)), ..Logout::default() }).await;
    }
    // A foreign refresh token beside one's own access token ends one's own session only.
    logout(&house, Logout { refresh: Some(mine.refresh.clone()), ..by_access(&eves) }).await;
    assert!(is_revoked(&house, &eves) && !is_revoked(&house, &mine));
    logout(&house, by_refresh(&eves)).await;
    logout(&house, by_access(&eves)).await;
    assert_eq!(word(&house.refresh(&eves.refresh).await), "token");
    house.refresh(&mine.refresh).await.unwrap();
}

#[tokio::test]
async fn t_09_each_credential_ends_its_session_for_good() {
    let house = House::new();
    house.member(MINE).await;
    for with in [by_refresh, by_access] {
        let one = house.login(MINE, GOOD).await.unwrap();
        let other = house.login(MINE, GOOD).await.unwrap();
        logout(&house, with(&one)).await;
        assert_eq!(word(&house.refresh(&one.refresh).await), "token");
        assert!(is_revoked(&house, &one) && !is_revoked(&house, &other));
        house.refresh(&other.refresh).await.unwrap();
    }
    assert_eq!(house.store.live_revocations(house.clock.now()).await.unwrap().len(), 2);
    assert!(house.mails("refresh_reused").await.is_empty(), "a token of an ended session is no theft");
    house.clock.advance(ACCESS_TTL + secs(60));
    assert!(house.store.live_revocations(house.clock.now()).await.unwrap().is_empty());
}

/// A token of a session that is over names nothing; the refresh token beside it does, if it is the same person's.
#[tokio::test]
async fn t_09_an_access_token_of_an_ended_session_is_in_nobodys_way() {
    let house = House::new();
    house.member(MINE).await;
    house.member("eve@example.org").await;
    let over = house.login(MINE, GOOD).await.unwrap();
    logout(&house, by_access(&over)).await;
    for (email, ends) in [(MINE, true), ("eve@example.org", false)] {
        let other = house.login(email, GOOD).await.unwrap();
        logout(&house, Logout { refresh: Some(other.refresh.clone()), ..by_access(&over) }).await;
        assert_eq!(is_revoked(&house, &other), ends, "{email}");
        assert_eq!(house.refresh(&other.refresh).await.is_err(), ends, "{email}");
    }
}

#[tokio::test]
async fn a_replaced_refresh_token_still_signs_out() {
    let house = House::new();
    house.member(MINE).await;
    let first = house.login(MINE, GOOD).await.unwrap();
    let second = house.refresh(&first.refresh).await.unwrap();
    logout(&house, by_refresh(&first)).await;
    assert_eq!(word(&house.refresh(&second.refresh).await), "token");
}

#[tokio::test]
async fn everywhere_means_every_session_of_this_account() {
    let house = House::new();
    house.member(MINE).await;
    house.member("eve@example.org").await;
    let eves = house.login("eve@example.org", GOOD).await.unwrap();
    let mut mine = Vec::new();
    for _ in 0..3 {
        mine.push(house.login(MINE, GOOD).await.unwrap());
    }
    logout(&house, Logout { all: true, ..by_refresh(&mine[1]) }).await;
    for signed_in in &mine {
        assert!(is_revoked(&house, signed_in));
        assert_eq!(word(&house.refresh(&signed_in.refresh).await), "token");
    }
    assert!(!is_revoked(&house, &eves));
    let again = house.login(MINE, GOOD).await.unwrap();
    assert!(!is_revoked(&house, &again), "a sign-in in the same moment lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_10_nothing_live_remains_after_a_logout_that_races_a_refresh() {
    let house = House::with(|s| s.session.max_per_account = 1000);
    house.member(MINE).await;
    for _ in 0..100 {
        let signed_in = house.login(MINE, GOOD).await.unwrap();
        let pair = parallel(2, |n| {
            let (accounts, what, token) =
                (Arc::clone(&house.accounts), by_refresh(&signed_in), signed_in.refresh.clone());
            async move {
                if n == 0 {
                    accounts.logout(what, &origin()).await.unwrap();
                    None
                } else {
                    accounts.refresh(&token, &origin()).await.ok()
                }
            }
        })
        .await;
        assert!(is_revoked(&house, &signed_in));
        for token in pair.iter().flatten().map(|s| &s.refresh).chain([&signed_in.refresh]) {
            assert_eq!(word(&house.refresh(token).await), "token");
        }
    }
    assert_eq!(house.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 0);
}
