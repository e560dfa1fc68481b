//! What goes into the file itself at once, and not only into the log of changes beside it.
//!
//! A log is easily lost: removed by hand, left out of a copy, damaged. That costs the changes since `SQLite` last moved
//! them into the file, a few hundred at most. Of a store that has just begun it would be everything, so each change of such
//! a store is moved until there is an account.

use rusqlite::Connection;

/// Moves what the log holds into the file and empties the log. Whether nobody was in the way.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<bool> {
    // Emptied, because the beginning of a log that lost its end would put older pages over newer ones.
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .map(|busy| busy == 0)
}

/// Whether the store has no account yet.
pub(super) fn is_young(connection: &Connection) -> bool {
    let nobody = "SELECT NOT EXISTS (SELECT 1 FROM accounts)";
    connection.query_row(nobody, [], |row| row.get(0)).unwrap_or(false)
}

/// After a change of a young store: settles it. Whether it is to be done after the next change as well.
pub(super) fn stays_young(connection: &Connection) -> bool {
    // The change itself is safe already; what could not be done now is done with the next one.
    !settle(connection).unwrap_or(false) || is_young(connection)
}
