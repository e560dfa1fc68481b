//! L-01 without a stop-watch, which would be as unsteady as the machine: what a refusal costs is the hashes it computes and
//! the statements it runs, and these must not depend on whether there is an account, or on its state.

use async_trait::async_trait;
use std::sync::Mutex;

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
