//! The transactional outbox: mails are written with the change they tell of and sent afterwards, at least once.

use super::{Row, Store, StoreError, Tx, Value, params};
use crate::model::{Email, Timestamp};

/// A mail to be sent. `text` and `html` may carry secrets; they are wiped once it is sent or has expired, and a week after
/// it was given up.
#[derive(Clone)]
pub struct NewMail {
    /// Unique; the left part of the Message-ID.
    pub id: String,
    /// To whom.
    pub recipient: Email,
    /// Which mail it is, as a stable word.
    pub kind: &'static str,
    /// The subject; carries no secrets.
    pub subject: String,
    /// The body for readers without HTML.
    pub text: String,
    /// The HTML body.
    pub html: String,
    /// When it came to be, and the earliest time to send it.
    pub created_at: Timestamp,
    /// When it is of no more use, because all links and codes in it have expired.
    pub expires_at: Option<Timestamp>,
}

/// A mail that one worker may send until its lease ends.
#[derive(Clone)]
pub struct LeasedMail {
    /// The left part of the Message-ID.
    pub id: String,
    /// To whom.
    pub recipient: String,
    /// Which mail it is.
    pub kind: String,
    /// The subject.
    pub subject: String,
    /// The body for readers without HTML.
    pub text: String,
    /// The HTML body.
    pub html: String,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it is of no more use; nobody is to get it from then on.
    pub expires_at: Option<Timestamp>,
    /// Which try this is, 1 for the first.
    pub tries: u64,
}

impl Tx {
    /// Adds a mail to the outbox; the worker is woken when the transaction is committed.
    pub fn insert_mail(&mut self, mail: NewMail) {
        self.mails += 1;
        self.push(
            "INSERT INTO outbox (id, recipient, kind, subject, body_text, body_html, state, tries, next_at,
                                 leased_until, last_error, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, 0, '', $7, $8)",
            params![
                mail.id,
                &mail.recipient,
                mail.kind,
                mail.subject,
                mail.text,
                mail.html,
                mail.created_at,
                mail.expires_at
            ],
        );
    }
}

impl Store {
    /// Takes the mail that has been due the longest, if there is one: no one else gets it before `until`.
    /// Counts a try. Index: `outbox_due`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn lease_mail(
        &self,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LeasedMail>, StoreError> {
        // The outer conditions repeat the inner ones for an engine with several writers.
        let rows = self
            .write(
                "UPDATE outbox SET leased_until = $2, tries = tries + 1
                 WHERE id = (SELECT id FROM outbox
                             WHERE state = 'waiting' AND next_at <= $1 AND leased_until <= $1
                             ORDER BY next_at LIMIT 1)
                   AND state = 'waiting' AND leased_until <= $1
                 RETURNING id, recipient, kind, subject, body_text, body_html, created_at, tries, expires_at",
                params![now, until],
            )
            .await?;
        rows.first().map(read_leased).transpose()
    }

    /// Notes that a mail is sent and wipes its bodies.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; the mail will be sent again then.
    pub async fn mark_mail_sent(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql =
            "UPDATE outbox SET state = 'sent', sent_at = $2, body_text = '', body_html = '', last_error = '',
                          leased_until = 0
                   WHERE id = $1 AND state <> 'sent'";
        self.write(sql, params![id, now]).await.map(drop)
    }

    /// Notes that try `tries` failed: the mail waits until `next_at`, or is given up when that is `None`.
    /// Does nothing when somebody else has leased the mail since.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; the mail is due again when its lease ends.
    pub async fn mark_mail_failed(
        &self,
        id: &str,
        tries: u64,
        error: &str,
        next_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let tries = Value::Int(i64::try_from(tries).unwrap_or(i64::MAX));
        let state = if next_at.is_some() { "waiting" } else { "dead" };
        self.write(
            "UPDATE outbox SET state = $3, last_error = $4, next_at = $5, leased_until = 0
             WHERE id = $1 AND tries = $2 AND state = 'waiting'",
            params![id, tries, state, error, next_at.unwrap_or_default()],
        )
        .await
        .map(drop)
    }

    /// Gives a leased mail up because it has expired, and wipes its bodies.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; the mail is due again when its lease ends.
    pub async fn mark_mail_expired(&self, id: &str) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET state = 'dead', last_error = 'expired', body_text = '', body_html = '',
                          leased_until = 0
                   WHERE id = $1 AND state = 'waiting'";
        self.write(sql, params![id]).await.map(drop)
    }

    /// When the next waiting mail is due; `None` when none waits.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn next_mail_due(&self) -> Result<Option<Timestamp>, StoreError> {
        // A few from the front of the index will do: no more than that are leased at once.
        let sql =
            "SELECT next_at, leased_until FROM outbox WHERE state = 'waiting' ORDER BY next_at LIMIT 16";
        let rows = self.read(sql, Vec::new()).await?;
        let due = rows.iter().map(|row| Ok(row.time(0)?.max(row.time(1)?)));
        Ok(due.collect::<Result<Vec<_>, StoreError>>()?.into_iter().min())
    }

    /// How many mails wait, and since when the oldest does; for metrics.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn mail_queue(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        let sql = "SELECT count(*), min(created_at) FROM outbox WHERE state = 'waiting'";
        let rows = self.read(sql, Vec::new()).await?;
        rows.first().map_or(Ok((0, None)), |row| Ok((row.count(0)?, row.opt(1, Row::time)?)))
    }

    /// Wipes the bodies of at most `batch` mails that were given up and that have expired or came to be before
    /// `before`. Returns how many. Index: `outbox_given_up`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn wipe_mails(
        &self,
        now: Timestamp,
        before: Timestamp,
        batch: u32,
    ) -> Result<usize, StoreError> {
        let sql = "UPDATE outbox SET body_text = '', body_html = '' WHERE id IN (SELECT id FROM outbox
                       WHERE state = 'dead' AND body_text <> '' AND (expires_at <= $1 OR created_at < $2)
                       ORDER BY created_at LIMIT $3) RETURNING id";
        Ok(self.write(sql, params![now, before, batch]).await?.len())
    }

    /// Deletes at most `batch` mails, sent or given up, that came to be before `before`. Returns how many.
    /// Index: `outbox_by_age`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn purge_mails(&self, before: Timestamp, batch: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
                       WHERE created_at < $1 AND state <> 'waiting' ORDER BY created_at LIMIT $2) RETURNING id";
        Ok(self.write(sql, params![before, batch]).await?.len())
    }
}

fn read_leased(row: &Row) -> Result<LeasedMail, StoreError> {
    Ok(LeasedMail {
        id: row.string(0)?,
        recipient: row.string(1)?,
        kind: row.string(2)?,
        subject: row.string(3)?,
        text: row.string(4)?,
        html: row.string(5)?,
        created_at: row.time(6)?,
        tries: row.count(7)?,
        expires_at: row.opt(8, Row::time)?,
    })
}
