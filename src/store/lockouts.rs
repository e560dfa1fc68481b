//! Failures by address, known or not, so that both lock alike. A counter changes by compare-and-set, together with
//! whatever its change brings about: nodes that share a store share the count.

use super::{Row, Store, StoreError, Tx, params};
use crate::model::{DeviceId, Email, SessionId, Timestamp};

/// What failures are counted for: an address, or a device or session of it that counts apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockKey(String);

impl LockKey {
    /// The address, for whoever is not known better.
    #[must_use]
    pub fn address(email: &Email) -> Self {
        Self(email.to_string())
    }

    /// A device that the address has signed in on before: strangers cannot use up its tries.
    #[must_use]
    pub fn device(email: &Email, device: DeviceId) -> Self {
        Self(format!("{email}#{device}"))
    }

    /// Codes that are asked for again of people who are signed in, in whatever session: a new sign-in with the password
    /// alone must not buy more guesses (M-04).
    #[must_use]
    pub fn codes(email: &Email) -> Self {
        Self(format!("{email}#codes"))
    }

    /// One open session of the address: what is asked again of somebody who is signed in.
    #[must_use]
    pub fn session(email: &Email, session: SessionId) -> Self {
        Self(format!("{email}#{session}"))
    }
}

/// The failures of one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailureRow {
    /// How many count towards the next lock.
    pub failures: u32,
    /// When the first of them was.
    pub window_start: Timestamp,
    /// Until when the key is locked; the past, or 0: it is not.
    pub locked_until: Timestamp,
    /// How often in a row it was locked.
    pub locks: u32,
    /// When the last failure was counted.
    pub updated_at: Timestamp,
}

impl Store {
    /// The failures of the key; `None`: there are none.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn failures(&self, key: &LockKey) -> Result<Option<FailureRow>, StoreError> {
        let sql =
            "SELECT failures, window_start, locked_until, locks, updated_at FROM lockouts WHERE address = $1";
        let rows = self.read(sql, params![&key.0]).await?;
        rows.first().map(read).transpose()
    }

    /// Until when the address is locked, if it is.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn locked_until(&self, key: &LockKey, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let rows = self
            .read(
                "SELECT locked_until FROM lockouts WHERE address = $1 AND locked_until > $2",
                params![&key.0, now],
            )
            .await?;
        rows.first().map(|row| row.time(0)).transpose()
    }

    /// Removes at most `limit` counters that nothing has been added to since `before`; how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn purge_lockouts(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let rows = self
            .write(
                "DELETE FROM lockouts WHERE address IN
                   (SELECT address FROM lockouts WHERE updated_at < $1 AND locked_until < $1 LIMIT $2)
                 RETURNING address",
                params![before, limit],
            )
            .await?;
        Ok(rows.len() as u64)
    }
}

impl Tx {
    /// Forgets the failures of an address on every device, and opens it if it was locked.
    pub fn forget_locks(&mut self, email: &Email) {
        self.push(
            "DELETE FROM lockouts WHERE address = $1 OR (address >= $1 || '#' AND address < $1 || '$')",
            params![email],
        );
    }

    /// Puts `next` in the place of what was seen; the transaction fails when somebody else has counted or cleared
    /// meanwhile.
    pub fn set_failures(&mut self, key: &LockKey, seen: Option<&FailureRow>, next: &FailureRow) {
        let FailureRow { failures, window_start, locked_until, locks, updated_at } = *next;
        let mut params = params![&key.0, failures, window_start, locked_until, locks, updated_at];
        let Some(seen) = seen else {
            self.must(
                "INSERT INTO lockouts (address, failures, window_start, locked_until, locks, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (address) DO NOTHING RETURNING address",
                params,
            );
            return;
        };
        params.extend(params![seen.failures, seen.locked_until, seen.locks, seen.updated_at]);
        self.must(
            "UPDATE lockouts SET failures = $2, window_start = $3, locked_until = $4, locks = $5, updated_at = $6
             WHERE address = $1 AND failures = $7 AND locked_until = $8 AND locks = $9 AND updated_at = $10
             RETURNING address",
            params,
        );
    }

    /// Forgets the failures of an address after a success, unless it was locked meanwhile.
    pub fn clear_failures(&mut self, key: &LockKey, now: Timestamp) {
        self.push("DELETE FROM lockouts WHERE address = $1 AND locked_until <= $2", params![&key.0, now]);
    }
}

fn read(row: &Row) -> Result<FailureRow, StoreError> {
    let small = |column| row.count(column).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Ok(FailureRow {
        failures: small(0)?,
        window_start: row.time(1)?,
        locked_until: row.time(2)?,
        locks: small(3)?,
        updated_at: row.time(4)?,
    })
}
