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

#[tokio::test]
async fn l_01_every_kind_of_refusal_costs_and_says_the_same() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let engine = crate::store::engine::scratch();
    let store = Store::over(Arc::new(Noting { engine, seen: Arc::clone(&seen) }));
    let house = House::over(store, Timestamp::from_secs(1_800_000_000), |_| ());
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
