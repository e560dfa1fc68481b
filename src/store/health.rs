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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_5_23_damage_is_not_forgotten() {
        let (health, damaged) = (Health::default(), StoreError::Corrupt("page 7".into()));
        health.note(&Err::<(), _>(StoreError::NotWritable("disk full".into())));
        assert_eq!(health.verdict(), Ok(()));
        health.note(&Err::<(), _>(damaged.clone()));
        health.note(&Ok(()));
        assert_eq!(health.verdict(), Err(damaged));
    }
}
