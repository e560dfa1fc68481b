//! What is kept about one person, for that person.

use super::{Row, Store, StoreError, params};
use crate::model::{AccountId, Timestamp};

/// A sign-in.
#[derive(Clone, Debug)]
pub struct KeptSession {
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it was ended, if it was.
    pub ended_at: Option<Timestamp>,
    /// From where it was last used.
    pub ip: String,
    /// With what.
    pub user_agent: String,
    /// How the person signed in, space-separated.
    pub amr: String,
}

/// A try to sign in.
#[derive(Clone, Debug)]
pub struct KeptAttempt {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: String,
    /// With what.
    pub user_agent: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// A stable word.
    pub reason: String,
}

/// A browser that has signed in before.
#[derive(Clone, Debug)]
pub struct KeptDevice {
    /// When it first did.
    pub created_at: Timestamp,
    /// When it last did.
    pub last_seen_at: Timestamp,
    /// From where.
    pub ip: String,
    /// With what.
    pub user_agent: String,
    /// No second factor until then; `None`: asked each time.
    pub trusted_until: Option<Timestamp>,
}

/// A line of the audit trail, as far as it concerns one person.
#[derive(Clone, Debug)]
pub struct KeptDeed {
    /// When.
    pub at: Timestamp,
    /// Who: an account id, `system` or `operator`.
    pub actor: String,
    /// What.
    pub action: String,
    /// From where; empty where it came by no request.
    pub ip: String,
}

#[expect(clippy::missing_errors_doc, reason = "all alike: StoreError when the store does not answer")]
impl Store {
    /// The account's sessions that have not been removed, newest first, at most `most`. Index: `sessions_by_account`.
    pub async fn own_sessions(&self, id: AccountId, most: u32) -> Result<Vec<KeptSession>, StoreError> {
        let sql = "SELECT created_at, last_seen_at, ended_at, ip, user_agent, amr FROM sessions
                   WHERE account_id = $1 ORDER BY created_at DESC, id LIMIT $2";
        let session = |row: &Row| {
            Ok(KeptSession {
                created_at: row.time(0)?,
                last_seen_at: row.time(1)?,
                ended_at: row.opt(2, Row::time)?,
                ip: row.string(3)?,
                user_agent: row.string(4)?,
                amr: row.string(5)?,
            })
        };
        self.read(sql, params![id, most]).await?.iter().map(session).collect()
    }

    /// The tries to sign in to the account, newest first, at most `most`. Index: `attempts_by_account`.
    pub async fn own_attempts(&self, id: AccountId, most: u32) -> Result<Vec<KeptAttempt>, StoreError> {
        let sql = "SELECT at, ip, user_agent, outcome, reason FROM attempts
                   WHERE account_id = $1 ORDER BY at DESC, id LIMIT $2";
        let attempt = |row: &Row| {
            Ok(KeptAttempt {
                at: row.time(0)?,
                ip: row.string(1)?,
                user_agent: row.string(2)?,
                outcome: row.string(3)?,
                reason: row.string(4)?,
            })
        };
        self.read(sql, params![id, most]).await?.iter().map(attempt).collect()
    }

    /// The account's known devices, the newest first.
    pub async fn own_devices(&self, id: AccountId) -> Result<Vec<KeptDevice>, StoreError> {
        let sql = "SELECT created_at, last_seen_at, ip, user_agent, trusted_until FROM devices
                   WHERE account_id = $1 ORDER BY last_seen_at DESC, device_id";
        let device = |row: &Row| {
            Ok(KeptDevice {
                created_at: row.time(0)?,
                last_seen_at: row.time(1)?,
                ip: row.string(2)?,
                user_agent: row.string(3)?,
                trusted_until: Some(row.time(4)?).filter(|t| t.millis() > 0),
            })
        };
        self.read(sql, params![id]).await?.iter().map(device).collect()
    }

    /// What was done by or to the account, newest first, at most `most`. Indices: `audit_by_actor`,
    /// `audit_by_target`.
    pub async fn audit_about(&self, id: AccountId, most: u32) -> Result<Vec<KeptDeed>, StoreError> {
        let sql = "SELECT at, actor, action, ip FROM audit WHERE actor = $1 OR target = $1
                   ORDER BY at DESC, id LIMIT $2";
        let line = |row: &Row| {
            Ok(KeptDeed {
                at: row.time(0)?,
                actor: row.string(1)?,
                action: row.string(2)?,
                ip: row.string(3)?,
            })
        };
        self.read(sql, params![id, most]).await?.iter().map(line).collect()
    }
}
