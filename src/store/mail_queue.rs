//! The outbox as an operator sees it: who gets what, and why it did not work. Never the contents.

use super::{Part, Row, Store, StoreError, Tx, params};
use crate::model::Timestamp;

/// How a mail is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailState {
    /// It will be sent, or tried again.
    Waiting,
    /// It is given up.
    Dead,
    /// It is sent.
    Sent,
}

impl MailState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Dead, Self::Sent];

    /// The word in the store and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Dead => "dead",
            Self::Sent => "sent",
        }
    }
}

/// One mail, as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueuedMail {
    /// Its identifier; also the left part of its Message-ID.
    pub id: String,
    /// To whom.
    pub recipient: String,
    /// Which mail it is.
    pub kind: String,
    /// `waiting`, `dead` or `sent`.
    pub state: String,
    /// How often it was tried.
    pub tries: u64,
    /// What the last failure was; empty: none.
    pub last_error: String,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

/// $1 state, $2 and $3 the place in the list, $4 limit.
macro_rules! mails {
    ($by:literal) => {
        concat!(
            "SELECT id, recipient, kind, state, tries, last_error, created_at, next_at, sent_at FROM outbox WHERE ",
            $by,
            " AND ($1 = '' OR state = $1) AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4"
        )
    };
}

impl Store {
    /// A part of the outbox, the newest mail first. Indices: `outbox_by_state`, `outbox_by_age`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn mails(&self, state: Option<MailState>, part: &Part) -> Result<Vec<QueuedMail>, StoreError> {
        let sql = if state.is_some() { mails!("state = $1") } else { mails!("TRUE") };
        let (key, id) = part.newest_first();
        let rows = self.read(sql, params![state.map_or("", MailState::as_str), key, id, part.limit]).await?;
        rows.iter().map(read).collect()
    }

    /// Whether there is such a mail.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn has_mail(&self, id: &str) -> Result<bool, StoreError> {
        Ok(!self.read("SELECT id FROM outbox WHERE id = $1", params![id]).await?.is_empty())
    }
}

impl Tx {
    /// Lets a mail be tried again at once, with as many tries as a new one; the worker is woken. The transaction
    /// fails for a mail that is sent, is being sent right now, has expired or has nothing left to send.
    pub fn retry_mail(&mut self, id: &str, now: Timestamp) {
        self.mails += 1;
        self.must(
            "UPDATE outbox SET state = 'waiting', tries = 0, next_at = $2, leased_until = 0
             WHERE id = $1 AND state <> 'sent' AND leased_until <= $2 AND body_text <> ''
               AND (expires_at IS NULL OR expires_at > $2)
             RETURNING id",
            params![id, now],
        );
    }
}

fn read(row: &Row) -> Result<QueuedMail, StoreError> {
    Ok(QueuedMail {
        id: row.string(0)?,
        recipient: row.string(1)?,
        kind: row.string(2)?,
        state: row.string(3)?,
        tries: row.count(4)?,
        last_error: row.string(5)?,
        created_at: row.time(6)?,
        next_at: row.time(7)?,
        sent_at: row.opt(8, Row::time)?,
    })
}
