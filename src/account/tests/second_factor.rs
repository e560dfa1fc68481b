//! Signing in with a second factor: the challenge, and codes by mail.

use super::second_factor_kit::{another, me, with};
use super::*;

#[tokio::test]
async fn m_01_a_right_password_alone_opens_nothing() {
    let house = House::new();
    let owner = house.with_mail().await;
    let attempts = "SELECT count(*) FROM attempts";
    let (sessions, before) =
        (house.count("SELECT count(*) FROM sessions").await, house.count(attempts).await);
    let challenge = house.begin().await;
    assert_eq!(challenge.methods, [Method::Email]);
    assert_eq!(challenge.expires_in, secs(600));
    assert_eq!(house.count("SELECT count(*) FROM sessions").await, sessions, "no session yet");
    assert_eq!(house.count(attempts).await, before + 1, "the owner sees that the password is known");
    let won = "SELECT count(*) FROM attempts WHERE outcome = 'challenge' AND reason = 'second_factor_due'";
    assert_eq!(house.count(won).await, 1);
    // The token is no refresh token, ends no session, and is not kept as it is.
    assert_eq!(word(&house.refresh(&challenge.token).await), "token");
    let out = Logout { session: None, refresh: Some(challenge.token.clone()), all: true };
    house.accounts.logout(out, &origin()).await.unwrap();
    house.refresh(&owner.refresh).await.unwrap();
    let kept = house.store.read("SELECT token_hash FROM challenges", vec![]).await.unwrap();
    assert_ne!(kept[0].blob(0).unwrap(), challenge.token.expose().as_bytes());
    // The right code opens a session that says how.
    let signed_in = house.finish(&challenge, &house.mailed_code().await).await.unwrap();
    assert_eq!(me(&signed_in).amr, ["pwd", "otp", "mfa"]);
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE reason = 'email'").await, 1);
}

#[tokio::test]
async fn t_12_a_challenge_works_once() {
    let house = House::new();
    house.with_mail().await;
    let challenge = house.begin().await;
    let code = house.mailed_code().await;
    house.finish(&challenge, &code).await.unwrap();
    assert_eq!(word(&house.finish(&challenge, &code).await), "challenge");
    assert_eq!(word(&house.accounts.resend_otp(&challenge.token, None, &origin()).await), "challenge");
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE reason = 'wrong_code'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_12_one_of_fifty_parallel_uses_of_a_challenge_succeeds_on_several_nodes() {
    let nodes = nodes(4);
    nodes[0].with_mail().await;
    let challenge = nodes[0].begin().await;
    let code = nodes[0].mailed_code().await;
    let outcomes = parallel(50, |n| {
        let accounts = Arc::clone(&nodes[n % nodes.len()].accounts);
        let finish = with(&challenge, &code, None);
        async move { word(&accounts.verify_otp(finish, &origin()).await) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|w| **w == "ok").count(), 1, "{outcomes:?}");
}

/// Several gateways over one store.
pub(super) fn nodes(n: usize) -> Vec<House> {
    let store = Store::scratch();
    let wide = |s: &mut Settings| {
        s.lockout.failures = 10_000;
        s.second_factor.tries = 10_000;
    };
    (0..n).map(|_| House::over(store.clone(), Timestamp::from_secs(1_800_000_000), wide)).collect()
}

#[tokio::test]
async fn m_04_wrong_codes_lock_over_challenges_networks_and_new_sign_ins() {
    let house = House::new();
    house.with_mail().await;
    let mut outcomes = Vec::new();
    for n in 0..40 {
        // Each time the right password again: it forgives nothing.
        let origin = from(&format!("198.51.100.{n}"));
        let outcome = match house.begin_as(false, &origin).await {
            Ok(challenge) => {
                let wrong = another(&house.mailed_code().await);
                word(&house.accounts.verify_otp(with(&challenge, &wrong, None), &origin).await)
            }
            Err(Error::Locked) => "locked",
            Err(other) => panic!("{other:?}"),
        };
        outcomes.push(outcome);
    }
    assert_eq!(outcomes[..5], ["wrong code"; 5]);
    assert_eq!(outcomes[5..], ["locked"; 35]);
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE reason = 'wrong_code'").await, 5);
    assert_eq!(house.mails("locked").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m_04_of_a_hundred_parallel_codes_five_are_compared() {
    // Without the lock, so that it is the challenge that counts.
    let house = House::with(|s| s.lockout.failures = 10_000);
    house.with_mail().await;
    let challenge = house.begin().await;
    let right = house.mailed_code().await;
    let wrong = another(&right);
    let outcomes = parallel(100, |_| {
        let accounts = Arc::clone(&house.accounts);
        let finish = with(&challenge, &wrong, None);
        async move { word(&accounts.verify_otp(finish, &origin()).await) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|w| **w == "wrong code").count(), 5);
    assert_eq!(outcomes.iter().filter(|w| **w == "challenge").count(), 95);
    assert_eq!(word(&house.finish(&challenge, &right).await), "challenge", "not even the right one");
}

#[tokio::test]
async fn m_04_codes_are_limited_for_each_account() {
    let house = House::with(|s| {
        s.lockout.failures = 10_000;
        s.second_factor.tries = 10_000;
        s.rate_limits.otp = Quota { limit: 5, window: secs(600) };
    });
    house.with_mail().await;
    for n in 0..7 {
        let challenge = house.begin().await;
        let wrong = another(&house.mailed_code().await);
        assert_eq!(
            word(&house.finish(&challenge, &wrong).await),
            if n < 5 { "wrong code" } else { "limited" }
        );
    }
}

#[tokio::test]
async fn m_04_a_right_password_does_not_forgive_and_a_whole_sign_in_does() {
    let house = House::new();
    house.with_mail().await;
    let failures = "SELECT COALESCE(max(failures), 0) FROM lockouts";
    for _ in 0..4 {
        assert_eq!(word(&house.accounts.login(guess("Wrong-Word-1"), &origin()).await), "wrong");
    }
    let challenge = house.begin().await;
    assert_eq!(house.count(failures).await, 4);
    house.finish(&challenge, &house.mailed_code().await).await.unwrap();
    assert_eq!(house.count(failures).await, 0);
}

fn guess(password: &str) -> Login {
    Login { email: MINE.into(), password: Secret::new(password), keep: false, browser: false }
}

#[tokio::test]
async fn l_08_the_lock_holds_for_codes_too() {
    let house = House::new();
    house.with_mail().await;
    let challenge = house.begin().await;
    let code = house.mailed_code().await;
    for _ in 0..5 {
        assert_eq!(word(&house.accounts.login(guess("Wrong-Word-1"), &origin()).await), "wrong");
    }
    assert_eq!(word(&house.finish(&challenge, &code).await), "locked");
    assert_eq!(word(&house.finish(&challenge, &another(&code)).await), "locked", "right and wrong alike");
    house.clock.advance(secs(900));
    let challenge = house.begin().await;
    house.finish(&challenge, &house.mailed_code().await).await.unwrap();
}

#[tokio::test]
async fn l_18_a_challenge_belongs_to_the_browser_that_began_it() {
    let house = House::new();
    let owner = house.with_mail().await;
    let planted = house.begin_as(true, &origin()).await.unwrap();
    let challenge = house.begin_as(true, &origin()).await.unwrap();
    let code = house.mailed_code().await;
    for browser in [None, planted.browser.clone(), Some(challenge.token.clone()), Some(Secret::new("x"))] {
        let finish = Finish { browser, ..with(&challenge, &code, None) };
        assert_eq!(word(&house.accounts.verify_otp(finish, &origin()).await), "challenge");
        let resent = house.accounts.resend_otp(&challenge.token, planted.browser.as_ref(), &origin()).await;
        assert_eq!(word(&resent), "challenge");
    }
    let signed_in = house.finish(&challenge, &code).await.unwrap();
    assert_ne!(signed_in.session, owner.session, "a session of its own");
}

#[tokio::test]
async fn m_08_a_code_is_six_ascii_digits() {
    let house = House::with(|s| {
        s.lockout.failures = 10_000;
        s.second_factor.tries = 10_000;
    });
    house.with_mail().await;
    let challenge = house.begin().await;
    let code = house.mailed_code().await;
    let arabic: String =
        code.chars().map(|c| char::from_u32(u32::from(c) - u32::from('0') + 0x660).unwrap()).collect();
    let bent = [
        format!("{code} "),
        format!(" {code}"),
        format!("0{code}"),
        format!("{code}0"),
        format!("+{}", &code[1..]),
        code[..5].to_owned(),
        format!("{}-{}", &code[..3], &code[3..]),
        format!("{code}\0"),
        arabic,
        "1e5".into(),
        "000000".into(),
        String::new(),
    ];
    for bad in bent.iter().filter(|bad| **bad != code) {
        assert_eq!(word(&house.finish(&challenge, bad).await), "wrong code", "{bad:?}");
    }
    house.finish(&challenge, &code).await.unwrap();
}

#[tokio::test]
async fn m_09_a_code_fits_its_own_challenge_only() {
    let house = House::with(|s| s.rate_limits.resend.limit = 10);
    let owner = house.with_mail().await;
    let one = house.begin().await;
    let first = house.mailed_code().await;
    let two = house.begin().await;
    let second = house.mailed_code().await;
    assert_ne!(first, second, "drawn anew; equal once in a million");
    assert_eq!(word(&house.finish(&two, &first).await), "wrong code");
    // Neither for a step-up, nor the other way round.
    let owner = me(&owner);
    let by_mail = |code: &str| Elevate::Code(Secret::new(code), Some(Method::Email));
    assert_eq!(word(&house.accounts.elevate(&owner, by_mail(&first), &origin()).await), "wrong code");
    house.accounts.mail_elevation_code(&owner, &origin()).await.unwrap();
    let third = house.mailed_code().await;
    assert_eq!(word(&house.finish(&one, &third).await), "wrong code");
    assert_eq!(word(&house.accounts.verify_by_code(MINE, &second, &origin()).await), "token");
    house.finish(&one, &first).await.unwrap();
    house.finish(&two, &second).await.unwrap();
    house.accounts.elevate(&owner, by_mail(&third), &origin()).await.unwrap();
}

#[tokio::test]
async fn m_09_a_code_in_the_row_of_another_challenge_is_worth_nothing() {
    let house = House::new();
    house.with_mail().await;
    house.begin().await;
    let first = house.mailed_code().await;
    house.clock.advance(secs(1));
    let two = house.begin().await;
    let theft = "UPDATE challenges SET code_mac = (SELECT c.code_mac FROM challenges c ORDER BY c.created_at LIMIT 1)";
    house.store.write(theft, vec![]).await.unwrap();
    assert_eq!(word(&house.finish(&two, &first).await), "wrong code");
}

#[tokio::test]
async fn m_10_a_code_lives_ten_minutes_and_only_the_newest_counts() {
    let house = House::new();
    house.with_mail().await;
    let challenge = house.begin().await;
    let code = house.mailed_code().await;
    house.clock.advance(secs(600));
    assert_eq!(word(&house.finish(&challenge, &code).await), "challenge");
    let challenge = house.begin().await;
    let first = house.mailed_code().await;
    house.clock.advance(secs(599));
    house.accounts.resend_otp(&challenge.token, None, &origin()).await.unwrap();
    let second = house.mailed_code().await;
    assert_ne!(first, second);
    assert_eq!(word(&house.finish(&challenge, &first).await), "wrong code");
    // It lives its ten minutes, and the challenge with it.
    house.clock.advance(secs(599));
    house.finish(&challenge, &second).await.unwrap();
}

#[tokio::test]
async fn m_14_another_password_ends_a_challenge_and_leaves_the_factor() {
    let house = House::new();
    house.with_mail().await;
    let challenge = house.begin().await;
    let code = house.mailed_code().await;
    let hash = house.accounts.hasher().hash(&Secret::new("Another-Word-8")).await.unwrap();
    let sql = "UPDATE accounts SET password_hash = $1";
    house.store.write(sql, vec![hash.expose().into()]).await.unwrap();
    assert_eq!(word(&house.finish(&challenge, &code).await), "challenge");
    let answer = house.accounts.login(guess("Another-Word-8"), &origin()).await.unwrap();
    assert!(matches!(answer, SignIn::Challenge(_)), "the factor is asked for all the same");
}

#[tokio::test]
async fn a_challenge_ends_with_the_account() {
    let house = House::new();
    house.with_mail().await;
    let challenge = house.begin().await;
    let code = house.mailed_code().await;
    house.store.write("UPDATE accounts SET disabled_at = 1", vec![]).await.unwrap();
    assert_eq!(word(&house.finish(&challenge, &code).await), "challenge");
    house.store.write("UPDATE accounts SET disabled_at = NULL, must_reset = TRUE", vec![]).await.unwrap();
    assert_eq!(word(&house.finish(&challenge, &code).await), "challenge");
    assert_eq!(house.count("SELECT count(*) FROM sessions WHERE amr <> 'pwd'").await, 0);
}

#[tokio::test]
async fn m_15_codes_are_mailed_once_a_minute_and_fifty_times_a_day() {
    let house = House::new();
    house.with_mail().await;
    let challenge = house.begin().await;
    let resend = async || word(&house.accounts.resend_otp(&challenge.token, None, &origin()).await);
    for _ in 0..100 {
        assert_eq!(resend().await, "limited", "the sign-in has just sent one");
    }
    let mut sent = 1;
    for _ in 0..100 {
        house.clock.advance(secs(60));
        match resend().await {
            "ok" => sent += 1,
            "limited" => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(sent, 50);
    assert_eq!(house.mails("otp").await.len(), 50);
    assert_eq!(word(&house.begin_as(false, &origin()).await), "ok", "other factors go on");
    assert_eq!(house.mails("otp").await.len(), 50, "nor by signing in again");
}

#[tokio::test]
async fn a_role_can_ask_for_a_second_factor() {
    let house = House::with(|s| {
        s.second_factor.required_roles = vec![RoleName::parse("participant").unwrap()];
    });
    house.member(MINE).await;
    assert_eq!(house.begin().await.methods, [Method::Email]);
    let signed_in = house.sign_in_by_mail().await;
    // Somebody who got the role later, with an older session, is asked as well.
    let older = Me { amr: vec!["pwd".into()], ..me(&signed_in) };
    let refused = house.accounts.set_email_otp(&older, true, &origin()).await;
    assert_eq!(word(&refused), "elevate with a second factor");
    house.accounts.set_email_otp(&me(&signed_in), true, &origin()).await.unwrap();
    house.accounts.set_email_otp(&me(&signed_in), false, &origin()).await.unwrap();
    assert_eq!(house.begin().await.methods, [Method::Email], "whatever the switch says");
}

#[tokio::test]
async fn m_03_switching_a_factor_ends_the_other_sessions_and_tells_the_owner() {
    let house = House::new();
    house.member(MINE).await;
    let (mine, other) = (house.login(MINE, GOOD).await.unwrap(), house.login(MINE, GOOD).await.unwrap());
    house.accounts.set_email_otp(&me(&mine), true, &origin()).await.unwrap();
    assert!(house.accounts.email_otp(&me(&mine)).await.unwrap());
    house.refresh(&mine.refresh).await.unwrap();
    assert_eq!(word(&house.refresh(&other.refresh).await), "token");
    assert!(house.revocations.is_revoked(other.session, other.user.id, house.now()), "at the gate too");
    assert_eq!(house.mails("factor_changed").await.len(), 1);
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'factor.email_on'").await, 1);
    let off = house.accounts.set_email_otp(&me(&mine), false, &origin()).await;
    assert_eq!(word(&off), "elevate with a second factor");
}

#[tokio::test]
async fn r_09_factors_from_before_the_proof_of_the_address_are_wiped() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    for sql in [
        "UPDATE accounts SET email_otp = TRUE",
        "INSERT INTO totp (account_id, sealed_seed, created_at, confirmed_at, last_step)
         SELECT id, '\\x00', 1, 1, 0 FROM accounts",
        "INSERT INTO recovery_codes (id, account_id, code_mac, created_at) SELECT 'r', id, '\\x00', 1 FROM accounts",
    ] {
        house.store.write(sql, vec![]).await.unwrap();
    }
    house.verify(&house.activations().await[0]).await.unwrap();
    house.login(MINE, GOOD).await.unwrap();
    assert_eq!(house.count("SELECT count(*) FROM totp").await, 0);
    assert_eq!(house.count("SELECT count(*) FROM recovery_codes").await, 0);
}

#[tokio::test]
async fn what_waited_in_vain_is_removed() {
    let house = House::new();
    house.with_mail().await;
    house.begin().await;
    let begun = house.clock.now();
    assert_eq!(house.store.purge_challenges(begun, 10).await.unwrap(), 0);
    assert_eq!(house.store.purge_challenges(begun.after(secs(601)), 10).await.unwrap(), 1);
}
