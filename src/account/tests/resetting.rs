//! A new password by mail.

use super::hands::*;
use super::*;
use crate::account::{NewPassword, Reset};

#[tokio::test]
async fn a_reset_sets_the_password_and_ends_every_session() {
    for with_code in [false, true] {
        let house = House::new();
        house.member(MINE).await;
        let open = [house.login(MINE, GOOD).await.unwrap(), house.login(MINE, GOOD).await.unwrap()];
        let letter = house.ask_reset().await;
        let proof = if with_code { letter.by_code() } else { letter.by_link() };
        house.reset(proof, BETTER).await.unwrap();
        for signed_in in &open {
            assert_eq!(word(&house.refresh(&signed_in.refresh).await), "token", "T-08");
            assert!(house.is_revoked(signed_in), "T-08: access tokens end too");
        }
        assert_eq!(word(&house.login(MINE, GOOD).await), "wrong");
        house.login(MINE, BETTER).await.unwrap();
        assert_eq!(house.mails("reset_done").await.len(), 1);
        assert_eq!(house.audited("password.reset").await, 1);
    }
}

#[tokio::test]
async fn l_02_the_answer_is_the_same_for_known_unknown_and_too_often() {
    let house = House::with(|s| s.rate_limits.password_reset_account.limit = 3);
    house.member(MINE).await;
    house.member("off@example.org").await;
    let off = "UPDATE accounts SET disabled_at = 1 WHERE email = 'off@example.org' RETURNING id";
    house.store.write(off, vec![]).await.unwrap();
    for email in [MINE, "unknown@example.org", "off@example.org"] {
        for n in 0..5 {
            let before = house.count("SELECT count(*) FROM audit").await;
            house.accounts.request_reset(email, &origin()).await.unwrap();
            let after = house.count("SELECT count(*) FROM audit").await;
            assert_eq!(after, before + 1, "{email} {n}: one transaction each time (L-03)");
        }
    }
    assert_eq!(house.resets().await.len(), 3, "three in an hour, and nobody is told");
    assert_eq!(house.mails("reset").await.len(), 3, "J-18: nothing for an account that is switched off");
}

#[tokio::test]
async fn resets_are_limited_by_network() {
    let house = House::with(|s| s.rate_limits.password_reset = Quota { limit: 2, window: secs(3600) });
    for (n, expected) in ["ok", "ok", "limited"].into_iter().enumerate() {
        let result = house.accounts.request_reset(&format!("p{n}@example.org"), &origin()).await;
        assert_eq!(word(&result), expected);
    }
}

#[tokio::test]
async fn r_01_nothing_but_the_accounts_own_live_link_or_code_sets_a_password() {
    let house = House::new();
    house.member(MINE).await;
    house.member("other@example.org").await;
    let mine = house.ask_reset().await;
    house.accounts.request_reset("other@example.org", &origin()).await.unwrap();
    let others = house.letters("reset", "/password-reset/", "other@example.org").await.remove(0);
    let link = |uid: &str, token: &str| Proof::Link { uid: uid.into(), token: Secret::new(token) };
    for proof in [
        link(&mine.uid, &others.token),
        link(&others.uid, &mine.token),
        link(&mine.uid, ""),
        link("", &mine.token),
        link(&mine.uid.to_uppercase(), &mine.token),
        link(&mine.uid, &format!("{}A", mine.token)),
        by_code("other@example.org", &mine.code),
        by_code("unknown@example.org", &mine.code),
        by_code(MINE, mine.wrong_code()),
    ] {
        let shown = format!("{proof:?}");
        let hashes = house.accounts.hasher().completed();
        // Two codes of six digits are the same once in a million runs.
        assert_eq!(word(&house.reset(proof, BETTER).await), "token", "{shown}");
        assert_eq!(house.accounts.hasher().completed(), hashes, "nothing is hashed for {shown}");
    }
    house.login(MINE, GOOD).await.unwrap();
    house.reset(mine.by_link(), BETTER).await.unwrap();
}

#[tokio::test]
async fn r_01_an_activation_link_is_no_reset_link_and_the_other_way_round() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    let (uid, token, code) = house.activations().await.remove(0);
    let activation = Letter { uid, token, code };
    assert_eq!(word(&house.reset(activation.by_link(), BETTER).await), "token");
    let reset = house.ask_reset().await;
    assert_eq!(word(&house.accounts.verify_by_link(&reset.uid, &reset.token, &origin()).await), "token");
}

#[tokio::test]
async fn m_08_a_code_is_six_ascii_digits_and_nothing_else() {
    let house = House::new();
    house.member(MINE).await;
    let letter = house.ask_reset().await;
    let arabic: String =
        letter.code.chars().map(|c| char::from_u32(0x660 + c.to_digit(10).unwrap()).unwrap()).collect();
    for code in
        [format!("{} ", letter.code), format!(" {}", letter.code), arabic, format!("0{}", letter.code)]
    {
        assert_eq!(word(&house.reset(by_code(MINE, &code), BETTER).await), "token", "{code:?}");
    }
    house.reset(letter.by_code(), BETTER).await.unwrap();
}

#[tokio::test]
async fn a_reset_code_can_be_tried_five_times_and_the_link_lives_on() {
    let house = House::new();
    house.member(MINE).await;
    let letter = house.ask_reset().await;
    for _ in 0..5 {
        assert_eq!(word(&house.reset(by_code(MINE, letter.wrong_code()), BETTER).await), "token");
    }
    assert_eq!(word(&house.reset(letter.by_code(), BETTER).await), "token");
    house.reset(letter.by_link(), BETTER).await.unwrap();
}

#[tokio::test]
async fn code_tries_are_limited_alike_for_unknown_addresses() {
    let house = House::with(|s| s.rate_limits.otp = Quota { limit: 2, window: secs(60) });
    house.member(MINE).await;
    house.ask_reset().await;
    for email in [MINE, "unknown@example.org"] {
        let mut words = Vec::new();
        for _ in 0..3 {
            let before = house.count("SELECT count(*) FROM audit").await;
            words.push(word(&house.reset(by_code(email, "12345x"), BETTER).await));
            let written = house.count("SELECT count(*) FROM audit").await - before;
            assert_eq!(written, i64::from(words.last() == Some(&"token")), "L-02: the same work");
        }
        assert_eq!(words, ["token", "token", "limited"], "{email}");
    }
}

#[tokio::test]
async fn links_live_thirty_minutes_and_codes_fifteen() {
    for (wait, link, code) in
        [(899, "ok", "ok"), (900, "ok", "token"), (1799, "ok", "token"), (1800, "token", "token")]
    {
        for with_code in [false, true] {
            let house = House::new();
            house.member(MINE).await;
            let letter = house.ask_reset().await;
            house.clock.advance(secs(wait));
            let (proof, expected) =
                if with_code { (letter.by_code(), code) } else { (letter.by_link(), link) };
            assert_eq!(word(&house.reset(proof, BETTER).await), expected, "{wait} s, code: {with_code}");
        }
    }
}

#[tokio::test]
async fn r_02_a_link_works_once_and_only_the_newest_one_does() {
    let house = House::new();
    house.member(MINE).await;
    let older = house.ask_reset().await;
    let newer = house.ask_reset().await;
    assert_eq!(word(&house.reset(older.by_link(), BETTER).await), "token");
    house.reset(newer.by_link(), BETTER).await.unwrap();
    for proof in [newer.by_link(), newer.by_code(), older.by_link(), older.by_code()] {
        assert_eq!(word(&house.reset(proof, "Third-Word-99").await), "token");
    }
    house.login(MINE, BETTER).await.unwrap();
}

#[tokio::test]
async fn r_02_a_changed_password_ends_the_links_before_it() {
    let house = House::new();
    house.member(MINE).await;
    let letter = house.ask_reset().await;
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    house.accounts.change_password(&me(&house, &signed_in), &change(GOOD, BETTER), &origin()).await.unwrap();
    assert_eq!(word(&house.reset(letter.by_link(), "Third-Word-99").await), "token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r_02_of_fifty_parallel_resets_on_five_nodes_one_succeeds() {
    for with_code in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let path = dir.path().join("db");
        let nodes: Vec<_> = (0..5).map(|_| House::at(path.clone(), now, |_| ())).collect();
        nodes[0].member(MINE).await;
        let letter = nodes[0].ask_reset().await;
        let outcomes = parallel(50, |n| {
            let accounts = Arc::clone(&nodes[n % 5].accounts);
            // The code has five tries in all; each node may use one.
            let proof = if with_code { letter.by_code() } else { letter.by_link() };
            let password = format!("Battery-Staple-{n}");
            async move {
                let reset = Reset { proof, new: twice(&password) };
                accounts.reset_password(reset, &origin()).await.map(|()| password)
            }
        })
        .await;
        let won: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|o| ["ok", "token"].contains(&word(o))), "{outcomes:?}");
        nodes[1].login(MINE, won[0]).await.unwrap();
        assert_eq!(nodes[0].mails("reset_done").await.len(), 1);
    }
}

#[tokio::test]
async fn the_one_validator_applies_and_a_refused_password_uses_nothing_up() {
    let house = House::new();
    house.member(MINE).await;
    let letter = house.ask_reset().await;
    for (password, code) in
        [("short", "too_short"), ("Password1!", "common"), ("Xx-Grace-77", "contains_name"), ("", "required")]
    {
        let codes = broken(house.reset(letter.by_link(), password).await);
        assert!(codes.contains(&format!("new_password:{code}")), "{password}: {codes:?}");
    }
    let differing = NewPassword { password: Secret::new(BETTER), confirm: Secret::new(GOOD) };
    let reset = Reset { proof: letter.by_link(), new: differing };
    assert_eq!(
        broken(house.accounts.reset_password(reset, &origin()).await),
        ["new_password_confirm:mismatch"]
    );
    for _ in 0..9 {
        broken(house.reset(letter.by_code(), "short").await);
    }
    house.reset(letter.by_code(), BETTER).await.unwrap();
}

#[tokio::test]
async fn l_15_nothing_is_hashed_for_an_oversize_new_password() {
    let house = House::new();
    house.member(MINE).await;
    let letter = house.ask_reset().await;
    let hashes = house.accounts.hasher().completed();
    let huge = format!("{GOOD}{}", "x".repeat(300));
    assert_eq!(broken(house.reset(letter.by_link(), &huge).await), ["new_password:too_long"]);
    assert_eq!(house.accounts.hasher().completed(), hashes);
}

#[tokio::test]
async fn a_reset_opens_a_locked_account_and_ends_a_forced_reset() {
    let house = House::new();
    house.member(MINE).await;
    for _ in 0..5 {
        assert_eq!(word(&house.login(MINE, "Wrong-Word-1").await), "wrong");
    }
    assert_eq!(word(&house.login(MINE, GOOD).await), "locked");
    house.store.write("UPDATE accounts SET must_reset = TRUE RETURNING id", vec![]).await.unwrap();
    let letter = house.ask_reset().await;
    house.reset(letter.by_link(), BETTER).await.unwrap();
    house.login(MINE, BETTER).await.unwrap();
}

#[tokio::test]
async fn r_04_a_reset_mail_goes_to_the_stored_address_only() {
    let house = House::new();
    house.member("mike@example.org").await;
    for look_alike in ["m\u{131}ke@example.org", "mike@\u{ff45}xample.org", "mi\u{212a}e@example.org"] {
        assert_eq!(broken(house.accounts.request_reset(look_alike, &origin()).await), ["email:invalid"]);
    }
    house.accounts.request_reset("MIKE@EXAMPLE.ORG", &origin()).await.unwrap();
    let to: Vec<_> = house.mails("reset").await.into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, ["mike@example.org"]);
}

#[tokio::test]
async fn r_09_a_reset_activates_the_owners_password_and_never_the_strangers() {
    let house = House::new();
    house.register(MINE, "Stranger-Danger-71").await.unwrap();
    let stranger = house.activations().await.remove(0);
    let letter = house.ask_reset().await;
    house.reset(letter.by_link(), BETTER).await.unwrap();
    assert_eq!(word(&house.login(MINE, "Stranger-Danger-71").await), "wrong");
    house.login(MINE, BETTER).await.unwrap();
    assert_eq!(word(&house.verify(&stranger).await), "token", "the stranger's link is dead");
    assert_eq!((house.mails("welcome").await.len(), house.audited("account.activated").await), (1, 1));
}

#[tokio::test]
async fn j_18_an_account_that_is_switched_off_or_closed_is_not_reset() {
    for column in ["disabled_at", "delete_at"] {
        let house = House::new();
        house.member(MINE).await;
        let letter = house.ask_reset().await;
        let sql = match column {
            "disabled_at" => "UPDATE accounts SET disabled_at = 1 RETURNING id",
            _ => "UPDATE accounts SET delete_at = 9999999999999 RETURNING id",
        };
        house.store.write(sql, vec![]).await.unwrap();
        assert_eq!(word(&house.reset(letter.by_link(), BETTER).await), "token", "{column}");
        assert_eq!(word(&house.reset(letter.by_code(), BETTER).await), "token", "{column}");
    }
}

#[tokio::test]
async fn m_14_second_factors_stay() {
    let house = House::new();
    house.member(MINE).await;
    let sql = "UPDATE accounts SET email_otp = TRUE RETURNING id";
    house.store.write(sql, vec![]).await.unwrap();
    let sql = "INSERT INTO totp (account_id, sealed_seed, created_at, confirmed_at, last_step)
               SELECT id, '', 1, 1, 0 FROM accounts RETURNING account_id";
    house.store.write(sql, vec![]).await.unwrap();
    let letter = house.ask_reset().await;
    house.reset(letter.by_link(), BETTER).await.unwrap();
    let account = house.store.account_by_email(&crate::model::Email::parse(MINE).unwrap()).await.unwrap();
    let account = account.unwrap();
    assert!(account.email_otp && account.totp);
}

#[tokio::test]
async fn r_03_looking_at_a_reset_link_changes_nothing() {
    let house = House::new();
    house.member(MINE).await;
    let letter = house.ask_reset().await;
    for _ in 0..3 {
        house.accounts.check_reset_link(&letter.uid, &letter.token).await.unwrap();
    }
    assert_eq!(
        house.count("SELECT count(*) FROM codes WHERE consumed_at IS NULL AND tries_left = 5").await,
        1
    );
    house.reset(letter.by_link(), BETTER).await.unwrap();
    assert_eq!(word(&house.accounts.check_reset_link(&letter.uid, &letter.token).await), "token");
}
