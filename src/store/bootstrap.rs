//! The one-time way to make the first admin: one row that every node agrees on.

use super::{Row, Store, StoreError, Tx, params};
use crate::model::Timestamp;

impl Store {
    /// The nonce of the way that is still open; with `fresh` as the nonce if there was no row yet. Two nodes that
    /// start at once get the same. `None`: it was used.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn open_bootstrap(
        &self,
        fresh: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "INSERT INTO bootstrap (name, nonce, created_at) VALUES ('first-admin', $1, $2)
                   ON CONFLICT (name) DO NOTHING";
        self.write(sql, params![fresh, now]).await?;
        self.bootstrap().await
    }

    /// The nonce of the way that is still open.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn bootstrap(&self) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "SELECT nonce FROM bootstrap WHERE name = 'first-admin' AND used_at IS NULL";
        let rows = self.read(sql, Vec::new()).await?;
        rows.first().map(|row: &Row| row.array(0)).transpose()
    }
}

impl Tx {
    /// Uses the way up; the transaction fails when somebody else has.
    pub fn use_bootstrap(&mut self, nonce: [u8; 32], now: Timestamp) {
        // The row is held until the commit: of two who come at once, the second finds it used.
        self.must(
            "UPDATE bootstrap SET used_at = $2
             WHERE name = 'first-admin' AND nonce = $1 AND used_at IS NULL RETURNING name",
            params![nonce, now],
        );
    }
}
