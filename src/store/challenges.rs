//! Sign-ins and elevations that wait for a second factor. Of tokens and codes only hashes are kept; a challenge is
//! used up once, and each try at it is taken before anything is compared.

use super::{Row, Store, StoreError, Tx, params};
use crate::model::{AccountId, CodeId, SessionId, Timestamp};

/// A challenge as it is stored.
#[derive(Clone, Debug)]
pub struct ChallengeRow {
    /// Its identifier; the mailed code is bound to it.
    pub id: CodeId,
    /// Whose.
    pub account: AccountId,
    /// The session to be elevated; `None`: a sign-in.
    pub session: Option<SessionId>,
    /// SHA-256 of what the client holds.
    pub token_hash: [u8; 32],
    /// Keyed MAC of the password hash that it began with.
    pub password_mac: [u8; 32],
    /// SHA-256 of the cookie it is bound to; `None`: to none.
    pub browser_hash: Option<[u8; 32]>,
    /// Whether the person asked to stay signed in.
    pub keep: bool,
    /// The newest mailed code; `None`: none was asked for.
    pub code: Option<SentCode>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A mailed code as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct SentCode {
    /// Keyed MAC of the code, bound to its challenge.
    pub mac: [u8; 32],
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Store {
    /// The sign-in that waits under this token; used up and expired ones are not found.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn challenge(
        &self,
        token_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<ChallengeRow>, StoreError> {
        let rows = self
            .read(
                "SELECT id, account_id, session_id, token_hash, password_mac, browser_hash, keep, code_mac, code_expires,
                        expires_at
                 FROM challenges
                 WHERE token_hash = $1 AND session_id = '' AND consumed_at IS NULL AND expires_at > $2",
                params![token_hash, now],
            )
            .await?;
        rows.first().map(read).transpose()
    }

    /// The elevation of a session that waits for a mailed code.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn elevation_challenge(
        &self,
        account: AccountId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Option<ChallengeRow>, StoreError> {
        let rows = self
            .read(
                "SELECT id, account_id, session_id, token_hash, password_mac, browser_hash, keep, code_mac, code_expires,
                        expires_at
                 FROM challenges
                 WHERE account_id = $1 AND session_id = $2 AND consumed_at IS NULL AND expires_at > $3
                 ORDER BY created_at DESC LIMIT 1",
                params![account, session, now],
            )
            .await?;
        rows.first().map(read).transpose()
    }

    /// Takes one try of a challenge, before anything is compared. `None` when none is left or the challenge has
    /// ended; else the newest mailed code as it is now, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn take_challenge_try(
        &self,
        id: CodeId,
        now: Timestamp,
    ) -> Result<Option<Option<SentCode>>, StoreError> {
        let rows = self
            .write(
                "UPDATE challenges SET tries_left = tries_left - 1
                 WHERE id = $1 AND tries_left > 0 AND consumed_at IS NULL AND expires_at > $2
                 RETURNING code_mac, code_expires",
                params![id, now],
            )
            .await?;
        rows.first().map(|row| sent_code(row, 0)).transpose()
    }
}

impl Tx {
    /// Adds a challenge. An elevation takes the place of those its session waited for before.
    pub fn insert_challenge(&mut self, row: &ChallengeRow, tries: u32, now: Timestamp) {
        if let Some(session) = row.session {
            self.push(
                "DELETE FROM challenges WHERE account_id = $1 AND session_id = $2",
                params![row.account, session],
            );
        }
        let (mac, code_expires) = code_columns(row.code);
        self.push(
            "INSERT INTO challenges (id, account_id, session_id, token_hash, password_mac, browser_hash, keep, code_mac,
                                     code_expires, tries_left, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            params![
                row.id,
                row.account,
                row.session.map(|s| s.to_string()).unwrap_or_default(),
                row.token_hash,
                row.password_mac,
                row.browser_hash.map(|h| h.to_vec()).unwrap_or_default(),
                row.keep,
                mac,
                code_expires,
                tries,
                now,
                row.expires_at
            ],
        );
    }

    /// Puts a new mailed code in the place of the one before; the tries stay as they are. The challenge lives as long
    /// as the code. The transaction fails when the challenge has ended.
    pub fn replace_challenge_code(&mut self, id: CodeId, code: SentCode, now: Timestamp) {
        self.must(
            "UPDATE challenges SET code_mac = $2, code_expires = $3, expires_at = $3
             WHERE id = $1 AND consumed_at IS NULL AND tries_left > 0 AND expires_at > $4 RETURNING id",
            params![id, code.mac, code.expires_at, now],
        );
    }

    /// Ends everything of the account that waits for a second factor.
    pub fn drop_challenges(&mut self, account: AccountId) {
        self.push("DELETE FROM challenges WHERE account_id = $1", params![account]);
    }

    /// Uses a challenge up; the transaction fails when somebody else has, or when it has ended.
    pub fn consume_challenge(&mut self, id: CodeId, now: Timestamp) {
        self.must(
            "UPDATE challenges SET consumed_at = $2 WHERE id = $1 AND consumed_at IS NULL AND expires_at > $2
             RETURNING id",
            params![id, now],
        );
    }
}

fn read(row: &Row) -> Result<ChallengeRow, StoreError> {
    let session = row.text(2)?;
    Ok(ChallengeRow {
        id: row.parse(0)?,
        account: row.parse(1)?,
        session: if session.is_empty() { None } else { Some(row.parse(2)?) },
        token_hash: row.array(3)?,
        password_mac: row.array(4)?,
        browser_hash: if row.blob(5)?.is_empty() { None } else { Some(row.array(5)?) },
        keep: row.bool(6)?,
        code: sent_code(row, 7)?,
        expires_at: row.time(9)?,
    })
}

/// The two columns of a mailed code, from `first` on.
fn sent_code(row: &Row, first: usize) -> Result<Option<SentCode>, StoreError> {
    if row.blob(first)?.is_empty() {
        return Ok(None);
    }
    Ok(Some(SentCode { mac: row.array(first)?, expires_at: row.time(first + 1)? }))
}

fn code_columns(code: Option<SentCode>) -> (Vec<u8>, i64) {
    code.map_or((Vec::new(), 0), |c| (c.mac.to_vec(), c.expires_at.millis()))
}
