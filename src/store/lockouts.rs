//! Failures by address, known or not, so that both lock alike. Counting and locking is one transaction: nodes that
//! share a store share the count.

use std::time::Duration;

use super::{Row, Store, StoreError, Tx, params};
use crate::model::{Email, SessionId, Timestamp};

/// What failures are counted for: an address, or a device or session of it that counts apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockKey(String);

impl LockKey {
    /// The address, for whoever is not known better.
    #[must_use]
    pub fn address(email: &Email) -> Self {
        Self(email.to_string())
    }

    /// One open session of the address: what is asked again of somebody who is signed in.
    #[must_use]
    pub fn session(email: &Email, session: SessionId) -> Self {
        Self(format!("{email}#{session}"))
    }
}

/// When an address is locked, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct LockRule {
    /// So many failures lock; at least 1.
    pub failures: u32,
    /// Failures count together while less than this lies between one and the next. That is a little stricter than
    /// a window, and cannot be cheated by straddling the window's end.
    pub within: Duration,
    /// The first lock; each further one lasts twice as long …
    pub duration: Duration,
    /// … up to this.
    pub max_duration: Duration,
}

impl LockRule {
    /// After how many locks the longest duration is reached.
    fn doublings(&self) -> u32 {
        (0..30).find(|n| self.duration.saturating_mul(1 << n) >= self.max_duration).unwrap_or(30)
    }
}

impl Store {
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
    /// Counts a failure and locks the address when it was one too many. Returns the index of the answer, which
    /// [`locked_by`] reads. A failure while the address is locked does not count.
    pub fn count_failure(&mut self, key: &LockKey, rule: &LockRule, now: Timestamp) -> usize {
        self.push(
            "INSERT INTO lockouts (address, failures, window_start, locked_until, locks, updated_at)
             VALUES ($1, 0, $2, 0, 0, $2) ON CONFLICT (address) DO NOTHING",
            params![&key.0, now],
        );
        // `CASE WHEN updated_at <= $3 THEN 1 ELSE failures + 1 END` is the number of failures with this one.
        self.push(
            "UPDATE lockouts SET
               failures = CASE
                 WHEN (CASE WHEN updated_at <= $3 THEN 1 ELSE failures + 1 END) >= $4 THEN 0
                 WHEN updated_at <= $3 THEN 1 ELSE failures + 1 END,
               window_start = CASE WHEN updated_at <= $3 OR failures = 0 THEN $2 ELSE window_start END,
               locked_until = CASE
                 WHEN (CASE WHEN updated_at <= $3 THEN 1 ELSE failures + 1 END) < $4 THEN locked_until
                 WHEN locks >= $6 THEN $2 + $7
                 ELSE $2 + $5 * (CAST(1 AS BIGINT) << CAST(locks AS INTEGER)) END,
               locks = CASE
                 WHEN (CASE WHEN updated_at <= $3 THEN 1 ELSE failures + 1 END) >= $4 THEN locks + 1 ELSE locks END,
               updated_at = $2
             WHERE address = $1 AND locked_until <= $2
             RETURNING locked_until",
            params![
                &key.0,
                now,
                now.before(rule.within),
                rule.failures,
                millis(rule.duration),
                rule.doublings(),
                millis(rule.max_duration)
            ],
        )
    }

    /// Forgets the failures of an address after a success, unless it was locked meanwhile.
    pub fn clear_failures(&mut self, key: &LockKey, now: Timestamp) {
        self.push("DELETE FROM lockouts WHERE address = $1 AND locked_until <= $2", params![&key.0, now]);
    }
}

/// Reads the answer to [`Tx::count_failure`]: until when that failure has locked the address.
///
/// # Errors
/// [`StoreError::Shape`] for an answer of another form.
pub fn locked_by(answer: &[Row], now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let until = answer.first().map(|row| row.time(0)).transpose()?;
    Ok(until.filter(|until| *until > now))
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}
