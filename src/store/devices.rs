//! Browsers that have signed in, one row for each account they were used with.

use super::{Row, Seen, Store, StoreError, Tx, params};
use crate::model::{AccountId, DeviceId, SessionId, Timestamp};

/// A device as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its identifier.
    pub id: DeviceId,
    /// Until when it is not asked for a second factor; the past: it is asked each time.
    pub trusted_until: Timestamp,
    /// The address it last signed in from.
    pub ip: String,
    /// What it called itself then.
    pub user_agent: String,
    /// When it first signed in.
    pub created_at: Timestamp,
    /// When it last signed in.
    pub last_seen_at: Timestamp,
}

/// What an account knows of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Familiarity {
    /// Whether the account has ever signed in, on whatever device.
    pub signed_in_before: bool,
    /// Whether it has on this one.
    pub known: bool,
}

impl Store {
    /// What the account knows of the device.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn familiarity(&self, account: AccountId, device: DeviceId) -> Result<Familiarity, StoreError> {
        let rows = self
            .read(
                "SELECT a.signed_in_at, d.device_id
                 FROM accounts a LEFT JOIN devices d ON d.account_id = a.id AND d.device_id = $2
                 WHERE a.id = $1",
                params![account, device],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(Familiarity::default()) };
        Ok(Familiarity { signed_in_before: !row.is_null(0)?, known: !row.is_null(1)? })
    }

    /// Until when the device is trusted by the account; `None` when it is not known there.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn device_trust(
        &self,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT trusted_until FROM devices WHERE account_id = $1 AND device_id = $2";
        let rows = self.read(sql, params![account, device]).await?;
        rows.first().map(|row| row.time(0)).transpose()
    }

    /// The account's devices, the last used first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn devices(&self, account: AccountId) -> Result<Vec<DeviceRow>, StoreError> {
        let rows = self
            .read(
                "SELECT device_id, trusted_until, ip, user_agent, created_at, last_seen_at
                 FROM devices WHERE account_id = $1 ORDER BY last_seen_at DESC, device_id",
                params![account],
            )
            .await?;
        rows.iter().map(read).collect()
    }

    /// Removes at most `limit` devices that were not used since `before`; how many. Index: `devices_by_age`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn purge_devices(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let rows = self
            .write(
                "DELETE FROM devices WHERE (account_id, device_id) IN
                   (SELECT account_id, device_id FROM devices WHERE last_seen_at < $1 ORDER BY last_seen_at LIMIT $2)
                 RETURNING device_id",
                params![before, limit],
            )
            .await?;
        Ok(rows.len() as u64)
    }
}

impl Tx {
    /// Notes a whole sign-in of the account on the device.
    pub fn see_device(&mut self, account: AccountId, device: DeviceId, seen: Seen<'_>) {
        self.push("UPDATE accounts SET signed_in_at = $2 WHERE id = $1", params![account, seen.at]);
        self.push(
            "INSERT INTO devices (device_id, account_id, trusted_until, ip, user_agent, created_at, last_seen_at)
             VALUES ($1, $2, 0, $3, $4, $5, $5)
             ON CONFLICT (account_id, device_id) DO UPDATE
               SET ip = excluded.ip, user_agent = excluded.user_agent, last_seen_at = excluded.last_seen_at",
            params![device, account, seen.ip, seen.user_agent, seen.at],
        );
    }

    /// Calls the device of a session by another name, for every account that knows it.
    pub fn rename_device_of(&mut self, session: SessionId, name: DeviceId) {
        self.push(
            "UPDATE devices SET device_id = $2
             WHERE device_id = (SELECT device_id FROM sessions WHERE id = $1 AND device_id <> '')",
            params![session, name],
        );
        self.push(
            "UPDATE sessions SET device_id = $2 WHERE id = $1 AND device_id <> ''",
            params![session, name],
        );
    }

    /// Forgets every device of the account but that of one session.
    pub fn forget_other_devices(&mut self, account: AccountId, session: SessionId) {
        self.push(
            "DELETE FROM devices
             WHERE account_id = $1 AND device_id <> COALESCE((SELECT device_id FROM sessions WHERE id = $2), '')",
            params![account, session],
        );
    }

    /// Trusts the device of an open session until `until`; the transaction fails when the session has ended, or when its
    /// device is not known any more.
    pub fn trust_device_of(&mut self, session: SessionId, until: Timestamp) {
        self.must(
            "UPDATE devices SET trusted_until = $2
             WHERE account_id = (SELECT account_id FROM sessions WHERE id = $1 AND ended_at IS NULL)
               AND device_id = (SELECT device_id FROM sessions WHERE id = $1)
             RETURNING device_id",
            params![session, until],
        );
    }

    /// Lets the account keep `current` and at most `others` more devices: trusted ones before those that have come
    /// back, those before the ones that signed in once, as programs without a cookie jar do each time.
    pub fn cap_devices(&mut self, account: AccountId, current: DeviceId, others: u32, now: Timestamp) {
        self.push(
            "DELETE FROM devices WHERE account_id = $1 AND device_id <> $2 AND device_id NOT IN
               (SELECT device_id FROM devices WHERE account_id = $1 AND device_id <> $2
                ORDER BY CASE WHEN trusted_until > $4 THEN 0 WHEN last_seen_at > created_at THEN 1 ELSE 2 END,
                         last_seen_at DESC, device_id
                LIMIT $3)",
            params![account, current, others, now],
        );
    }

    /// Forgets a device of the account; the transaction fails when it does not know it.
    pub fn forget_device(&mut self, account: AccountId, device: DeviceId) {
        self.must(
            "DELETE FROM devices WHERE account_id = $1 AND device_id = $2 RETURNING device_id",
            params![account, device],
        );
    }

    /// Forgets every device of the account.
    pub fn forget_devices(&mut self, account: AccountId) {
        self.push("DELETE FROM devices WHERE account_id = $1", params![account]);
    }

    /// Asks every device of the account for a second factor again; they stay known.
    pub fn distrust_devices(&mut self, account: AccountId) {
        self.push("UPDATE devices SET trusted_until = 0 WHERE account_id = $1", params![account]);
    }
}

fn read(row: &Row) -> Result<DeviceRow, StoreError> {
    Ok(DeviceRow {
        id: row.parse(0)?,
        trusted_until: row.time(1)?,
        ip: row.string(2)?,
        user_agent: row.string(3)?,
        created_at: row.time(4)?,
        last_seen_at: row.time(5)?,
    })
}
