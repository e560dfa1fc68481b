//! Codes from an app.

use super::second_factor::nodes;
use super::second_factor_kit::{App, another, me, with};
use super::*;

#[tokio::test]
async fn an_app_is_set_up_and_asked_for() {
    let house = House::new();
    house.member(MINE).await;
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    let owner = me(&signed_in);
    let enrolment = house.accounts.enrol_totp(&owner, &origin()).await.unwrap();
    let secret = enrolment.secret.expose();
    assert_eq!(secret.len(), 32);
    assert_eq!(
        enrolment.uri.expose(),
        format!(
            "otpauth://totp/Stagedoor:ada%40example%2Eorg?secret={secret}&issuer=Stagedoor&algorithm=SHA1&digits=6&period=30"
        )
    );
    let svg = enrolment.qr_svg.expose();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>") && svg.len() > 1000, "{svg}");
    assert!(!house.accounts.totp(&owner).await.unwrap(), "not before its first code");
    house.login(MINE, GOOD).await.unwrap();
    let app = App::new(&enrolment.secret);
    let wrong = Secret::new(another(&app.code(house.now())));
    assert_eq!(broken(house.accounts.confirm_totp(&owner, &wrong, &origin()).await), ["code:wrong"]);
    let right = Secret::new(app.code(house.now()));
    assert_eq!(house.accounts.confirm_totp(&owner, &right, &origin()).await.unwrap().len(), 10);
    assert!(house.accounts.totp(&owner).await.unwrap());
    assert_eq!(house.mails("factor_changed").await.len(), 1);
    let challenge = house.begin().await;
    assert_eq!(challenge.methods, [Method::Totp, Method::Recovery]);
    house.accounts.resend_otp(&challenge.token, None, &origin()).await.unwrap();
    assert_eq!(house.mails("otp").await.len(), 0, "no mail to people who do not take codes by mail");
    let by_mail = house.finish_by(&challenge, "123456", Method::Email).await;
    assert_eq!(word(&by_mail), "conflict");
    house.clock.advance(secs(30));
    let signed_in = house.finish(&challenge, &app.code(house.now())).await.unwrap();
    assert_eq!(me(&signed_in).amr, ["pwd", "otp", "mfa"]);
    assert_eq!(house.count("SELECT count(*) FROM attempts WHERE reason = 'totp'").await, 1);
}

#[tokio::test]
async fn a_mail_goes_to_people_with_an_app_only_on_request() {
    let house = House::new();
    let (_, _, first) = house.with_app().await;
    let strong = Me { amr: vec!["mfa".into()], auth_time: house.now(), ..me(&first) };
    house.accounts.set_email_otp(&strong, true, &origin()).await.unwrap();
    let challenge = house.begin().await;
    assert_eq!(challenge.methods, [Method::Totp, Method::Email, Method::Recovery]);
    assert_eq!(house.mails("otp").await.len(), 0);
    house.accounts.resend_otp(&challenge.token, None, &origin()).await.unwrap();
    let code = house.mailed_code().await;
    assert_eq!(
        word(&house.finish(&challenge, &code).await),
        "wrong code",
        "an app's code is the first choice"
    );
    house.finish_by(&challenge, &code, Method::Email).await.unwrap();
}

#[tokio::test]
async fn m_05_a_step_is_used_once_and_never_one_before_it() {
    let house = House::new();
    let (app, _, _) = house.with_app().await;
    let (before, code) = (app.code(house.now().before(secs(30))), app.code(house.now()));
    house.finish(&house.begin().await, &code).await.unwrap();
    assert_eq!(word(&house.finish(&house.begin().await, &code).await), "wrong code");
    assert_eq!(word(&house.finish(&house.begin().await, &before).await), "wrong code", "an older one");
    house.clock.advance(secs(30));
    assert_eq!(word(&house.finish(&house.begin().await, &code).await), "wrong code", "a step later");
    house.finish(&house.begin().await, &app.code(house.now())).await.unwrap();
}

#[tokio::test]
async fn m_05_the_first_code_is_used_up_too() {
    let house = House::new();
    house.member(MINE).await;
    let (app, _) = house.set_up(&me(&house.login(MINE, GOOD).await.unwrap())).await;
    assert_eq!(word(&house.finish(&house.begin().await, &app.code(house.now())).await), "wrong code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m_05_one_of_fifty_parallel_uses_of_a_code_succeeds_on_several_nodes() {
    let nodes = nodes(5);
    let (app, _, _) = nodes[0].with_app().await;
    for node in &nodes[1..] {
        node.clock.advance(secs(60));
    }
    let mut challenges = Vec::new();
    for _ in 0..50 {
        challenges.push(nodes[0].begin().await);
    }
    let code = app.code(nodes[0].now());
    let outcomes = parallel(50, |n| {
        let accounts = Arc::clone(&nodes[n % nodes.len()].accounts);
        let finish = with(&challenges[n], &code, Some(Method::Totp));
        async move { word(&accounts.verify_otp(finish, &origin()).await) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|w| **w == "ok").count(), 1, "{outcomes:?}");
    assert_eq!(nodes[0].count("SELECT count(*) FROM sessions WHERE amr <> 'pwd'").await, 1);
}

#[tokio::test]
async fn m_06_the_running_step_counts_and_the_one_before() {
    for (offset, expected) in
        [(-60, "wrong code"), (-30, "ok"), (0, "ok"), (30, "wrong code"), (60, "wrong code")]
    {
        let house = House::new();
        let (app, _, _) = house.with_app().await;
        house.clock.advance(secs(600));
        let at = Timestamp::from_secs(house.now().secs() + offset);
        assert_eq!(word(&house.finish(&house.begin().await, &app.code(at)).await), expected, "{offset} s");
    }
}

#[test]
fn m_07_codes_are_compared_in_constant_time() {
    // Time cannot be measured reliably here. What can be held: every comparison of something secret goes through the
    // one function, or through `check` of totp-rs, which is constant-time since 1.1 (RUSTSEC-2022-0018).
    for (file, text) in [
        ("factor.rs", include_str!("../factor.rs")),
        ("recovery.rs", include_str!("../recovery.rs")),
        ("challenge.rs", include_str!("../challenge.rs")),
        ("totp.rs", include_str!("../totp.rs")),
    ] {
        let secret = |l: &&str| ["mac", "code", "hash", "seed"].iter().any(|word| l.contains(word));
        let compares =
            |l: &&str| (l.contains(" == ") || l.contains(" != ")) && !l.trim_start().starts_with("//");
        let found: Vec<_> = text.lines().filter(secret).filter(compares).collect();
        assert!(found.is_empty(), "{file}: {found:?}");
        assert!(text.contains("constant_time_eq(") || text.contains("app.check("), "{file}");
    }
}

#[tokio::test]
async fn m_08_codes_of_an_app_are_six_ascii_digits() {
    let house = House::with(|s| {
        s.lockout.failures = 10_000;
        s.second_factor.tries = 10_000;
    });
    let (app, _, _) = house.with_app().await;
    let challenge = house.begin().await;
    let code = app.code(house.now());
    let wide: String = code.chars().map(|c| char::from_u32(u32::from(c) - 0x30 + 0xff10).unwrap()).collect();
    for bad in [format!("{code} "), format!("0{code}"), format!("+{code}"), format!("+{}", &code[1..]), wide]
    {
        assert_eq!(word(&house.finish(&challenge, &bad).await), "wrong code", "{bad:?}");
    }
    house.finish(&challenge, &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m_12_parallel_enrolments_leave_one_secret() {
    let house = House::new();
    house.member(MINE).await;
    let owner = me(&house.login(MINE, GOOD).await.unwrap());
    let enrolments = parallel(8, |_| {
        let (accounts, owner) = (Arc::clone(&house.accounts), owner.clone());
        async move { accounts.enrol_totp(&owner, &origin()).await.unwrap().secret }
    })
    .await;
    assert_eq!(house.count("SELECT count(*) FROM totp").await, 1);
    let mut confirmed = 0;
    for secret in &enrolments {
        let code = Secret::new(App::new(secret).code(house.now()));
        // The session is one with a single factor: after the first success it has to step up.
        match word(&house.accounts.confirm_totp(&owner, &code, &origin()).await) {
            "ok" => confirmed += 1,
            other => assert!(["invalid", "elevate with a second factor"].contains(&other), "{other}"),
        }
    }
    assert_eq!(confirmed, 1);
}

#[tokio::test]
async fn m_12_a_restart_replaces_the_seed_and_a_confirmed_one_stays() {
    let house = House::new();
    house.member(MINE).await;
    let owner = me(&house.login(MINE, GOOD).await.unwrap());
    let nothing = house.accounts.confirm_totp(&owner, &Secret::new("123456"), &origin()).await;
    assert_eq!(word(&nothing), "conflict");
    let first = house.accounts.enrol_totp(&owner, &origin()).await.unwrap();
    let second = house.accounts.enrol_totp(&owner, &origin()).await.unwrap();
    let code = |e: &Enrolment| Secret::new(App::new(&e.secret).code(house.now()));
    assert_eq!(broken(house.accounts.confirm_totp(&owner, &code(&first), &origin()).await), ["code:wrong"]);
    house.accounts.confirm_totp(&owner, &code(&second), &origin()).await.unwrap();
    let strong = Me { amr: vec!["mfa".into()], ..owner };
    assert_eq!(word(&house.accounts.enrol_totp(&strong, &origin()).await), "conflict");
    house.clock.advance(secs(30));
    house.finish(&house.begin().await, code(&second).expose()).await.unwrap();
}

#[tokio::test]
async fn m_12_setting_up_asks_for_a_fresh_proof() {
    let house = House::new();
    house.member(MINE).await;
    let owner = me(&house.login(MINE, GOOD).await.unwrap());
    house.clock.advance(secs(600));
    assert_eq!(word(&house.accounts.enrol_totp(&owner, &origin()).await), "elevate");
}

#[tokio::test]
async fn m_13_a_seed_is_sealed_for_its_account() {
    let house = House::with(|s| s.lockout.failures = 10_000);
    let (app, _, _) = house.with_app().await;
    house.member("eve@example.org").await;
    let eve = house.login("eve@example.org", GOOD).await.unwrap();
    house.set_up(&me(&eve)).await;
    house.clock.advance(secs(60));
    let kept = house.store.read("SELECT sealed_seed FROM totp", vec![]).await.unwrap();
    for row in &kept {
        let sealed = row.blob(0).unwrap();
        assert!(!sealed.windows(app.0.len()).any(|part| part == app.0), "the seed is readable");
    }
    // Whoever can write to the database puts the own seed into another's row.
    let theft = "UPDATE totp SET sealed_seed = (SELECT sealed_seed FROM totp t WHERE t.account_id = $1)";
    house.store.write(theft, vec![eve.user.id.into()]).await.unwrap();
    let challenge = house.begin().await;
    let outcome = house.finish(&challenge, &app.code(house.now())).await;
    assert_eq!(word(&outcome), "unavailable");
}

#[tokio::test]
async fn m_03_removing_the_last_factor_removes_the_recovery_codes() {
    let house = House::new();
    let (_, codes, first) = house.with_app().await;
    assert_eq!(
        word(&house.accounts.remove_totp(&me(&first), &origin()).await),
        "elevate with a second factor"
    );
    let strong = Me { amr: vec!["mfa".into()], ..me(&first) };
    let other = house.finish_by(&house.begin().await, codes[0].expose(), Method::Recovery).await.unwrap();
    house.accounts.set_email_otp(&strong, true, &origin()).await.unwrap();
    assert_eq!(word(&house.refresh(&other.refresh).await), "token", "every other session ends");
    let left = "SELECT count(*) FROM recovery_codes";
    house.accounts.remove_totp(&strong, &origin()).await.unwrap();
    assert_eq!(house.count(left).await, 10, "codes by mail are left");
    assert_eq!(word(&house.accounts.remove_totp(&strong, &origin()).await), "not found");
    house.accounts.set_email_otp(&strong, false, &origin()).await.unwrap();
    assert_eq!(house.count(left).await, 0);
    house.login(MINE, GOOD).await.unwrap();
}
