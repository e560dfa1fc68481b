//! Recovery codes.

use super::second_factor::nodes;
use super::second_factor_kit::{me, with};
use super::*;

#[tokio::test]
async fn m_11_a_code_works_once_however_it_is_typed() {
    let house = House::new();
    let (_, codes, owner) = house.with_app().await;
    let owner = me(&owner);
    let form = |code: &Secret| {
        let groups: Vec<_> = code.expose().split('-').map(str::len).collect();
        groups == [4, 4, 4, 4]
    };
    assert!(codes.len() == 10 && codes.iter().all(form), "ten codes in four groups");
    let use_up = async |code: &str| house.finish_by(&house.begin().await, code, Method::Recovery).await;
    use_up(codes[0].expose()).await.unwrap();
    assert_eq!(word(&use_up(codes[0].expose()).await), "wrong code");
    let typed = codes[1].expose().replace('-', "").to_uppercase().replace('0', "O").replace('1', "I");
    use_up(&typed).await.unwrap();
    use_up(&format!(" {}", codes[2].expose().replace('-', " "))).await.unwrap();
    assert_eq!(house.accounts.recovery_codes_left(&owner).await.unwrap(), 7);
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE reason = 'recovery'").await, 3);
    let told = house.mails("factor_changed").await;
    assert_eq!(told.iter().filter(|(_, text)| text.contains("recovery codes was used")).count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m_11_one_of_fifty_parallel_uses_succeeds_on_several_nodes() {
    let nodes = nodes(5);
    let (_, codes, _) = nodes[0].with_app().await;
    let mut challenges = Vec::new();
    for _ in 0..50 {
        challenges.push(nodes[0].begin().await);
    }
    let outcomes = parallel(50, |n| {
        let accounts = Arc::clone(&nodes[n % nodes.len()].accounts);
        let finish = with(&challenges[n], codes[0].expose(), Some(Method::Recovery));
        async move { word(&accounts.verify_otp(finish, &origin()).await) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|w| **w == "ok").count(), 1, "{outcomes:?}");
}

#[tokio::test]
async fn m_11_guesses_lock_like_wrong_passwords() {
    let house = House::new();
    house.with_app().await;
    for n in 0..7 {
        let outcome = match house.begin_as(false, &origin()).await {
            Ok(challenge) => {
                word(&house.finish_by(&challenge, "0000-0000-0000-0000", Method::Recovery).await)
            }
            Err(e) => word::<()>(&Err(e)),
        };
        assert_eq!(outcome, if n < 5 { "wrong code" } else { "locked" });
    }
}

#[tokio::test]
async fn m_11_a_new_set_ends_the_old_one() {
    let house = House::new();
    let (_, old, owner) = house.with_app().await;
    assert_eq!(
        word(&house.accounts.renew_recovery_codes(&me(&owner), &origin()).await),
        "elevate with a second factor"
    );
    let strong = Me { amr: vec!["mfa".into()], ..me(&owner) };
    let new = house.accounts.renew_recovery_codes(&strong, &origin()).await.unwrap();
    let use_up = async |code: &Secret| {
        word(&house.finish_by(&house.begin().await, code.expose(), Method::Recovery).await)
    };
    assert_eq!(use_up(&old[0]).await, "wrong code");
    assert_eq!(use_up(&new[0]).await, "ok");
}

#[tokio::test]
async fn m_11_codes_are_kept_as_macs_of_their_account() {
    let house = House::new();
    let (_, codes, _) = house.with_app().await;
    house.member("eve@example.org").await;
    let eve = house.login("eve@example.org", GOOD).await.unwrap();
    house.accounts.set_email_otp(&me(&eve), true, &origin()).await.unwrap();
    let rows = house.store.read("SELECT code_mac FROM recovery_codes", vec![]).await.unwrap();
    assert!(rows.iter().all(|row| row.array::<32>(0).is_ok()));
    // In the rows of another account they are worth nothing.
    let theft = "UPDATE recovery_codes SET account_id = $1";
    house.store.write(theft, vec![eve.user.id.into()]).await.unwrap();
    let code = Elevate::Code(codes[0].clone(), Some(Method::Recovery));
    assert_eq!(word(&house.accounts.elevate(&me(&eve), code, &origin()).await), "wrong code");
}

#[tokio::test]
async fn codes_stand_in_for_a_factor_only() {
    let house = House::new();
    house.member(MINE).await;
    let owner = me(&house.login(MINE, GOOD).await.unwrap());
    assert_eq!(word(&house.accounts.renew_recovery_codes(&owner, &origin()).await), "conflict");
    assert_eq!(house.accounts.recovery_codes_left(&owner).await.unwrap(), 0);
    // With codes by mail they are made on request.
    house.accounts.set_email_otp(&owner, true, &origin()).await.unwrap();
    let strong = Me { amr: vec!["mfa".into()], ..owner };
    let codes = house.accounts.renew_recovery_codes(&strong, &origin()).await.unwrap();
    let challenge = house.begin().await;
    assert_eq!(challenge.methods, [Method::Email, Method::Recovery]);
    house.finish_by(&challenge, codes[9].expose(), Method::Recovery).await.unwrap();
}
