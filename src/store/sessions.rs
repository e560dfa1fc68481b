//! Sessions. Each row carries its refresh family: the hash of the live token and of the one before it.

use super::{Row, Store, StoreError, Tx, params};
use crate::model::{AccountId, ClientIp, DeviceId, SessionId, Timestamp};

/// A session as it is stored.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Its identifier; the `sid` of its tokens.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// How the person signed in, space-separated.
    pub amr: String,
    /// When the person signed in.
    pub auth_time: Timestamp,
    /// Whether the person asked to stay signed in.
    pub keep: bool,
    /// SHA-256 of the live refresh token's secret.
    pub refresh_hash: [u8; 32],
    /// The same of the token before it.
    pub previous_hash: Option<[u8; 32]>,
    /// When the live token took the place of the one before it, by [`Store::time`].
    pub rotated_at: Timestamp,
    /// Whether nobody may have heard of the live token: the one before it stays good until the live one is used.
    pub unheard: bool,
    /// Ends then unless it is used.
    pub idle_expires: Timestamp,
    /// Ends then in any case.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// On which device.
    pub device: Option<DeviceId>,
}

/// An open session as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its identifier.
    pub id: SessionId,
    /// The address it was last refreshed from.
    pub ip: String,
    /// What the client called itself then.
    pub user_agent: String,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_seen_at: Timestamp,
    /// Ends then unless it is used.
    pub idle_expires: Timestamp,
    /// Ends then in any case.
    pub expires_at: Timestamp,
    /// How the person signed in, space-separated.
    pub amr: String,
}

/// The device a session was last seen on.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: ClientIp,
    /// With what.
    pub user_agent: &'a str,
}

/// One step of a refresh family.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The session.
    pub id: SessionId,
    /// The live hash, as it was seen.
    pub from: [u8; 32],
    /// The hash that takes its place.
    pub to: [u8; 32],
    /// When, by [`Store::time`].
    pub at: Timestamp,
    /// The new idle end.
    pub idle_expires: Timestamp,
}

impl Store {
    /// The session, ended or not.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let rows = self
            .read(
                "SELECT id, account_id, amr, auth_time, keep, refresh_hash, previous_hash, rotated_at, idle_expires,
                        expires_at, ended_at, device_id, unheard
                 FROM sessions WHERE id = $1",
                params![id],
            )
            .await?;
        rows.first().map(read).transpose()
    }

    /// The account's sessions that have not ended, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn open_sessions(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError> {
        let rows = self
            .read(
                "SELECT id FROM sessions
                 WHERE account_id = $1 AND ended_at IS NULL AND idle_expires > $2 AND expires_at > $2
                 ORDER BY created_at DESC, id",
                params![account, now],
            )
            .await?;
        rows.iter().map(|row| row.parse(0)).collect()
    }

    /// The account's open sessions for their owner, newest first. Index: `sessions_by_account`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn session_views(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Vec<SessionView>, StoreError> {
        let rows = self
            .read(
                "SELECT id, ip, user_agent, created_at, last_seen_at, idle_expires, expires_at, amr FROM sessions
                 WHERE account_id = $1 AND ended_at IS NULL AND idle_expires > $2 AND expires_at > $2
                 ORDER BY created_at DESC, id",
                params![account, now],
            )
            .await?;
        rows.iter().map(view).collect()
    }

    /// Removes at most `limit` sessions that ended or ran out before `before`; how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn purge_sessions(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let rows = self
            .write(
                "DELETE FROM sessions WHERE id IN
                   (SELECT id FROM sessions WHERE expires_at < $1 OR idle_expires < $1 OR ended_at < $1 LIMIT $2)
                 RETURNING id",
                params![before, limit],
            )
            .await?;
        Ok(rows.len() as u64)
    }
}

impl Tx {
    /// Adds a session.
    pub fn insert_session(&mut self, session: &SessionRow, seen: Seen<'_>) {
        self.push(
            "INSERT INTO sessions (id, account_id, amr, auth_time, keep, refresh_hash, rotated_at, generation,
                                   idle_expires, expires_at, created_at, last_seen_at, ip, user_agent, device_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $10, $11, $12, $13)",
            params![
                session.id,
                session.account,
                &session.amr,
                session.auth_time,
                session.keep,
                session.refresh_hash,
                session.rotated_at,
                session.idle_expires,
                session.expires_at,
                seen.at,
                seen.ip,
                seen.user_agent,
                session.device.map(|d| d.to_string()).unwrap_or_default()
            ],
        );
    }

    /// Puts the successor in the place of the live refresh token. The transaction fails unless the live token is
    /// still `step.from`, the session is open and its account may sign in.
    pub fn rotate_session(&mut self, step: &Rotation, seen: Seen<'_>) {
        self.must(
            "UPDATE sessions SET refresh_hash = $3, previous_hash = $2, rotated_at = $8, unheard = FALSE,
                                 generation = generation + 1, idle_expires = $5, last_seen_at = $4, ip = $6, user_agent = $7
             WHERE id = $1 AND refresh_hash = $2 AND ended_at IS NULL AND idle_expires > $4 AND expires_at > $4
               AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = sessions.account_id
                                                      AND a.verified_at IS NOT NULL AND a.disabled_at IS NULL
                                                      AND a.delete_at IS NULL)
             RETURNING id",
            params![step.id, step.from, step.to, seen.at, step.idle_expires, seen.ip, seen.user_agent, step.at],
        );
    }

    /// Writes down that nobody may have heard of the step, if it was made and is the last one.
    pub fn mark_unheard(&mut self, step: &Rotation) {
        self.push(
            "UPDATE sessions SET unheard = TRUE
             WHERE id = $1 AND previous_hash = $2 AND refresh_hash = $3 AND ended_at IS NULL RETURNING id",
            params![step.id, step.from, step.to],
        );
    }

    /// Writes down that the person has just proved who they are, and how, if that has become more. The transaction
    /// fails when the session has ended.
    pub fn elevate_session(&mut self, id: SessionId, amr: Option<&str>, now: Timestamp) {
        self.must(
            "UPDATE sessions SET auth_time = $2, amr = COALESCE($3, amr)
             WHERE id = $1 AND ended_at IS NULL AND idle_expires > $2 AND expires_at > $2 RETURNING id",
            params![id, now, amr],
        );
    }

    /// Makes the transaction depend on nobody having ended the session: it is open, or its time ran out.
    pub fn need_session(&mut self, id: SessionId, account: AccountId) {
        // An UPDATE rather than a SELECT: it holds the row until the commit on every engine.
        self.must(
            "UPDATE sessions SET account_id = account_id
             WHERE id = $1 AND account_id = $2 AND (ended_at IS NULL OR end_reason IN ('idle', 'expired'))
             RETURNING id",
            params![id, account],
        );
    }

    /// Ends the session; a session that has ended stays as it is.
    pub fn end_session(&mut self, id: SessionId, reason: &'static str, now: Timestamp) {
        self.push(
            "UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL",
            params![id, now, reason],
        );
    }

    /// Ends the session; the transaction fails when it has ended already.
    pub fn end_open_session(&mut self, id: SessionId, reason: &'static str, now: Timestamp) {
        self.must(
            "UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL RETURNING id",
            params![id, now, reason],
        );
    }
}

fn read(row: &Row) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: row.parse(0)?,
        account: row.parse(1)?,
        amr: row.string(2)?,
        auth_time: row.time(3)?,
        keep: row.bool(4)?,
        refresh_hash: row.array(5)?,
        previous_hash: row.opt(6, Row::array)?,
        rotated_at: row.time(7)?,
        idle_expires: row.time(8)?,
        expires_at: row.time(9)?,
        ended_at: row.opt(10, Row::time)?,
        device: row.parse(11).ok(),
        unheard: row.bool(12)?,
    })
}

fn view(row: &Row) -> Result<SessionView, StoreError> {
    Ok(SessionView {
        id: row.parse(0)?,
        ip: row.string(1)?,
        user_agent: row.string(2)?,
        created_at: row.time(3)?,
        last_seen_at: row.time(4)?,
        idle_expires: row.time(5)?,
        expires_at: row.time(6)?,
        amr: row.string(7)?,
    })
}
