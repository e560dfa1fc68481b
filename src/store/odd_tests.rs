//! What a store says of itself over an engine that is odd: damage, full disks, clocks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::{Store, StoreError};
use crate::model::{ManualClock, Timestamp};
use crate::store::engine::{Engine, Statement};
use crate::store::{Row, Value};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Answers; what a statement meets, and what time it is there, is said by the test.
struct Odd {
    meets: Mutex<StoreError>,
    time: Mutex<Timestamp>,
}

#[async_trait]
impl Engine for Odd {
    async fn read(&self, _: &'static str, _: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        Err(self.meets.lock().unwrap().clone())
    }

    async fn transaction(&self, _: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        Err(self.meets.lock().unwrap().clone())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(Some(*self.time.lock().unwrap()))
    }
}

fn odd() -> (Arc<Odd>, Store) {
    let engine = Arc::new(Odd { meets: Mutex::new(StoreError::Busy), time: Mutex::new(NOW) });
    (engine.clone(), Store::over(engine))
}

#[tokio::test]
async fn case_5_23_damage_that_a_statement_meets_is_not_forgotten() {
    let damaged = StoreError::Corrupt("page 7".into());
    for reads in [true, false] {
        let (engine, store) = odd();
        let meet = async |what: StoreError| {
            *engine.meets.lock().unwrap() = what;
            let met = if reads { store.read("", vec![]).await } else { store.write("", vec![]).await };
            assert!(met.is_err());
        };
        meet(StoreError::NotWritable("disk full".into())).await;
        assert_eq!(store.ping().await, Ok(()), "says nothing of damage");
        meet(damaged.clone()).await;
        meet(StoreError::Busy).await;
        assert_eq!(store.ping().await, Err(damaged.clone()));
    }
}

#[tokio::test]
async fn case_5_22_a_busy_store_takes_changes_and_a_full_one_does_not() {
    let (engine, store) = odd();
    assert_eq!(store.takes_changes().await, Ok(()));
    let full = StoreError::NotWritable("disk full".into());
    *engine.meets.lock().unwrap() = full.clone();
    assert_eq!(store.takes_changes().await, Err(full));
}

#[tokio::test]
async fn case_5_10_the_clock_of_the_store_is_followed_unless_it_is_an_hour_off() {
    let ((engine, store), clock) = (odd(), ManualClock::at(NOW));
    let (secs, hours) = (Duration::from_secs(11), Duration::from_secs(2 * 3600));
    for (there, followed) in [
        (NOW.after(secs), true),
        (NOW.before(secs), true),
        (NOW.after(hours), false),
        (NOW.before(hours), false),
    ] {
        *engine.time.lock().unwrap() = there;
        store.skew(&clock).await.unwrap();
        assert_eq!(store.time(NOW), if followed { there } else { NOW });
    }
}
