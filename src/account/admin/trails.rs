//! What has happened: tries to sign in, the audit trail, the outbox. Nothing here can change the first two.

use super::super::trail::Line;
use super::people::{Paging, export};
use super::{AUDIT_VIEW, MAIL_EDIT, MAIL_VIEW};
use crate::account::{Accounts, Cursor, Error, Key, Me, Origin, Page};
use crate::model::Timestamp;
use crate::store::{AttemptLine, AttemptQuery, AuditLine, AuditQuery, MailState, QueuedMail, Tx};

fn newest_first<T>(rows: Vec<T>, paging: &Paging, of: impl Fn(&T) -> (Timestamp, &String)) -> Page<T> {
    Page::cut(rows, paging.limit, |row| {
        let (at, id) = of(row);
        Cursor { key: Key::from(at), id: id.clone() }
    })
}

impl Accounts {
    /// A page of tries to sign in, the newest first.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn attempts(
        &self,
        me: &Me,
        query: &AttemptQuery,
        paging: Paging,
    ) -> Result<Page<AttemptLine>, Error> {
        self.viewer(me, AUDIT_VIEW).await?;
        self.attempts_page(query, paging).await
    }

    /// The same in one piece, at most [`super::MAX_EXPORT`].
    ///
    /// # Errors
    /// As [`Self::attempts`].
    pub async fn all_attempts(&self, me: &Me, query: &AttemptQuery) -> Result<Vec<AttemptLine>, Error> {
        self.viewer(me, AUDIT_VIEW).await?;
        export(|paging| self.attempts_page(query, paging)).await
    }

    async fn attempts_page(&self, query: &AttemptQuery, paging: Paging) -> Result<Page<AttemptLine>, Error> {
        let rows = self.store.attempts(query, &paging.part()).await?;
        Ok(newest_first(rows, &paging, |row| (row.at, &row.id)))
    }

    /// A page of the audit trail, the newest first.
    ///
    /// # Errors
    /// As [`Self::attempts`].
    pub async fn audit_trail(
        &self,
        me: &Me,
        query: &AuditQuery,
        paging: Paging,
    ) -> Result<Page<AuditLine>, Error> {
        self.viewer(me, AUDIT_VIEW).await?;
        self.audit_page(query, paging).await
    }

    /// The same in one piece, at most [`super::MAX_EXPORT`].
    ///
    /// # Errors
    /// As [`Self::attempts`].
    pub async fn whole_audit_trail(&self, me: &Me, query: &AuditQuery) -> Result<Vec<AuditLine>, Error> {
        self.viewer(me, AUDIT_VIEW).await?;
        export(|paging| self.audit_page(query, paging)).await
    }

    async fn audit_page(&self, query: &AuditQuery, paging: Paging) -> Result<Page<AuditLine>, Error> {
        let rows = self.store.audit_lines(query, &paging.part()).await?;
        Ok(newest_first(rows, &paging, |row| (row.at, &row.id)))
    }

    /// A page of the outbox, the newest mail first.
    ///
    /// # Errors
    /// As [`Self::attempts`].
    pub async fn mails(
        &self,
        me: &Me,
        state: Option<MailState>,
        paging: Paging,
    ) -> Result<Page<QueuedMail>, Error> {
        self.viewer(me, MAIL_VIEW).await?;
        let rows = self.store.mails(state, &paging.part()).await?;
        Ok(newest_first(rows, &paging, |row| (row.created_at, &row.id)))
    }

    /// Lets a mail be tried again at once.
    ///
    /// # Errors
    /// [`Error::ElevationRequired`], [`Error::NotFound`], [`Error::Conflict`] for a mail that is sent or being sent,
    /// besides those of [`Self::attempts`].
    pub async fn retry_mail(&self, me: &Me, id: &str, origin: &Origin) -> Result<(), Error> {
        let actor = self.actor(me, MAIL_EDIT).await?;
        let mut tx = Tx::new();
        tx.retry_mail(id, self.clock.now());
        let line = Line { actor: actor.id, action: "mail.retried", target: id.to_owned(), detail: "" };
        self.audit_by(&mut tx, line, origin);
        if self.store.commit(tx).await?.is_some() {
            return Ok(());
        }
        if !self.store.has_mail(id).await? {
            return Err(Error::NotFound);
        }
        let detail = "This mail is sent already, is being sent right now, or is too old to be sent.";
        Err(Error::Conflict("mail-sent", detail))
    }
}
