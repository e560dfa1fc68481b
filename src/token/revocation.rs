//! Tokens that ended before their time, held in memory by every node.
//!
//! Two kinds of entry: a sign-in (logout, reuse, "end this session") and an account up to a moment (role change,
//! deactivation, "sign out everywhere"). `iat` counts whole seconds, and sign-out and the next sign-in may share one;
//! so an account entry is compared with the millisecond in the token's id ([`Claims::issued_at`]): a token issued at or
//! before the moment is dead, one issued later is good. [`Mint::heeding`] makes new tokens begin at least one
//! millisecond later, so nobody is locked out by their own sign-out, and no old token slips through a rounding.
//!
//! Clocks of several nodes differ. An account entry therefore is exact only up to that difference; where sign-ins end
//! for good (deactivation, sign-out everywhere, password reset) revoke each session by id as well, which needs no clock.
//!
//! [`Claims::issued_at`]: super::Claims::issued_at
//! [`Mint::heeding`]: super::Mint::heeding

use std::sync::OnceLock;

use papaya::HashMap;

use super::freshness::Freshness;
use crate::model::{AccountId, SessionId, Timestamp};

/// What ended before its time. The entry may leave at `until`: when the last such token has expired, leeway included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// All tokens of a sign-in.
    Session {
        /// The sign-in.
        session: SessionId,
        /// When the entry may leave.
        until: Timestamp,
    },
    /// All tokens of an account issued up to a moment.
    Account {
        /// The account.
        account: AccountId,
        /// Tokens issued at or before this are dead.
        through: Timestamp,
        /// When the entry may leave.
        until: Timestamp,
    },
}

/// How this node came to know of an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It was decided here: the other nodes have to be told.
    Here,
    /// Another node decided it.
    Elsewhere,
}

/// Wants to know of every end that is new to this node or was decided by it. Called on the thread that brings the news: it must not wait.
pub trait Witness: Send + Sync + 'static {
    /// Something has ended just now; tokens are refused already.
    fn ended(&self, what: Ended, heard: Heard);
}

/// Tokens that ended before their time. Reads take no lock; entries can be given in any order and more than once
/// (a feed repeats itself), the strictest stays.
#[derive(Default)]
pub struct Revocations {
    sessions: HashMap<SessionId, Timestamp, ahash::RandomState>,
    accounts: HashMap<AccountId, Entry, ahash::RandomState>,
    witnesses: OnceLock<Vec<Box<dyn Witness>>>,
    fresh: Freshness,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Tokens issued at or before this are dead.
    through: Timestamp,
    /// When the last such token has expired.
    until: Timestamp,
}

impl Revocations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who is told from now on; once, when the gateway is put together.
    pub fn tell(&self, witnesses: Vec<Box<dyn Witness>>) {
        let first = self.witnesses.set(witnesses).is_ok();
        debug_assert!(first, "witnesses are named once");
    }

    /// Ends all tokens of a sign-in, decided on this node. `until` as in [`Ended`].
    pub fn revoke_session(&self, session: SessionId, until: Timestamp) {
        self.hear(Ended::Session { session, until }, Heard::Here);
    }

    /// Ends all tokens of an account issued at `at` or before, decided on this node. `until` as in [`Ended`].
    pub fn revoke_account_before(&self, account: AccountId, at: Timestamp, until: Timestamp) {
        self.hear(Ended::Account { account, through: at, until }, Heard::Here);
    }

    /// Takes over an end that was decided elsewhere, or before this process began. Returns whether it was new.
    pub fn learn(&self, what: Ended) -> bool {
        self.hear(what, Heard::Elsewhere)
    }

    /// From now on only what is heard until `until` is vouched for: past that moment an end may exist that this node
    /// does not know. A process that holds the store alone never calls it.
    pub fn known_until(&self, until: Timestamp) {
        self.fresh.set(until);
    }

    /// Whether at `now` every end is known here, but for those of the last moments. Where it is not, "not revoked" means
    /// nothing.
    #[must_use]
    pub fn are_known(&self, now: Timestamp) -> bool {
        self.fresh.holds(now)
    }

    fn hear(&self, what: Ended, heard: Heard) -> bool {
        let news = match what {
            Ended::Session { session, until } => self.add_session(session, until),
            Ended::Account { account, through, until } => self.add_account(account, Entry { through, until }),
        };
        // What was decided here is told in any case: this node may have read its own row before it got this far, and then
        // nobody else has heard of it.
        if news || heard == Heard::Here {
            self.witnesses.get().into_iter().flatten().for_each(|w| w.ended(what, heard));
        }
        news
    }

    /// Whether it was not known.
    fn add_session(&self, session: SessionId, until: Timestamp) -> bool {
        let sessions = self.sessions.pin();
        let known = sessions.get(&session).copied();
        sessions.update_or_insert(session, |old| until.max(*old), until);
        known.is_none()
    }

    /// Whether it ends tokens that were alive.
    fn add_account(&self, account: AccountId, entry: Entry) -> bool {
        let accounts = self.accounts.pin();
        let known = accounts.get(&account).copied();
        let stricter = |old: &Entry| Entry {
            through: entry.through.max(old.through),
            until: entry.until.max(old.until),
        };
        accounts.update_or_insert(account, stricter, entry);
        known.is_none_or(|known| known.through < entry.through)
    }

    /// Whether a token of this sign-in and account, issued at that millisecond ([`Claims::issued_at`]), has ended.
    ///
    /// [`Claims::issued_at`]: super::Claims::issued_at
    #[must_use]
    pub fn is_revoked(&self, session: SessionId, account: AccountId, issued_at: Timestamp) -> bool {
        self.sessions.pin().contains_key(&session)
            || self.accounts.pin().get(&account).is_some_and(|entry| issued_at <= entry.through)
    }

    /// The first moment from `now` on at which a token for `account` may be issued and live.
    #[must_use]
    pub fn first_good(&self, account: AccountId, now: Timestamp) -> Timestamp {
        let after = |entry: &Entry| Timestamp::from_millis(entry.through.millis().saturating_add(1));
        self.accounts.pin().get(&account).map_or(now, |entry| now.max(after(entry)))
    }

    /// Forgets entries whose last token has expired; returns how many left.
    pub fn purge(&self, now: Timestamp) -> usize {
        let before = self.len();
        self.sessions.pin().retain(|_, until| *until > now);
        self.accounts.pin().retain(|_, entry| entry.until > now);
        before.saturating_sub(self.len())
    }

    /// How many entries are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len() + self.accounts.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Revocations({})", self.len())
    }
}
