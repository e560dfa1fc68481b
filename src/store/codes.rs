//! Mailed secrets: a link token and a short code for one purpose, hashed. Only the newest of an account and
//! purpose exists: making one deletes those before it.

use super::{Store, StoreError, Tx, params};
use crate::model::{AccountId, CodeId, Timestamp};

/// A mailed secret as it is stored. Live: neither used nor replaced; the two times say which half still counts.
#[derive(Clone, Debug)]
pub struct CodeRow {
    /// Its identifier.
    pub id: CodeId,
    /// Whose.
    pub account: AccountId,
    /// SHA-256 of the link token.
    pub link_hash: [u8; 32],
    /// Keyed MAC of the short code.
    pub code_hash: [u8; 32],
    /// When the link ends.
    pub link_expires: Timestamp,
    /// When the code ends.
    pub code_expires: Timestamp,
    /// What it is about, such as a new address; often empty.
    pub payload: String,
}

impl Store {
    /// The account's mailed secret for `purpose`, unless it was used.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn live_code(
        &self,
        account: AccountId,
        purpose: &'static str,
    ) -> Result<Option<CodeRow>, StoreError> {
        let rows = self
            .read(
                "SELECT id, account_id, link_hash, code_hash, link_expires, code_expires, payload FROM codes
                 WHERE account_id = $1 AND purpose = $2 AND consumed_at IS NULL ORDER BY created_at DESC LIMIT 1",
                params![account, purpose],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(CodeRow {
            id: row.parse(0)?,
            account: row.parse(1)?,
            link_hash: row.array(2)?,
            code_hash: row.array(3)?,
            link_expires: row.time(4)?,
            code_expires: row.time(5)?,
            payload: row.string(6)?,
        }))
    }

    /// Removes at most `limit` mailed secrets whose link ended before `now`; how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn purge_codes(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let rows = self
            .write(
                "DELETE FROM codes WHERE id IN
                   (SELECT id FROM codes WHERE link_expires <= $1 AND code_expires <= $1 LIMIT $2)
                 RETURNING id",
                params![now, limit],
            )
            .await?;
        Ok(rows.len() as u64)
    }
}

impl Tx {
    /// Makes `code` the only mailed secret of its account and purpose.
    pub fn replace_code(&mut self, code: &CodeRow, purpose: &'static str, tries: u32, now: Timestamp) {
        self.drop_codes(code.account, purpose);
        self.push(
            "INSERT INTO codes (id, account_id, purpose, link_hash, code_hash, tries_left, link_expires, code_expires,
                                created_at, payload)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            params![
                code.id,
                code.account,
                purpose,
                code.link_hash,
                code.code_hash,
                tries,
                code.link_expires,
                code.code_expires,
                now,
                &code.payload
            ],
        );
    }

    /// Ends every mailed secret of the account for `purpose`.
    pub fn drop_codes(&mut self, account: AccountId, purpose: &'static str) {
        self.push("DELETE FROM codes WHERE account_id = $1 AND purpose = $2", params![account, purpose]);
    }

    /// Takes one try of the short code, before it is compared. Returns the index of the answer, which is empty when no
    /// try is left or the code has ended.
    pub fn take_code_try(&mut self, id: CodeId, now: Timestamp) -> usize {
        self.push(
            "UPDATE codes SET tries_left = tries_left - 1
             WHERE id = $1 AND tries_left > 0 AND consumed_at IS NULL AND code_expires > $2 RETURNING id",
            params![id, now],
        )
    }

    /// Uses the secret up; the transaction fails when somebody else has, or when it was replaced.
    pub fn consume_code(&mut self, id: CodeId, now: Timestamp) {
        self.must(
            "UPDATE codes SET consumed_at = $2 WHERE id = $1 AND consumed_at IS NULL RETURNING id",
            params![id, now],
        );
    }
}
