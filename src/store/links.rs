//! Mailed links that have no short code beside them. They share the table of the codes; several of one purpose may live
//! at once and are told apart by their hash.

use super::{Store, StoreError, Tx, params};
use crate::model::{AccountId, CodeId, Timestamp};

/// A mailed link as it is stored.
#[derive(Clone, Debug)]
pub struct LinkRow {
    /// Its identifier.
    pub id: CodeId,
    /// Whose.
    pub account: AccountId,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// When it ends.
    pub expires: Timestamp,
}

impl Store {
    /// The link with this hash, unless it was used or has ended. Index: `codes_by_account`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn live_link(
        &self,
        account: AccountId,
        purpose: &'static str,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<LinkRow>, StoreError> {
        let rows = self
            .read(
                "SELECT id, link_expires FROM codes
                 WHERE account_id = $1 AND purpose = $2 AND link_hash = $3 AND consumed_at IS NULL AND link_expires > $4",
                params![account, purpose, hash, now],
            )
            .await?;
        let row = rows.first();
        row.map(|row| Ok(LinkRow { id: row.parse(0)?, account, hash, expires: row.time(1)? })).transpose()
    }
}

impl Tx {
    /// Adds a link beside those that live.
    pub fn insert_link(&mut self, link: &LinkRow, purpose: &'static str, now: Timestamp) {
        // No code fits: it has no tries and has ended.
        self.push(
            "INSERT INTO codes (id, account_id, purpose, link_hash, code_hash, tries_left, link_expires, code_expires,
                                created_at)
             VALUES ($1, $2, $3, $4, $4, 0, $5, 0, $6)",
            params![link.id, link.account, purpose, link.hash, link.expires, now],
        );
    }

    /// Keeps the newest `keep` links of the account for `purpose`.
    pub fn cap_links(&mut self, account: AccountId, purpose: &'static str, keep: u32) {
        self.push(
            "DELETE FROM codes WHERE account_id = $1 AND purpose = $2 AND id NOT IN
               (SELECT id FROM codes WHERE account_id = $1 AND purpose = $2 ORDER BY created_at DESC, id LIMIT $3)",
            params![account, purpose, keep],
        );
    }

    /// Ends whatever was mailed to the account before, for any purpose. What can still undo the closing of a closed account
    /// stays.
    pub fn drop_mailed(&mut self, account: AccountId) {
        self.push(
            "DELETE FROM codes WHERE account_id = $1
               AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = $1 AND a.delete_at IS NULL)",
            params![account],
        );
    }
}
