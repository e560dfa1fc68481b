//! Closing the own account.

use super::hands::*;
use super::*;

const DAY: u64 = 86_400;

impl House {
    async fn undo(&self, letter: &Letter) -> Result<(), Error> {
        self.accounts.undo_deletion(&letter.uid, &letter.token, &origin()).await
    }

    async fn undo_letter(&self) -> Letter {
        self.letters("deletion", "/undo-deletion/", MINE).await.pop().expect("a mail")
    }
}

async fn member_signed_in(house: &House) -> (Me, SignedIn) {
    house.member(MINE).await;
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    (me(house, &signed_in), signed_in)
}

#[tokio::test]
async fn a_closed_account_is_signed_out_and_comes_back_by_the_link() {
    let house = House::new();
    let (me, signed_in) = member_signed_in(&house).await;
    let until = house.accounts.close_account(&me, &origin()).await.unwrap();
    assert_eq!(until, house.clock.now().after(secs(7 * DAY)));
    assert!(house.is_revoked(&signed_in));
    assert_eq!(word(&house.refresh(&signed_in.refresh).await), "token");
    assert_eq!(word(&house.login(MINE, GOOD).await), "closed");
    assert_eq!(word(&house.login(MINE, "Wrong-Word-1").await), "wrong", "said after a right password only");
    assert_eq!(word(&house.accounts.close_account(&me, &origin()).await), "sign in first");
    house.accounts.request_reset(MINE, &origin()).await.unwrap();
    assert!(house.resets().await.is_empty(), "J-18");

    let letter = house.undo_letter().await;
    house.clock.advance(secs(7 * DAY - 1));
    assert_eq!(house.accounts.delete_closed().await.unwrap(), 0);
    house.accounts.check_undo(&letter.uid, &letter.token).await.unwrap();
    assert_eq!(word(&house.login(MINE, GOOD).await), "closed", "R-03: looking changes nothing");
    house.undo(&letter).await.unwrap();
    assert_eq!(word(&house.undo(&letter).await), "token", "R-02: once");
    assert_eq!(house.login(MINE, GOOD).await.unwrap().user.id, me.account);
    house.clock.advance(secs(DAY));
    assert_eq!(house.accounts.delete_closed().await.unwrap(), 0, "it stays");
}

#[tokio::test]
async fn j_23_after_the_deletion_the_address_is_free_and_the_identifier_does_not_come_back() {
    let house = House::new();
    let (me, signed_in) = member_signed_in(&house).await;
    house.accounts.close_account(&me, &origin()).await.unwrap();
    let letter = house.undo_letter().await;
    house.clock.advance(secs(7 * DAY));
    assert_eq!(word(&house.undo(&letter).await), "token", "too late, also before the job has run");
    assert_eq!(house.accounts.delete_closed().await.unwrap(), 1);
    assert_eq!(house.accounts.delete_closed().await.unwrap(), 0);
    for sql in [
        "SELECT count(*) FROM accounts",
        "SELECT count(*) FROM sessions",
        "SELECT count(*) FROM account_roles",
        "SELECT count(*) FROM codes",
        "SELECT count(*) FROM attempts",
    ] {
        assert_eq!(house.count(sql).await, 0, "{sql}");
    }
    assert_eq!(house.audited("account.deleted").await, 1);
    assert_eq!(word(&house.undo(&letter).await), "token");
    assert_eq!(word(&house.login(MINE, GOOD).await), "wrong");

    house.register(MINE, BETTER).await.unwrap();
    house.verify(&house.activations().await[0]).await.unwrap();
    let again = house.login(MINE, BETTER).await.unwrap();
    assert_ne!(again.user.id, me.account);
    assert_eq!(word(&house.refresh(&signed_in.refresh).await), "token");
    assert_eq!(word(&house.accounts.profile(&me).await), "sign in first");
}

#[tokio::test]
async fn without_time_to_undo_the_next_run_of_the_job_deletes() {
    let house = House::with(|s| s.deletion_undo = Duration::ZERO);
    let (me, _) = member_signed_in(&house).await;
    house.accounts.close_account(&me, &origin()).await.unwrap();
    assert_eq!(word(&house.undo(&house.undo_letter().await).await), "token");
    assert_eq!(house.accounts.delete_closed().await.unwrap(), 1);
}

#[tokio::test]
async fn closing_asks_for_a_fresh_proof_of_who_one_is() {
    let house = House::new();
    let (me, _) = member_signed_in(&house).await;
    house.clock.advance(secs(600));
    assert_eq!(word(&house.accounts.close_account(&me, &origin()).await), "elevate");
    house.login(MINE, GOOD).await.unwrap();
}

#[tokio::test]
async fn nobody_else_can_undo_and_a_reset_link_cannot_either() {
    let house = House::new();
    let (me, _) = member_signed_in(&house).await;
    let reset = house.ask_reset().await;
    house.accounts.close_account(&me, &origin()).await.unwrap();
    let letter = house.undo_letter().await;
    assert_eq!(word(&house.undo(&reset).await), "token");
    let mut forged = letter.clone();
    forged.token.replace_range(0..1, if letter.token.starts_with('A') { "B" } else { "A" });
    assert_eq!(word(&house.undo(&forged).await), "token");
    house.undo(&letter).await.unwrap();
    assert_eq!(word(&house.reset(reset.by_link(), BETTER).await), "token", "it ended with the closing");
}

#[tokio::test]
async fn the_last_person_who_may_do_everything_cannot_leave() {
    let house = House::new();
    let admin = async |email: &str| {
        let wanted = CreateUser {
            email: email.into(),
            name: "Grace".into(),
            roles: vec!["admin".into()],
            password: Secret::new(GOOD),
        };
        house.accounts.create_user(wanted).await.unwrap();
        me(&house, &house.login(email, GOOD).await.unwrap())
    };
    house.member("member@example.org").await;
    let first = admin("first@example.org").await;
    assert_eq!(word(&house.accounts.close_account(&first, &origin()).await), "conflict");
    house.accounts.profile(&first).await.expect("still signed in");
    assert!(house.mails("deletion").await.is_empty());
    let second = admin("second@example.org").await;
    house.accounts.close_account(&first, &origin()).await.unwrap();
    assert_eq!(word(&house.accounts.close_account(&second, &origin()).await), "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r_02_of_parallel_uses_of_the_undo_link_one_counts() {
    let house = House::new();
    let (me, _) = member_signed_in(&house).await;
    house.accounts.close_account(&me, &origin()).await.unwrap();
    let letter = house.undo_letter().await;
    let words = parallel(50, |_| {
        let (accounts, letter) = (Arc::clone(&house.accounts), letter.clone());
        async move { word(&accounts.undo_deletion(&letter.uid, &letter.token, &origin()).await) }
    })
    .await;
    assert_eq!(words.iter().filter(|w| **w == "ok").count(), 1, "{words:?}");
    assert_eq!(house.audited("account.reopened").await, 1);
}
