//! The keys that sign tokens, their private halves sealed by the caller. Each key names the one it follows, and
//! no two follow the same one: of nodes that start or rotate at once, exactly one gets its key in.

use super::{Row, Store, StoreError, Tx, params};
use crate::model::Timestamp;

/// One signing key as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// The key's public name.
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// The private key, sealed.
    pub sealed_private: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it signs nothing new.
    pub retired_at: Option<Timestamp>,
}

/// Every key, oldest first.
pub(super) const ALL: &str = "SELECT kid, algorithm, sealed_private, created_at, retired_at FROM signing_keys ORDER BY created_at, kid";

impl Store {
    /// Every key that is kept, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError> {
        self.read(ALL, Vec::new()).await?.iter().map(read).collect()
    }

    /// Adds `key` behind the key `follows` (`None`: as the very first one) and retires that one. `false`, and
    /// nothing changed, when another node was faster: list the keys again then.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn add_signing_key(
        &self,
        key: &SigningKeyRow,
        follows: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut tx = Tx::new();
        tx.add_signing_key(key, follows);
        Ok(self.commit(tx).await?.is_some())
    }

    /// Deletes the keys that were retired before `before`. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn purge_signing_keys(&self, before: Timestamp) -> Result<usize, StoreError> {
        let sql = "DELETE FROM signing_keys WHERE retired_at < $1 RETURNING kid";
        Ok(self.write(sql, params![before]).await?.len())
    }
}

impl Tx {
    /// Adds `key` behind the key `follows` and retires that one when the new one begins. The transaction fails when
    /// another key follows it already.
    pub fn add_signing_key(&mut self, key: &SigningKeyRow, follows: Option<&str>) {
        self.must(
            "INSERT INTO signing_keys (kid, algorithm, sealed_private, created_at, retired_at, follows)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            params![
                &key.kid,
                &key.algorithm,
                key.sealed_private.as_slice(),
                key.created_at,
                key.retired_at,
                follows.unwrap_or_default()
            ],
        );
        if let Some(kid) = follows {
            self.push(RETIRE, params![kid, key.created_at]);
        }
    }

    /// Removes a key for good; the transaction fails when there is no such key.
    pub fn remove_signing_key(&mut self, kid: &str) {
        self.must("DELETE FROM signing_keys WHERE kid = $1 RETURNING kid", params![kid]);
    }
}

const RETIRE: &str = "UPDATE signing_keys SET retired_at = $2 WHERE kid = $1 AND retired_at IS NULL";

pub(super) fn read(row: &Row) -> Result<SigningKeyRow, StoreError> {
    Ok(SigningKeyRow {
        kid: row.string(0)?,
        algorithm: row.string(1)?,
        sealed_private: row.blob(2)?.to_vec(),
        created_at: row.time(3)?,
        retired_at: row.opt(4, Row::time)?,
    })
}
