//! L-01 without a stop-watch, which would be as unsteady as the machine: what a refusal costs is the hashes it computes and
//! the statements it runs, and these must not depend on whether there is an account, or on its state.

use async_trait::async_trait;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, Weak};

use super::*;
use crate::store::engine::{Engine, Statement};
use crate::store::{Row, StoreError, Value};

/// Notes every statement.
struct Noting {
    engine: Arc<dyn Engine>,
    seen: Arc<Mutex<Vec<&'static str>>>,
}

#[async_trait]
impl Engine for Noting {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.seen.lock().unwrap().push(sql);
        self.engine.read(sql, params).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        self.seen.lock().unwrap().extend(statements.iter().map(|s| s.sql));
        self.engine.transaction(statements).await
    }
}

/// Fails when a password is hashed while a statement runs.
struct Idle {
    engine: Arc<dyn Engine>,
    accounts: Arc<OnceLock<Weak<Accounts>>>,
    statements: Arc<AtomicUsize>,
}

impl Idle {
    /// Hashes that run, and that are done.
    fn hashes(&self) -> (usize, u64) {
        let accounts = self.accounts.get().and_then(Weak::upgrade);
        accounts.map_or((0, 0), |a| (a.hasher().running(), a.hasher().completed()))
    }

    fn check(&self, before: (usize, u64)) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        assert_eq!(before.0, 0, "a statement begins while a password is hashed");
        assert_eq!(before, self.hashes(), "a password is hashed while the store is at work");
    }
}

#[async_trait]
impl Engine for Idle {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let before = self.hashes();
        let answer = self.engine.read(sql, params).await;
        self.check(before);
        answer
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        let before = self.hashes();
        let answer = self.engine.transaction(statements).await;
        self.check(before);
        answer
    }
}

/// A hash takes as long as a hundred transactions: whoever held a connection meanwhile would empty the pool.
#[tokio::test]
async fn case_5_8_no_statement_and_no_transaction_spans_a_hash() {
    let (accounts, statements) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
    let engine = crate::store::engine::scratch();
    let idle = Idle { engine, accounts: accounts.clone(), statements: statements.clone() };
    // Slow enough to be seen.
    let house = House::over(Store::over(Arc::new(idle)), Timestamp::from_secs(1_800_000_000), |s| {
        (s.password.argon2.memory_kib, s.password.argon2.iterations) = (4096, 2);
    });
    accounts.set(Arc::downgrade(&house.accounts)).unwrap();
    house.member(MINE).await;
    house.login(MINE, GOOD).await.unwrap();
    assert_eq!(word(&house.login(MINE, "Wrong-Word-1").await), "wrong");
    assert_eq!(word(&house.login("unknown@example.org", GOOD).await), "wrong");
    assert!(house.accounts.hasher().completed() >= 4 && statements.load(Ordering::Relaxed) > 8);
}

type Seen = Arc<Mutex<Vec<&'static str>>>;

/// A house that notes every statement.
fn noting(change: impl FnOnce(&mut Settings)) -> (House, Seen) {
    let seen = Seen::default();
    let engine = crate::store::engine::scratch();
    let store = Store::over(Arc::new(Noting { engine, seen: Arc::clone(&seen) }));
    (House::over(store, Timestamp::from_secs(1_800_000_000), change), seen)
}

#[tokio::test]
async fn l_01_every_kind_of_refusal_costs_and_says_the_same() {
    let (house, seen) = noting(|_| ());
    for email in [MINE, "off@example.org", "closed@example.org", "reset@example.org", "eve@example.org"] {
        house.member(email).await;
    }
    house.register("waiting@example.org", GOOD).await.unwrap();
    for change in [
        "UPDATE accounts SET disabled_at = 1 WHERE email = 'off@example.org'",
        "UPDATE accounts SET delete_at = 1 WHERE email = 'closed@example.org'",
        "UPDATE accounts SET must_reset = TRUE WHERE email = 'reset@example.org'",
    ] {
        house.store.write(change, vec![]).await.unwrap();
    }
    let elsewhere = house.login("eve@example.org", GOOD).await.unwrap().device;
    for device in [None, elsewhere] {
        let origin = Origin { device, ..origin() };
        let mut costs = Vec::new();
        for email in [
            "unknown@example.org",
            MINE,
            "waiting@example.org",
            "off@example.org",
            "closed@example.org",
            "reset@example.org",
        ] {
            let hashes = house.accounts.hasher().completed();
            seen.lock().unwrap().clear();
            assert_eq!(word(&house.login_from(email, "Wrong-Word-1", &origin).await), "wrong", "{email}");
            let statements: Vec<_> = seen.lock().unwrap().drain(..).collect();
            costs.push((email, house.accounts.hasher().completed() - hashes, statements));
        }
        for (email, hashes, statements) in &costs {
            assert_eq!((hashes, statements), (&costs[0].1, &costs[0].2), "{email}");
        }
    }
}

/// What a stranger can ask for an address: each is one read and one transaction of the same length to the caller, whatever the
/// address is. What only the owner's mail adds (the pair and the letter) is in that one transaction.
#[tokio::test]
async fn l_03_asking_about_an_address_takes_the_same_way_for_all() {
    let (house, seen) = noting(|s| {
        s.rate_limits.resend.limit = 100;
        s.rate_limits.password_reset_account.limit = 2;
    });
    for email in [MINE, "off@example.org"] {
        house.member(email).await;
    }
    house.register("waiting@example.org", GOOD).await.unwrap();
    let off = "UPDATE accounts SET disabled_at = 1 WHERE email = 'off@example.org'";
    house.store.write(off, vec![]).await.unwrap();
    let mut ways: Vec<(usize, &'static str)> = Vec::new();
    for _ in 0..3 {
        for email in [MINE, "unknown@example.org", "off@example.org", "waiting@example.org"] {
            seen.lock().unwrap().clear();
            let hashes = house.accounts.hasher().completed();
            house.accounts.request_reset(email, &origin()).await.unwrap();
            assert_eq!(house.accounts.hasher().completed(), hashes, "{email}");
            let statements: Vec<_> = seen.lock().unwrap().drain(..).collect();
            let reads = statements.iter().filter(|s| s.trim_start().starts_with("SELECT")).count();
            let audits = statements.iter().filter(|s| s.contains("INTO audit")).count();
            assert_eq!(audits, 1, "{email}: {statements:?}");
            ways.push((reads, email));
        }
    }
    assert!(ways.iter().all(|(reads, _)| *reads == ways[0].0), "{ways:?}");
}
