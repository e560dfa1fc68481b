//! The schema of the store, without a gateway.

use super::StartError;
use crate::config::Settings;
use crate::store::{Migrated, Store};

/// Brings the schema of the configured store up to date, under a lock that others wait for. Blocks.
///
/// # Errors
/// [`StartError::Store`].
pub fn migrate(settings: &Settings) -> Result<Migrated, StartError> {
    Ok(Store::migrate(&settings.store)?)
}
