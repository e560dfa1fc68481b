//! Proving again who one is.

use super::second_factor_kit::{another, me, me_of};
use super::*;

fn password(text: &str) -> Elevate {
    Elevate::Password(Secret::new(text))
}

async fn elevate(house: &House, me: &Me, proof: Elevate) -> Result<Elevated, Error> {
    house.accounts.elevate(me, proof, &origin()).await
}

#[tokio::test]
async fn m_03_a_session_without_the_factor_changes_nothing() {
    let house = House::new();
    let weak = me(&house.with_mail().await);
    let accounts = &house.accounts;
    let refused = [
        word(&accounts.set_email_otp(&weak, false, &origin()).await),
        word(&accounts.enrol_totp(&weak, &origin()).await),
        word(&accounts.confirm_totp(&weak, &Secret::new("123456"), &origin()).await),
        word(&accounts.remove_totp(&weak, &origin()).await),
        word(&accounts.renew_recovery_codes(&weak, &origin()).await),
        word(&elevate(&house, &weak, password(GOOD)).await),
    ];
    assert_eq!(refused, ["elevate with a second factor"; 6]);
    assert!(house.accounts.email_otp(&weak).await.unwrap());
}

#[tokio::test]
async fn m_03_a_proof_counts_for_ten_minutes() {
    let house = House::new();
    house.with_mail().await;
    let strong = me(&house.sign_in_by_mail().await);
    house.clock.advance(secs(600));
    assert_eq!(word(&house.accounts.set_email_otp(&strong, false, &origin()).await), "elevate");
    // The session has seen the factor: the password is enough now.
    let fresh = me_of(&elevate(&house, &strong, password(GOOD)).await.unwrap().access);
    assert_eq!((fresh.session, fresh.auth_time), (strong.session, house.now()));
    assert_eq!(fresh.amr, ["pwd", "otp", "mfa"]);
    house.accounts.set_email_otp(&fresh, false, &origin()).await.unwrap();
}

#[tokio::test]
async fn m_16_a_session_from_before_the_factor_stays_weak_until_it_steps_up() {
    let house = House::new();
    let old = house.with_mail().await;
    let renewed = house.refresh(&old.refresh).await.unwrap();
    assert_eq!(me(&renewed).amr, ["pwd"], "a refresh proves nothing");
    let life = house.accounts.mail_elevation_code(&me(&renewed), &origin()).await.unwrap();
    assert_eq!(life, secs(600));
    house.clock.advance(secs(20));
    let code = Elevate::Code(Secret::new(house.mailed_code().await), None);
    let elevated = elevate(&house, &me(&renewed), code).await.unwrap();
    let strong = me_of(&elevated.access);
    assert_eq!(strong.amr, ["pwd", "otp", "mfa"]);
    assert_eq!(strong.session, old.session);
    // So it stays, and the refresh does not make the proof any fresher.
    house.clock.advance(secs(60));
    let again = me(&house.refresh(&renewed.refresh).await.unwrap());
    assert_eq!((again.amr, again.auth_time), (strong.amr, strong.auth_time));
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'session.elevated'").await, 1);
}

#[tokio::test]
async fn m_16_a_mailed_code_is_for_one_session_once_and_the_newest() {
    let house = House::with(|s| s.rate_limits.resend.limit = 10);
    let first = me(&house.with_mail().await);
    let second = me(&house.sign_in_by_mail().await);
    let by_mail = |code: &str| Elevate::Code(Secret::new(code), Some(Method::Email));
    house.accounts.mail_elevation_code(&first, &origin()).await.unwrap();
    let old = house.mailed_code().await;
    assert_eq!(word(&elevate(&house, &second, by_mail(&old)).await), "wrong code", "of another session");
    house.accounts.mail_elevation_code(&first, &origin()).await.unwrap();
    let new = house.mailed_code().await;
    assert_ne!(old, new);
    assert_eq!(word(&elevate(&house, &first, by_mail(&old)).await), "wrong code", "replaced");
    elevate(&house, &first, by_mail(&new)).await.unwrap();
    assert_eq!(word(&elevate(&house, &first, by_mail(&new)).await), "wrong code", "used");
    house.accounts.mail_elevation_code(&first, &origin()).await.unwrap();
    house.clock.advance(secs(600));
    let late = house.mailed_code().await;
    assert_eq!(word(&elevate(&house, &first, by_mail(&late)).await), "wrong code", "too late");
}

#[tokio::test]
async fn an_app_or_a_recovery_code_elevates_and_is_used_up() {
    let house = House::new();
    let (app, codes, owner) = house.with_app().await;
    let owner = me(&owner);
    let by_app = || Elevate::Code(Secret::new(app.code(house.now())), None);
    elevate(&house, &owner, by_app()).await.unwrap();
    assert_eq!(word(&elevate(&house, &owner, by_app()).await), "wrong code");
    let by_paper = || Elevate::Code(codes[3].clone(), Some(Method::Recovery));
    elevate(&house, &owner, by_paper()).await.unwrap();
    assert_eq!(word(&elevate(&house, &owner, by_paper()).await), "wrong code");
    assert_eq!(house.accounts.recovery_codes_left(&owner).await.unwrap(), 9);
    assert_eq!(word(&house.accounts.mail_elevation_code(&owner, &origin()).await), "conflict");
}

#[tokio::test]
async fn failures_lock_the_session_that_made_them_and_nobody_else() {
    let house = House::new();
    house.member(MINE).await;
    let (one, two) = (house.login(MINE, GOOD).await.unwrap(), house.login(MINE, GOOD).await.unwrap());
    for _ in 0..5 {
        assert_eq!(word(&elevate(&house, &me(&one), password("Wrong-Word-1")).await), "wrong");
    }
    assert_eq!(word(&elevate(&house, &me(&one), password(GOOD)).await), "locked");
    elevate(&house, &me(&two), password(GOOD)).await.unwrap();
    house.login(MINE, GOOD).await.unwrap();
    house.clock.advance(secs(900));
    elevate(&house, &me(&one), password(GOOD)).await.unwrap();
}

#[tokio::test]
async fn m_04_codes_for_a_step_up_lock_as_well() {
    let house = House::new();
    let weak = me(&house.with_mail().await);
    house.accounts.mail_elevation_code(&weak, &origin()).await.unwrap();
    let right = house.mailed_code().await;
    let by_mail = |code: String| Elevate::Code(Secret::new(code), Some(Method::Email));
    for _ in 0..5 {
        assert_eq!(word(&elevate(&house, &weak, by_mail(another(&right))).await), "wrong code");
    }
    assert_eq!(word(&elevate(&house, &weak, by_mail(right)).await), "locked");
    assert_eq!(word(&house.accounts.mail_elevation_code(&weak, &origin()).await), "locked");
}

#[tokio::test]
async fn only_an_open_session_is_elevated() {
    let house = House::new();
    house.member(MINE).await;
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    let gone = me(&signed_in);
    let out = Logout { session: Some((gone.account, gone.session)), refresh: None, all: false };
    house.accounts.logout(out, &origin()).await.unwrap();
    assert_eq!(word(&elevate(&house, &gone, password(GOOD)).await), "sign in first");
    let open = me(&house.login(MINE, GOOD).await.unwrap());
    let foreign = Me { account: house.member("eve@example.org").await, ..open };
    assert_eq!(word(&elevate(&house, &foreign, password(GOOD)).await), "sign in first");
}

#[tokio::test]
async fn m_04_a_new_sign_in_buys_no_more_guesses_at_a_step_up() {
    let house = House::new();
    let weak = me(&house.with_mail().await);
    let guess = || Elevate::Code(Secret::new("000000"), Some(Method::Email));
    house.accounts.mail_elevation_code(&weak, &origin()).await.unwrap();
    for _ in 0..4 {
        assert_eq!(word(&elevate(&house, &weak, guess()).await), "wrong code");
    }
    // Another session of the same account, opened with the whole proof, has what is left of the same five.
    let again = me(&house.sign_in_by_mail().await);
    assert_eq!(word(&elevate(&house, &again, guess()).await), "wrong code");
    assert_eq!(word(&elevate(&house, &again, guess()).await), "locked");
    assert_eq!(word(&elevate(&house, &weak, guess()).await), "locked");
}

#[tokio::test]
async fn l_08_the_link_of_a_lock_opens_step_up_codes_as_well() {
    let house = House::new();
    let weak = me(&house.with_mail().await);
    house.accounts.mail_elevation_code(&weak, &origin()).await.unwrap();
    let guess = || Elevate::Code(Secret::new("000000"), Some(Method::Email));
    for _ in 0..5 {
        assert_eq!(word(&elevate(&house, &weak, guess()).await), "wrong code");
    }
    assert_eq!(word(&elevate(&house, &weak, guess()).await), "locked");
    let sql = "SELECT body_text FROM outbox WHERE kind = 'locked'";
    let text = house.store.read(sql, vec![]).await.unwrap()[0].string(0).unwrap();
    let link = text.split("/unlock/").nth(1).unwrap();
    let (uid, rest) = link.split_once('/').unwrap();
    let token = rest.split('/').next().unwrap();
    house.accounts.unlock(uid, token, &origin()).await.unwrap();
    assert_eq!(word(&elevate(&house, &weak, guess()).await), "wrong code");
}
