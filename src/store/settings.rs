//! Which store.

use std::path::PathBuf;

/// Where the data live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// One SQLite file.
    Sqlite {
        /// Its path; `:memory:` for a store that is gone with the process.
        path: PathBuf,
    },
}
