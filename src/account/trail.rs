//! What is written down about a request: tries to sign in, audit lines; and the links that go into mails.

use super::{Accounts, Origin};
use crate::mail::{Message, Sighting};
use crate::model::{AccountId, Email, Timestamp};
use crate::store::{ANONYMOUS_ACTOR, AttemptRow, AuditEntry, Seen, Tx};

const MAX_USER_AGENT: usize = 256;

impl Origin {
    /// The user agent, cut to 256 bytes at a character's border.
    #[must_use]
    pub fn agent(&self) -> &str {
        let text = &self.user_agent;
        let end = (0..=MAX_USER_AGENT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        &text[..end.unwrap_or(0)]
    }

    /// For mails.
    pub(super) fn sighting(&self, at: Timestamp) -> Sighting {
        Sighting { at, ip: self.ip, user_agent: self.agent().to_owned() }
    }

    pub(super) fn seen(&self, at: Timestamp) -> Seen<'_> {
        Seen { at, ip: self.ip, user_agent: self.agent() }
    }
}

/// One try to sign in, before it is written down.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) email: &'a Email,
    pub(super) account: Option<AccountId>,
    pub(super) outcome: &'static str,
    pub(super) reason: &'static str,
    pub(super) at: Timestamp,
}

/// An audit line about somebody else, before it is written down.
pub(super) struct Line<'a> {
    pub(super) actor: AccountId,
    pub(super) action: &'static str,
    pub(super) target: String,
    pub(super) detail: &'a str,
}

impl Accounts {
    /// Writes a try to sign in down, and counts it.
    pub(super) fn record(&self, tx: &mut Tx, attempt: Attempt<'_>, origin: &Origin) {
        self.events.login(attempt.outcome, attempt.reason);
        self.write_attempt(tx, attempt, origin);
    }

    /// Writes a try to sign in down, which is counted elsewhere.
    pub(super) fn write_attempt(&self, tx: &mut Tx, attempt: Attempt<'_>, origin: &Origin) {
        let row = AttemptRow {
            at: attempt.at,
            account: attempt.account,
            address: attempt.email.as_str(),
            ip: origin.ip,
            user_agent: origin.agent(),
            outcome: attempt.outcome,
            reason: attempt.reason,
        };
        tx.attempt(&row, &*self.entropy);
    }

    /// Adds an audit line: `actor` did `action` to `target`.
    pub(super) fn audit_by(&self, tx: &mut Tx, line: Line<'_>, origin: &Origin) {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: line.actor.to_string(),
            action: line.action,
            target: line.target,
            ip: Some(origin.ip),
            request_id: Some(origin.request_id),
            detail: line.detail,
        };
        tx.audit(&entry, &*self.entropy);
    }

    /// Adds an audit line about `target`, done by itself.
    pub(super) fn audit(&self, tx: &mut Tx, action: &'static str, target: &str, origin: &Origin) {
        self.audit_detail(tx, (action, target, ""), origin);
    }

    /// The same, with more about it.
    pub(super) fn audit_detail(&self, tx: &mut Tx, line: (&'static str, &str, &str), origin: &Origin) {
        self.audit_as(tx, line.1, line, origin);
    }

    /// Adds an audit line about `target`, done by somebody who has not proved to be anybody.
    pub(super) fn audit_stranger(&self, tx: &mut Tx, action: &'static str, target: &str, origin: &Origin) {
        self.audit_as(tx, ANONYMOUS_ACTOR, (action, target, ""), origin);
    }

    fn audit_as(
        &self,
        tx: &mut Tx,
        actor: &str,
        (action, target, detail): (&'static str, &str, &str),
        origin: &Origin,
    ) {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action,
            target: target.to_owned(),
            ip: Some(origin.ip),
            request_id: Some(origin.request_id),
            detail,
        };
        tx.audit(&entry, &*self.entropy);
    }

    /// Adds a mail.
    pub(super) fn post(&self, tx: &mut Tx, to: &Email, message: &Message) {
        self.post.enqueue(tx, to, message, self.clock.now(), &*self.entropy);
    }

    /// An address below our own pages, for mails.
    pub(super) fn page(&self, path: &str) -> String {
        format!("{}{}{path}", self.settings.public_url, self.settings.auth_prefix)
    }
}
