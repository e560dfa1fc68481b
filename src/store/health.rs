//! Damage that was met on the way. A store with a damaged page answers every other question as ever.

use std::sync::OnceLock;

use super::StoreError;

/// The first damage that a statement has met.
#[derive(Default)]
pub(super) struct Health(OnceLock<StoreError>);

impl Health {
    pub(super) fn note<T>(&self, done: &Result<T, StoreError>) {
        if let Err(e @ StoreError::Corrupt(_)) = done {
            let _ = self.0.set(e.clone());
        }
    }

    /// # Errors
    /// The damage, until the program starts again, with another store.
    pub(super) fn verdict(&self) -> Result<(), StoreError> {
        self.0.get().map_or(Ok(()), |damage| Err(damage.clone()))
    }
}
