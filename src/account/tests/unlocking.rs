//! Opening a locked account by the mailed link; a lock and what it brings about happen together.

use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::limiter::RedisTurns;
use crate::shared::test_server::{Server, client};
use crate::store::engine::{Engine, Statement};
use crate::store::{Row, StoreError, Value};

async fn lock(house: &House, origin: &Origin) {
    for _ in 0..5 {
        assert_eq!(word(&house.login_from(MINE, "Wrong-Word-1", origin).await), "wrong");
    }
}

/// `uid` and `token` of the newest link.
async fn link(house: &House) -> (String, String) {
    let mails = house.mails("locked").await;
    let text = &mails.last().unwrap().1;
    let link = text.split_whitespace().find(|w| w.contains("/unlock/")).unwrap();
    let mut parts = link.trim_end_matches('/').rsplit('/');
    let (token, uid) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
    assert_eq!(link, format!("https://gate.example/auth/unlock/{uid}/{token}/"));
    (uid, token)
}

#[tokio::test]
async fn t_12_the_link_opens_the_account_once() {
    let house = House::new();
    house.member(MINE).await;
    lock(&house, &origin()).await;
    let (uid, token) = link(&house).await;
    house.accounts.check_unlock(&uid, &token).await.unwrap();
    assert_eq!(word(&house.login(MINE, GOOD).await), "locked", "looking changes nothing");
    let outcomes = parallel(10, |_| {
        let (accounts, uid, token) = (Arc::clone(&house.accounts), uid.clone(), token.clone());
        async move { word(&accounts.unlock(&uid, &token, &origin()).await) }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|w| **w == "ok").count(), 1, "{outcomes:?}");
    house.login(MINE, GOOD).await.unwrap();
    lock(&house, &from("192.0.2.66")).await;
    assert_eq!(word(&house.accounts.unlock(&uid, &token, &origin()).await), "token", "the lock before");
    house.clock.advance(secs(900));
    house.login(MINE, GOOD).await.unwrap_or_else(|e| panic!("the locks are short again: {e}"));
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'account.unlocked'").await, 1);
}

#[tokio::test]
async fn the_link_also_opens_devices_and_lives_as_long_as_the_lock() {
    let house = House::new();
    house.member(MINE).await;
    let device = house.login(MINE, GOOD).await.unwrap().device;
    let mine = Origin { device, ..origin() };
    lock(&house, &mine).await;
    lock(&house, &origin()).await;
    let (uid, token) = link(&house).await;
    house.accounts.unlock(&uid, &token, &origin()).await.unwrap();
    assert_eq!(house.count("SELECT count(*) FROM lockouts").await, 0);
    house.login_from(MINE, GOOD, &mine).await.unwrap();
    lock(&house, &origin()).await;
    let (uid, token) = link(&house).await;
    house.clock.advance(secs(899));
    house.accounts.check_unlock(&uid, &token).await.unwrap();
    house.clock.advance(secs(1));
    assert_eq!(word(&house.accounts.unlock(&uid, &token, &origin()).await), "token");
}

/// Fails every transaction that writes a mail, while it is told to.
struct NoMail {
    engine: Arc<dyn Engine>,
    broken: Arc<AtomicBool>,
}

#[async_trait]
impl Engine for NoMail {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.engine.read(sql, params).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        let mail = statements.iter().any(|s| s.sql.contains("INTO outbox"));
        if mail && self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Busy);
        }
        self.engine.transaction(statements).await
    }
}

#[tokio::test]
async fn no_lock_without_its_mail_and_its_audit_line() {
    let broken = Arc::new(AtomicBool::new(true));
    let engine = crate::store::engine::scratch();
    let store = Store::over(Arc::new(NoMail { engine, broken: Arc::clone(&broken) }));
    let house = House::over(store, Timestamp::from_secs(1_800_000_000), |_| ());
    house.member(MINE).await;
    for _ in 0..4 {
        assert_eq!(word(&house.login(MINE, "Wrong-Word-1").await), "wrong");
    }
    assert_eq!(word(&house.login(MINE, "Wrong-Word-1").await), "unavailable");
    assert_eq!(house.count("SELECT failures FROM lockouts").await, 4);
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'account.locked'").await, 0);
    broken.store(false, Ordering::SeqCst);
    assert_eq!(word(&house.login(MINE, "Wrong-Word-1").await), "wrong");
    assert_eq!(word(&house.login(MINE, GOOD).await), "locked");
    assert_eq!(house.mails("locked").await.len(), 1);
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'account.locked'").await, 1);
}

/// 200 guesses, every second one at each of two nodes: what became of them, and how many were compared.
async fn guesses(a: &House, b: &House) -> (Vec<&'static str>, u64) {
    let before = a.accounts.hasher().completed() + b.accounts.hasher().completed();
    let outcomes = parallel(200, |n| {
        let accounts = Arc::clone(if n % 2 == 0 { &a.accounts } else { &b.accounts });
        let typed = Login {
            email: MINE.into(),
            password: Secret::new(format!("Wrong-{n}")),
            keep: false,
            browser: false,
        };
        async move { word(&accounts.login(typed, &origin()).await) }
    })
    .await;
    (outcomes, a.accounts.hasher().completed() + b.accounts.hasher().completed() - before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_06_two_nodes_lock_once_and_tell_once() {
    let a = House::new();
    let b = House::over(a.store.clone(), a.clock.now(), |_| ());
    a.member(MINE).await;
    let (outcomes, hashes) = guesses(&a, &b).await;
    // Without a shared Redis each node may have begun one comparison when the other one locked.
    assert!((5..=6).contains(&hashes), "{hashes}");
    assert!(outcomes.iter().all(|w| ["wrong", "locked"].contains(w)), "{outcomes:?}");
    assert_eq!(a.mails("locked").await.len(), 1);
    assert_eq!(a.count("SELECT count(*) FROM audit WHERE action = 'account.locked'").await, 1);
    assert_eq!(a.count("SELECT locks FROM lockouts").await, 1);
    assert_eq!(a.count("SELECT count(*) FROM attempts").await, 200, "each try is written down");
}

/// The nodes take turns over one Redis: not one comparison more than on one node.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_06_two_nodes_over_one_redis_compare_five_hashes() {
    let server = Server::start();
    let turns = || Arc::new(RedisTurns::new(client(&server.url()), Arc::new(SystemEntropy)));
    let now = Timestamp::from_secs(1_800_000_000);
    let a = House::taking_turns(Store::scratch(), now, turns(), |_| ());
    let b = House::taking_turns(a.store.clone(), now, turns(), |_| ());
    a.member(MINE).await;
    let (outcomes, hashes) = guesses(&a, &b).await;
    assert_eq!(hashes, 5, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|w| **w == "wrong").count(), 5);
    assert_eq!(outcomes.iter().filter(|w| **w == "locked").count(), 195);
}

/// Redis forgets everything in the middle: the lock lies in the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_5_3_l_06_holds_right_after_a_flush() {
    let server = Server::start();
    let turns = || Arc::new(RedisTurns::new(client(&server.url()), Arc::new(SystemEntropy)));
    let now = Timestamp::from_secs(1_800_000_000);
    let a = House::taking_turns(Store::scratch(), now, turns(), |_| ());
    let b = House::taking_turns(a.store.clone(), now, turns(), |_| ());
    a.member(MINE).await;
    for _ in 0..3 {
        assert_eq!(word(&a.login(MINE, "Wrong-Word-1").await), "wrong");
    }
    assert!(
        server.ask(&["FLUSHALL"]).starts_with("+OK") && server.ask(&["SCRIPT", "FLUSH"]).starts_with("+OK")
    );
    let (outcomes, hashes) = guesses(&a, &b).await;
    assert_eq!(hashes, 2, "three had failed before: {outcomes:?}");
    assert!(server.ask(&["FLUSHALL"]).starts_with("+OK"));
    assert_eq!(word(&b.login(MINE, GOOD).await), "locked");
}
