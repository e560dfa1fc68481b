//! A store that moves or is copied, without a gateway.

use std::path::Path;

use crate::config::{SecretError, Settings};
use crate::store::{
    Moved, PostgresSettings, Settings as StoreSettings, Snapshot, Store, StoreError, TransferError,
};
use crate::token::{KeyError, SigningKey, Vault, WeakSecret};

use super::keys::stored;

/// Why a store was not copied; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The configuration names no server.
    #[error("`store.url` must name the PostgreSQL database to copy into")]
    NotToPostgres,
    /// The configuration names a server.
    #[error(
        "this copies SQLite stores; PostgreSQL has its own tool: pg_dump --format=custom --file=FILE \"$URL\" (and \
         pg_restore)"
    )]
    NotOfSqlite,
    /// There is no file.
    #[error("the store is in memory, there is nothing to copy")]
    InMemory,
    /// The operator's secret.
    #[error("{0}; {help}", help = .0.help())]
    Secret(#[from] SecretError),
    /// The secret has too little in it.
    #[error("the secret cannot be used: {0}")]
    WeakSecret(#[from] WeakSecret),
    /// The secret is not the one of the source.
    #[error(
        "{0}; nothing was copied, because everybody would be signed out and every second factor lost. Use the \
         `secret` that the source was made with"
    )]
    Keys(#[from] KeyError),
    /// The copy to a server.
    #[error("{0}; nothing was copied, unless the target holds accounts now")]
    Transfer(#[from] TransferError),
    /// The copy to a file.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the SQLite store at `from` into the configured, empty PostgreSQL store. `told` hears of every few rows.
/// Blocks.
///
/// # Errors
/// [`CopyError`].
pub fn transfer(
    settings: &Settings,
    from: &Path,
    told: &mut dyn FnMut(Moved),
) -> Result<Vec<Moved>, CopyError> {
    let to: &PostgresSettings = match &settings.store {
        StoreSettings::Postgres(to) => to,
        StoreSettings::Sqlite { .. } => return Err(CopyError::NotToPostgres),
    };
    let source = Snapshot::open(from)?;
    let keys = source.signing_keys()?;
    // Not made here where it is missing: a new secret could only be the wrong one.
    let vault = Vault::new(&settings.secret.load()?)?;
    for key in keys {
        SigningKey::open(&vault, &stored(key))?;
    }
    Ok(source.copy(to, told)?)
}

/// Copies the configured SQLite store to a new file, also while a gateway uses it; its size in bytes. Blocks.
///
/// # Errors
/// [`CopyError`].
pub fn backup(settings: &Settings, to: &Path) -> Result<u64, CopyError> {
    match &settings.store {
        StoreSettings::Postgres(_) => Err(CopyError::NotOfSqlite),
        StoreSettings::Sqlite { path } if path.as_os_str() == ":memory:" => Err(CopyError::InMemory),
        StoreSettings::Sqlite { path } => Ok(Store::backup(path, to)?),
    }
}
