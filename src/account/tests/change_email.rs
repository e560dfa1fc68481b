//! Another address.

use super::hands::*;
use super::*;

const NEW: &str = "ada@new.example.org";

impl House {
    async fn ask_change(&self, me: &Me, email: &str) -> Result<(), Error> {
        self.accounts.request_email_change(me, email, &origin()).await
    }

    async fn changes(&self, to: &str) -> Vec<Letter> {
        self.letters("email_change", "/change-email/", to).await
    }

    async fn confirm(&self, letter: &Letter) -> Result<(), Error> {
        self.accounts.change_email_by_link(&letter.uid, &letter.token, &origin()).await
    }

    async fn address_of(&self, id: AccountId) -> String {
        self.store.account_by_id(id).await.unwrap().unwrap().email.to_string()
    }
}

/// A member who is signed in twice.
async fn two_sessions(house: &House) -> (SignedIn, SignedIn) {
    house.member(MINE).await;
    (house.login(MINE, GOOD).await.unwrap(), house.login(MINE, GOOD).await.unwrap())
}

#[tokio::test]
async fn r_14_confirmed_at_the_new_address_and_told_to_the_old_one() {
    for with_code in [false, true] {
        let house = House::new();
        let (mine, other) = two_sessions(&house).await;
        let me = me(&house, &mine);
        house.ask_change(&me, NEW).await.unwrap();
        let letter = house.changes(NEW).await.remove(0);
        assert_eq!(house.address_of(me.account).await, MINE, "nothing has changed yet");
        house.clock.advance(secs(1));
        if with_code {
            house.accounts.change_email_by_code(&me, &letter.code, &origin()).await.unwrap();
        } else {
            house.confirm(&letter).await.unwrap();
        }
        assert_eq!(house.address_of(me.account).await, NEW);
        assert_eq!(house.mails("email_changed").await[0].0, MINE, "R-08: the old address is told");
        assert_eq!(word(&house.refresh(&other.refresh).await), "token", "T-08");
        assert!(house.is_revoked(&mine), "the access token carries the old address");
        assert_eq!(house.refresh(&mine.refresh).await.unwrap().user.email, NEW);
        assert_eq!(word(&house.login(MINE, GOOD).await), "wrong");
        house.login(NEW, GOOD).await.unwrap();
        assert_eq!(word(&house.confirm(&letter).await), "token", "R-02: once");
    }
}

#[tokio::test]
async fn t_08_a_session_that_was_ended_takes_its_wish_along() {
    let house = House::new();
    let (mine, other) = two_sessions(&house).await;
    let (thief, owner) = (me(&house, &mine), me(&house, &other));
    house.ask_change(&thief, NEW).await.unwrap();
    house.accounts.end_other_sessions(&owner, &origin()).await.unwrap();
    let letter = house.changes(NEW).await.remove(0);
    assert_eq!(word(&house.confirm(&letter).await), "token");
    assert_eq!(house.address_of(owner.account).await, MINE);
    // Time that has run out is nobody's doing.
    house.ask_change(&owner, NEW).await.unwrap();
    house.clock.advance(secs(3 * 3600));
    let letter = house.changes(NEW).await.pop().unwrap();
    house.confirm(&letter).await.unwrap();
    assert_eq!(house.address_of(owner.account).await, NEW);
}

#[tokio::test]
async fn r_14_a_change_asks_for_a_fresh_proof_of_who_one_is() {
    let house = House::new();
    let (mine, _) = two_sessions(&house).await;
    let me = me(&house, &mine);
    house.clock.advance(secs(600));
    assert_eq!(word(&house.ask_change(&me, NEW).await), "elevate");
    let fresh = Me { auth_time: house.clock.now(), ..me };
    house.store.write("UPDATE accounts SET email_otp = TRUE RETURNING id", vec![]).await.unwrap();
    assert_eq!(word(&house.ask_change(&fresh, NEW).await), "elevate with a second factor");
    let strong = Me { amr: vec!["pwd".into(), "otp".into(), "mfa".into()], ..fresh };
    house.ask_change(&strong, NEW).await.unwrap();
}

#[tokio::test]
async fn r_14_of_two_changes_the_newest_counts_and_the_last_confirmed_wins() {
    let house = House::new();
    let (mine, _) = two_sessions(&house).await;
    let me = me(&house, &mine);
    house.ask_change(&me, "one@example.org").await.unwrap();
    house.ask_change(&me, "two@example.org").await.unwrap();
    let (one, two) =
        (house.changes("one@example.org").await.remove(0), house.changes("two@example.org").await.remove(0));
    assert_eq!(word(&house.confirm(&one).await), "token", "replaced by the second");
    house.confirm(&two).await.unwrap();
    house.ask_change(&me, "three@example.org").await.unwrap();
    house.confirm(&house.changes("three@example.org").await[0]).await.unwrap();
    assert_eq!(house.address_of(me.account).await, "three@example.org");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r_14_of_accounts_that_want_one_address_one_gets_it() {
    let house = House::new();
    let mut letters = Vec::new();
    for n in 0..10 {
        let email = format!("person{n}@example.org");
        house.member(&email).await;
        let me = me(&house, &house.login(&email, GOOD).await.unwrap());
        house.ask_change(&me, NEW).await.unwrap();
        let all = house.changes(NEW).await;
        letters.push(all.into_iter().find(|l| l.uid == me.account.to_string()).unwrap());
    }
    let words = parallel(10, |n| {
        let (accounts, letter) = (Arc::clone(&house.accounts), letters[n].clone());
        async move { word(&accounts.change_email_by_link(&letter.uid, &letter.token, &origin()).await) }
    })
    .await;
    assert_eq!(words.iter().filter(|w| **w == "ok").count(), 1, "{words:?}");
    assert_eq!(words.iter().filter(|w| **w == "token").count(), 9, "{words:?}");
    assert_eq!(house.mails("email_changed").await.len(), 1);
}

#[tokio::test]
async fn l_02_a_taken_address_gets_the_same_answer_and_its_owner_a_notice() {
    let house = House::new();
    let (mine, _) = two_sessions(&house).await;
    house.member("owner@example.org").await;
    let me = me(&house, &mine);
    for email in ["owner@example.org", NEW, "owner@example.org"] {
        let before = house.count("SELECT count(*) FROM audit").await;
        house.ask_change(&me, email).await.unwrap();
        assert_eq!(house.count("SELECT count(*) FROM audit").await, before + 1);
        let codes = "SELECT count(*) FROM codes WHERE purpose = 'change_email'";
        assert_eq!(house.count(codes).await, 1, "the same work");
    }
    assert!(house.changes("owner@example.org").await.is_empty());
    assert_eq!(house.mails("someone_registered").await.len(), 1, "one an hour");
}

#[tokio::test]
async fn r_09_a_registration_that_nobody_proved_stands_in_nobodys_way() {
    let house = House::new();
    let (mine, _) = two_sessions(&house).await;
    let me = me(&house, &mine);
    house.register(NEW, "Stranger-Danger-71").await.unwrap();
    let stranger = house.activations().await.remove(0);
    house.ask_change(&me, NEW).await.unwrap();
    house.confirm(&house.changes(NEW).await[0]).await.unwrap();
    assert_eq!(word(&house.verify(&stranger).await), "token");
    assert_eq!(word(&house.login(NEW, "Stranger-Danger-71").await), "wrong");
    assert_eq!(house.login(NEW, GOOD).await.unwrap().user.id, me.account);
}

#[tokio::test]
async fn r_08_only_the_account_that_asked_can_use_its_code() {
    let house = House::new();
    let (mine, _) = two_sessions(&house).await;
    house.member("other@example.org").await;
    let other = me(&house, &house.login("other@example.org", GOOD).await.unwrap());
    let me = me(&house, &mine);
    house.ask_change(&me, NEW).await.unwrap();
    let letter = house.changes(NEW).await.remove(0);
    let by_code =
        async |who: &Me, code: &str| word(&house.accounts.change_email_by_code(who, code, &origin()).await);
    assert_eq!(by_code(&other, &letter.code).await, "token");
    let foreign = Letter { uid: other.account.to_string(), ..letter.clone() };
    assert_eq!(word(&house.confirm(&foreign).await), "token");
    for _ in 0..5 {
        assert_eq!(by_code(&me, letter.wrong_code()).await, "token");
    }
    assert_eq!(by_code(&me, &letter.code).await, "token", "five tries");
    house.confirm(&letter).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_an_address_of_the_account_is_refused() {
    let house = House::with(|s| s.registration.domains = vec!["example.org".into()]);
    let (mine, _) = two_sessions(&house).await;
    let me = me(&house, &mine);
    for (email, code) in [
        ("", "required"),
        ("nobody", "invalid"),
        ("ADA@example.org", "unchanged"),
        ("ada@evilexample.org", "domain_not_allowed"),
        ("ada@sub.example.org", "domain_not_allowed"),
    ] {
        assert_eq!(broken(house.ask_change(&me, email).await), [format!("email:{code}")], "{email}");
    }
}

#[tokio::test]
async fn links_live_a_day_and_codes_fifteen_minutes() {
    for (wait, link, code) in [(899, "ok", "ok"), (900, "ok", "token"), (86_400, "token", "token")] {
        for with_code in [false, true] {
            let house = House::new();
            let (mine, _) = two_sessions(&house).await;
            let me = me(&house, &mine);
            house.ask_change(&me, NEW).await.unwrap();
            let letter = house.changes(NEW).await.remove(0);
            house.clock.advance(secs(wait));
            let (result, expected) = if with_code {
                (house.accounts.change_email_by_code(&me, &letter.code, &origin()).await, code)
            } else {
                (house.confirm(&letter).await, link)
            };
            assert_eq!(word(&result), expected, "{wait} s, code: {with_code}");
        }
    }
}

#[tokio::test]
async fn r_02_a_new_password_ends_a_change_under_way_and_a_change_the_old_reset_link() {
    for by_reset in [false, true] {
        let house = House::new();
        let (mine, _) = two_sessions(&house).await;
        let me = me(&house, &mine);
        house.ask_change(&me, NEW).await.unwrap();
        let letter = house.changes(NEW).await.remove(0);
        if by_reset {
            let reset = house.ask_reset().await;
            house.reset(reset.by_link(), BETTER).await.unwrap();
        } else {
            house.accounts.change_password(&me, &change(GOOD, BETTER), &origin()).await.unwrap();
        }
        assert_eq!(word(&house.confirm(&letter).await), "token", "a thief cannot take the account along");
    }
    let house = House::new();
    let (mine, _) = two_sessions(&house).await;
    let me = me(&house, &mine);
    let reset = house.ask_reset().await;
    house.ask_change(&me, NEW).await.unwrap();
    house.confirm(&house.changes(NEW).await[0]).await.unwrap();
    assert_eq!(
        word(&house.reset(reset.by_link(), BETTER).await),
        "token",
        "it was mailed to the old address"
    );
}

#[tokio::test]
async fn r_03_looking_at_a_change_link_changes_nothing() {
    let house = House::new();
    let (mine, _) = two_sessions(&house).await;
    let me = me(&house, &mine);
    house.ask_change(&me, NEW).await.unwrap();
    let letter = house.changes(NEW).await.remove(0);
    house.accounts.check_email_change(&letter.uid, &letter.token).await.unwrap();
    assert_eq!(house.address_of(me.account).await, MINE);
    house.confirm(&letter).await.unwrap();
}
