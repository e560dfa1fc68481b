//! Registration and the proof of the address.

use super::*;

#[tokio::test]
async fn from_registration_to_the_first_refresh() {
    let house = House::new();
    house.register(" Ada@Example.ORG ", GOOD).await.unwrap();
    assert_eq!(word(&house.login(MINE, GOOD).await), "not activated");
    let mail = house.activations().await.remove(0);
    house.verify(&mail).await.unwrap();
    assert_eq!(house.mails("welcome").await[0].0, MINE);

    let signed_in = house.login(MINE, GOOD).await.unwrap();
    assert_eq!((signed_in.user.email.as_str(), signed_in.user.name.as_str()), (MINE, "Ada Lovelace"));
    assert_eq!(signed_in.user.roles, [RoleName::parse("participant").unwrap()]);
    assert_eq!(signed_in.user.permissions, ["events.view"]);
    assert_eq!(signed_in.expires_in, ACCESS_TTL);
    assert_eq!(house.accounts.user(signed_in.user.id).await.unwrap(), Some(signed_in.user.clone()));
    let refreshed = house.refresh(&signed_in.refresh).await.unwrap();
    assert_eq!(refreshed.session, signed_in.session);
    assert_ne!(refreshed.refresh.expose(), signed_in.refresh.expose());
    assert_eq!(house.count("SELECT count(*) FROM audit").await, 2, "registered, activated");
}

#[tokio::test]
async fn a_form_names_every_broken_rule_at_once() {
    let house = House::new();
    let typed = Register {
        name: "Eve\u{202e}".into(),
        email: "nobody".into(),
        password: Secret::new("short"),
        password_confirm: Secret::new("other"),
        role: Some("admin".into()),
    };
    let all = broken(house.accounts.register(typed, &origin()).await);
    assert_eq!(
        all,
        [
            "name:invalid_character",
            "email:invalid",
            "password:too_short",
            "password:no_upper",
            "password:no_digit",
            "password:no_special",
            "password_confirm:mismatch",
            "role:not_available"
        ]
    );
    assert_eq!(house.accounts.hasher().completed(), 0);
    assert_eq!(house.count("SELECT count(*) FROM outbox").await, 0);
}

#[tokio::test]
async fn names_are_1_to_100_visible_characters() {
    let house = House::new();
    let long = "x".repeat(101);
    for (name, code) in [
        ("", "required"),
        (" \u{200b}", "required"),
        ("a\nb", "invalid_character"),
        ("a\0", "invalid_character"),
        (&long, "too_long"),
    ] {
        let typed = Register { name: name.into(), ..form(MINE, GOOD) };
        assert_eq!(
            broken(house.accounts.register(typed, &origin()).await),
            [format!("name:{code}")],
            "{name:?}"
        );
    }
    let typed = Register { name: "\u{1f3ad} Zoë O'Neill-Ωmega".into(), ..form(MINE, GOOD) };
    house.accounts.register(typed, &origin()).await.unwrap();
}

#[tokio::test]
async fn roles_are_picked_asked_for_or_refused_alike() {
    let house = House::new();
    let open: Vec<_> = house
        .accounts
        .open_roles()
        .iter()
        .map(|r| (r.name.to_string(), r.needs_approval, r.default))
        .collect();
    let expected = [("participant", false, true), ("speaker", false, false), ("organizer", true, false)];
    assert_eq!(open, expected.map(|(name, a, d)| (name.to_owned(), a, d)));
    let sign_up = |email: &str, role: &str| {
        let typed = Register { role: Some(role.into()), ..form(email, GOOD) };
        let accounts = Arc::clone(&house.accounts);
        async move { accounts.register(typed, &origin()).await }
    };
    let (closed, unknown) = (sign_up("a@x.org", "admin").await, sign_up("a@x.org", "emperor").await);
    assert_eq!(format!("{closed:?}"), format!("{unknown:?}"));
    sign_up("b@x.org", "speaker").await.unwrap();
    sign_up("c@x.org", "organizer").await.unwrap();
    let rows = house
        .store
        .read(
            "SELECT a.email, r.role, a.requested_role FROM accounts a JOIN account_roles r ON r.account_id = a.id
             ORDER BY a.email",
            vec![],
        )
        .await
        .unwrap();
    assert_eq!((rows[0].text(1).unwrap(), rows[0].is_null(2).unwrap()), ("speaker", true));
    assert_eq!((rows[1].text(1).unwrap(), rows[1].text(2).unwrap()), ("participant", "organizer"));
}

#[tokio::test]
async fn r_02_fifty_parallel_uses_of_a_link_or_code_succeed_once() {
    for by_code in [false, true] {
        let house = House::new();
        house.register(MINE, GOOD).await.unwrap();
        let (uid, token, code) = house.activations().await.remove(0);
        let outcomes = parallel(50, |_| {
            let (accounts, uid, token, code) =
                (Arc::clone(&house.accounts), uid.clone(), token.clone(), code.clone());
            async move {
                if by_code {
                    accounts.verify_by_code(MINE, &code, &origin()).await
                } else {
                    accounts.verify_by_link(&uid, &token, &origin()).await
                }
            }
        })
        .await;
        assert_eq!(outcomes.iter().filter(|r| r.is_ok()).count(), 1);
        assert!(outcomes.iter().all(|r| ["ok", "token"].contains(&word(r))));
        assert_eq!(house.mails("welcome").await.len(), 1);
    }
}

#[tokio::test]
async fn r_02_only_the_newest_link_and_code_count() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    house.clock.advance(secs(61));
    house.accounts.resend_verification(MINE, &origin()).await.unwrap();
    let mails = house.activations().await;
    assert_eq!(word(&house.verify(&mails[0]).await), "token");
    assert_eq!(word(&house.accounts.verify_by_code(MINE, &mails[0].2, &origin()).await), "token");
    house.verify(&mails[1]).await.unwrap();
    assert_eq!(word(&house.accounts.verify_by_code(MINE, &mails[1].2, &origin()).await), "token");
}

#[tokio::test]
async fn links_live_a_day_and_codes_a_quarter_of_an_hour() {
    for (wait, link, code) in
        [(899, "ok", "ok"), (900, "ok", "token"), (86_399, "ok", "token"), (86_400, "token", "token")]
    {
        for by_code in [false, true] {
            let house = House::new();
            house.register(MINE, GOOD).await.unwrap();
            let mail = house.activations().await.remove(0);
            house.clock.advance(secs(wait));
            if by_code {
                let result = house.accounts.verify_by_code(MINE, &mail.2, &origin()).await;
                assert_eq!(word(&result), code, "code after {wait} s");
            } else {
                assert_eq!(word(&house.verify(&mail).await), link, "link after {wait} s");
            }
        }
    }
}

#[tokio::test]
async fn a_code_can_be_tried_five_times() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    let mail = house.activations().await.remove(0);
    let wrong = if mail.2 == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(word(&house.accounts.verify_by_code(MINE, wrong, &origin()).await), "token");
    }
    assert_eq!(word(&house.accounts.verify_by_code(MINE, &mail.2, &origin()).await), "token");
    house.verify(&mail).await.unwrap();
}

#[tokio::test]
async fn code_entry_is_limited_alike_for_unknown_addresses() {
    let house = House::with(|s| s.rate_limits.otp = Quota { limit: 2, window: secs(60) });
    house.register(MINE, GOOD).await.unwrap();
    for email in [MINE, "unknown@example.org"] {
        let mut words = Vec::new();
        for _ in 0..3 {
            words.push(word(&house.accounts.verify_by_code(email, "12345x", &origin()).await));
        }
        assert_eq!(words, ["token", "token", "limited"], "{email}");
    }
}

#[tokio::test]
async fn r_03_looking_at_a_link_changes_nothing() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    let mail = house.activations().await.remove(0);
    for _ in 0..3 {
        house.accounts.check_link(&mail.0, &mail.1).await.unwrap();
    }
    assert_eq!(house.count("SELECT count(*) FROM accounts WHERE verified_at IS NOT NULL").await, 0);
    assert_eq!(
        house.count("SELECT count(*) FROM codes WHERE consumed_at IS NULL AND tries_left = 5").await,
        1
    );
    assert_eq!(word(&house.accounts.check_link(&mail.0, &mail.1[1..]).await), "token");
    assert_eq!(word(&house.accounts.check_link("x", &mail.1).await), "token");
    house.verify(&mail).await.unwrap();
    assert_eq!(word(&house.accounts.check_link(&mail.0, &mail.1).await), "token");
}

#[tokio::test]
async fn r_04_mail_goes_to_the_stored_address_only() {
    let house = House::new();
    house.register("mike@example.org", GOOD).await.unwrap();
    house.clock.advance(secs(61));
    for look_alike in ["m\u{131}ke@example.org", "mike@\u{ff45}xample.org", "mi\u{212a}e@example.org"] {
        assert_eq!(broken(house.register(look_alike, GOOD).await), ["email:invalid"]);
        assert_eq!(
            broken(house.accounts.resend_verification(look_alike, &origin()).await),
            ["email:invalid"]
        );
    }
    house.accounts.resend_verification("MIKE@EXAMPLE.ORG", &origin()).await.unwrap();
    let to: Vec<_> = house.mails("activation").await.into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, ["mike@example.org", "mike@example.org"]);
    assert_eq!(house.count("SELECT count(*) FROM accounts").await, 1);
}

#[tokio::test]
async fn l_02_a_taken_address_gets_the_same_answer_and_its_owner_one_notice_an_hour() {
    let house = House::new();
    house.member(MINE).await;
    let hashes = house.accounts.hasher().completed();
    for _ in 0..3 {
        house.register(MINE, "Another-Word-8").await.unwrap();
    }
    assert_eq!(house.accounts.hasher().completed(), hashes + 3, "the same work");
    assert_eq!(house.mails("someone_registered").await.len(), 1);
    house.clock.advance(secs(3601));
    house.register(MINE, "Another-Word-8").await.unwrap();
    assert_eq!(house.mails("someone_registered").await.len(), 2);
    assert!(house.activations().await.is_empty());
    assert_eq!(word(&house.login(MINE, GOOD).await), "ok");
    assert_eq!(word(&house.login(MINE, "Another-Word-8").await), "wrong");
}

#[tokio::test]
async fn l_02_resend_answers_alike_for_known_and_unknown() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    house.member("active@example.org").await;
    house.clock.advance(secs(61));
    for email in [MINE, "active@example.org", "unknown@example.org"] {
        assert_eq!(word(&house.accounts.resend_verification(email, &origin()).await), "ok", "{email}");
        assert_eq!(word(&house.accounts.resend_verification(email, &origin()).await), "limited", "{email}");
    }
    assert_eq!(house.activations().await.len(), 2);
}

#[tokio::test]
async fn r_09_what_an_earlier_registrant_set_is_gone() {
    let house = House::new();
    let theirs =
        Register { name: "Mallory".into(), role: Some("speaker".into()), ..form(MINE, "Attackers-1") };
    house.accounts.register(theirs, &from("198.51.100.1")).await.unwrap();
    house.clock.advance(secs(3600));
    house.register(MINE, GOOD).await.unwrap();
    let mails = house.activations().await;
    assert_eq!(word(&house.verify(&mails[0]).await), "token");
    house.verify(&mails[1]).await.unwrap();
    assert_eq!(word(&house.login(MINE, "Attackers-1").await), "wrong");
    let user = house.login(MINE, GOOD).await.unwrap().user;
    assert_eq!(
        (user.name.as_str(), user.permissions.as_slice()),
        ("Ada Lovelace", &["events.view".to_owned()][..])
    );
}

#[tokio::test]
async fn r_09_the_owners_older_link_does_not_activate_a_later_registration() {
    for wait in [1, 3600] {
        let house = House::new();
        house.register(MINE, GOOD).await.unwrap();
        let mine = house.activations().await.remove(0);
        house.clock.advance(secs(wait));
        house.accounts.register(form(MINE, "Attackers-1"), &from("198.51.100.1")).await.unwrap();
        assert_eq!(word(&house.verify(&mine).await), "token");
        assert_eq!(word(&house.accounts.verify_by_code(MINE, &mine.2, &origin()).await), "token");
        assert_eq!(word(&house.login(MINE, "Attackers-1").await), "not activated");
    }
}

#[tokio::test]
async fn r_09_a_mail_that_was_asked_for_again_activates_nobodys_password() {
    for wait in [1, 3600] {
        let house = House::new();
        house.register(MINE, GOOD).await.unwrap();
        house.clock.advance(secs(wait));
        house.accounts.register(form(MINE, "Attackers-1"), &from("198.51.100.1")).await.unwrap();
        house.clock.advance(secs(61));
        house.accounts.resend_verification(MINE, &origin()).await.unwrap();
        let mail = house.activations().await.pop().unwrap();
        let proved = house.accounts.verify_by_link(&mail.0, &mail.1, &origin()).await.unwrap();
        assert_eq!(proved, Proved::ChoosePassword);
        assert_eq!(word(&house.login(MINE, "Attackers-1").await), "reset required", "after {wait} s");
        let letter = house.resets().await.pop().expect("a mail to choose the password");
        house.reset(letter.by_link(), "Owners-Choice-7").await.unwrap();
        house.login(MINE, "Owners-Choice-7").await.unwrap();
    }
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    house.clock.advance(secs(61));
    house.accounts.resend_verification(MINE, &origin()).await.unwrap();
    let mail = house.activations().await.pop().unwrap();
    assert_eq!(house.accounts.verify_by_link(&mail.0, &mail.1, &origin()).await.unwrap(), Proved::Ready);
    house.login(MINE, GOOD).await.unwrap();
}

#[tokio::test]
async fn a_double_click_leaves_the_first_mail_good() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    house.register(MINE, GOOD).await.unwrap();
    let mails = house.activations().await;
    assert_eq!(mails.len(), 1);
    house.verify(&mails[0]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r_13_a_hundred_parallel_registrations_are_one_account_and_one_mail() {
    let house = House::new();
    let outcomes = parallel(100, |_| {
        let accounts = Arc::clone(&house.accounts);
        async move { accounts.register(form(MINE, GOOD), &origin()).await }
    })
    .await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(house.count("SELECT count(*) FROM accounts").await, 1);
    let mails = house.activations().await;
    assert_eq!(mails.len(), 1);
    house.verify(&mails[0]).await.unwrap();
}

#[tokio::test]
async fn registration_is_limited_by_network() {
    let house = House::with(|s| s.rate_limits.register = Quota { limit: 2, window: secs(3600) });
    for (n, expected) in ["ok", "ok", "limited"].into_iter().enumerate() {
        let origin = from(&format!("2001:db8::{n}"));
        let result = house.accounts.register(form(&format!("p{n}@x.org"), GOOD), &origin).await;
        assert_eq!(word(&result), expected);
    }
    assert_eq!(house.accounts.hasher().completed(), 2, "nothing is hashed for who is turned away");
}

#[tokio::test]
async fn what_was_never_proved_leaves_after_seven_days() {
    let house = House::new();
    house.register(MINE, GOOD).await.unwrap();
    house.member("active@example.org").await;
    house.clock.advance(secs(7 * 86_400));
    assert_eq!(house.accounts.purge_unverified().await.unwrap(), 0);
    house.clock.advance(secs(1));
    assert_eq!(house.accounts.purge_unverified().await.unwrap(), 1);
    assert_eq!(house.count("SELECT count(*) FROM accounts").await, 1);
    assert_eq!(house.count("SELECT count(*) FROM codes").await, 0);
}

#[tokio::test]
async fn r_09_a_strangers_unproved_registration_does_not_stand_in_the_operators_way() {
    let house = House::new();
    house.register(MINE, "Stranger-Danger-71").await.unwrap();
    let wanted = CreateUser {
        email: MINE.into(),
        name: "Ada".into(),
        roles: vec!["admin".into()],
        password: Secret::new(GOOD),
    };
    let id = house.accounts.create_user(wanted).await.unwrap();
    assert!(house.login(MINE, "Stranger-Danger-71").await.is_err());
    let user = house.login(MINE, GOOD).await.unwrap().user;
    assert_eq!((user.id, user.name.as_str()), (id, "Ada"));
    assert_eq!(house.count("SELECT count(*) FROM codes").await, 0, "the stranger's link is dead");
}

#[tokio::test]
async fn the_operator_makes_accounts_that_are_active_at_once() {
    let house = House::new();
    let wanted = |roles: &[&str]| CreateUser {
        email: MINE.into(),
        name: "Ada".into(),
        roles: roles.iter().map(ToString::to_string).collect(),
        password: Secret::new(GOOD),
    };
    assert_eq!(broken(house.accounts.create_user(wanted(&["emperor"])).await), ["roles:unknown"]);
    let id = house.accounts.create_user(wanted(&["admin", "speaker"])).await.unwrap();
    let user = house.login(MINE, GOOD).await.unwrap().user;
    assert_eq!(
        (user.id, user.permissions),
        (id, ["*", "events.view", "talks.edit"].map(str::to_owned).to_vec())
    );
    assert_eq!(broken(house.accounts.create_user(wanted(&[])).await), ["email:taken"]);
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE actor = 'operator'").await, 1);
}
