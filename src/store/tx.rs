//! A transaction, written down before it runs.

use super::Value;
use super::engine::Statement;

/// A list of statements that happen together or not at all. Each aggregate adds its own with an `impl Tx`
/// beside its queries; [`Store::commit`](super::Store::commit) runs them.
#[derive(Debug, Default)]
#[must_use = "nothing happens before Store::commit"]
pub struct Tx {
    pub(super) statements: Vec<Statement>,
    pub(super) mails: usize,
}

impl Tx {
    /// An empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a statement that may hit any number of rows. Returns its index in the answer of `commit`.
    pub fn push(&mut self, sql: &'static str, params: Vec<Value>) -> usize {
        self.add(sql, params, false)
    }

    /// Adds a statement that must touch or return at least one row, or else the whole transaction is rolled
    /// back and `commit` answers `None`. Returns its index in the answer of `commit`.
    pub fn must(&mut self, sql: &'static str, params: Vec<Value>) -> usize {
        self.add(sql, params, true)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    fn add(&mut self, sql: &'static str, params: Vec<Value>, must_hit: bool) -> usize {
        self.statements.push(Statement { sql, params, must_hit });
        self.statements.len() - 1
    }
}
