//! What goes into the file itself at once, and not only into the log of changes beside it.
//!
//! A log is easily lost: removed by hand, left out of a copy, damaged. That costs the changes since `SQLite` last moved
//! them into the file, a few hundred at most. Of a store that has just begun it would be everything, and a link for the
//! first administrator that was used would be good once more.

use rusqlite::Connection;

/// Moves what the log holds into the file and empties the log. Whether nobody was in the way.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<bool> {
    // Emptied, because the beginning of a log that lost its end would put older pages over newer ones.
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .map(|busy| busy == 0)
}

/// What has not happened yet in a store.
pub(super) struct Awaited {
    account: bool,
    /// That somebody becomes the first administrator by the link for it.
    use_of_link: bool,
}

impl Awaited {
    /// As it stands in the store.
    pub(super) fn read(connection: &Connection) -> Self {
        Self { account: !has_account(connection), use_of_link: !link_is_used(connection) }
    }

    /// After a change: settles it where the store has no account yet, or where it used the link.
    pub(super) fn look(&mut self, connection: &Connection) {
        let used = self.use_of_link && link_is_used(connection);
        // The change itself is safe already. What somebody was in the way of is done after the next one.
        if (self.account || used) && settle(connection).unwrap_or(false) {
            *self = Self::read(connection);
        }
    }
}

fn has_account(connection: &Connection) -> bool {
    is_there(connection, "SELECT EXISTS (SELECT 1 FROM accounts)")
}

fn link_is_used(connection: &Connection) -> bool {
    is_there(connection, "SELECT EXISTS (SELECT 1 FROM bootstrap WHERE used_at IS NOT NULL)")
}

fn is_there(connection: &Connection, sql: &str) -> bool {
    let asked = connection.prepare_cached(sql).and_then(|mut sql| sql.query_row([], |row| row.get(0)));
    asked.unwrap_or(false)
}
