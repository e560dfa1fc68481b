//! An engine that is timed: how long reads and transactions take, and how many fail.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Connections, Engine, Statement};
use crate::metrics::Metrics;
use crate::model::{Clock, Timestamp};
use crate::store::{Row, StoreError, Value};

/// Any engine, and who counts.
pub(in crate::store) struct Measured {
    pub(in crate::store) engine: Arc<dyn Engine>,
    pub(in crate::store) metrics: Arc<Metrics>,
    pub(in crate::store) clock: Arc<dyn Clock>,
}

impl Measured {
    async fn timed<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = self.clock.monotonic();
        let answer = work.await;
        self.metrics.stored(operation, self.clock.monotonic().saturating_sub(begun), answer.is_ok());
        answer
    }
}

#[async_trait]
impl Engine for Measured {
    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.timed("read", self.engine.read(sql, params)).await
    }

    async fn watch(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.timed("read", self.engine.watch(sql, params)).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Option<Vec<Vec<Row>>>, StoreError> {
        self.timed("transaction", self.engine.transaction(statements)).await
    }

    /// Not timed: it is nobody's work.
    async fn ping(&self) -> Result<(), StoreError> {
        self.engine.ping().await
    }

    async fn takes_changes(&self) -> Result<(), StoreError> {
        self.engine.takes_changes().await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        self.engine.clock().await
    }

    fn connections(&self) -> Option<Connections> {
        self.engine.connections()
    }
}
