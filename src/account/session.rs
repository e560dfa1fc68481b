//! Sessions: opening one, what is handed out for one, and ending them for good.

use std::time::Duration;

use super::mailed::sha256;
use super::refresh::RefreshToken;
use super::trail::Attempt;
use super::{Accounts, Error, Origin, SignedIn};
use crate::model::{AccountId, Secret, SessionId, Timestamp};
use crate::store::{AccountRow, Revocation, SessionRow, Tx};
use crate::token::AccessGrant;

/// A refresh that began just before the end of its session may still make an access token; it ends no later than
/// this after the others.
const STRAGGLERS: Duration = Duration::from_mins(1);

/// A session to be opened.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    /// Whose.
    pub(super) account: &'a AccountRow,
    /// How the person proved who they are, space-separated (RFC 8176).
    pub(super) amr: &'static str,
    /// Whether the person asked to stay signed in.
    pub(super) keep: bool,
    /// What the attempt is written down as: `password`, `totp`, …
    pub(super) reason: &'static str,
}

impl Accounts {
    /// Opens a session within `tx` and commits it; `None` when a condition of `tx` did not hold. The oldest sessions
    /// end when there would be too many.
    pub(super) async fn open_session(
        &self,
        mut tx: Tx,
        opening: Opening<'_>,
        origin: &Origin,
    ) -> Result<Option<SignedIn>, Error> {
        let Opening { account, amr, keep, reason } = opening;
        let now = self.clock.now();
        let attempt =
            Attempt { email: &account.email, account: Some(account.id), outcome: "success", reason, at: now };
        self.record(&mut tx, attempt, origin);
        let device = self.arrive(&mut tx, account, origin).await?;
        let secret = self.entropy.bytes::<32>();
        let expires_at = now.after(self.settings.session.absolute_timeout);
        let session = SessionRow {
            id: SessionId::random(&*self.entropy),
            account: account.id,
            amr: amr.to_owned(),
            auth_time: now,
            keep,
            refresh_hash: sha256(&secret),
            previous_hash: None,
            rotated_at: self.store.time(now),
            unheard: false,
            idle_expires: self.idle_end(keep, now, expires_at),
            expires_at,
            ended_at: None,
            device: Some(device.id),
        };
        let surplus = self.surplus_sessions(account, now).await?;
        for id in &surplus {
            self.end_session(&mut tx, *id, "limit", now);
        }
        tx.insert_session(&session, origin.seen(now));
        if self.store.commit(tx).await?.is_none() {
            return Ok(None);
        }
        self.forget_sessions(&surplus, now);
        let token = RefreshToken { session: session.id, secret };
        // Roles may have changed while the password was being hashed.
        let Some(account) = self.store.account_by_id(account.id).await? else { return Ok(None) };
        Ok(Some(SignedIn { device: device.cookie, ..self.hand_out(&account, &session, &token, now) }))
    }

    async fn surplus_sessions(&self, account: &AccountRow, now: Timestamp) -> Result<Vec<SessionId>, Error> {
        let mut open = self.store.open_sessions(account.id, now).await?;
        let room = self.settings.session.max_per_account.max(1) as usize - 1;
        Ok(open.split_off(room.min(open.len())))
    }

    /// The tokens of a session and who they are for. Roles are those of `account` as it was just read.
    pub(super) fn hand_out(
        &self,
        account: &AccountRow,
        session: &SessionRow,
        token: &RefreshToken,
        now: Timestamp,
    ) -> SignedIn {
        let (access, expires_in) = self.access_token(account, session, now);
        SignedIn {
            access,
            expires_in,
            refresh: token.text(&self.vault),
            refresh_expires_in: session.idle_expires.since(now),
            session: session.id,
            user: self.settings.user(account),
            device: None,
        }
    }

    /// A new access token for an open session, and its life.
    pub(super) fn access_token(
        &self,
        account: &AccountRow,
        session: &SessionRow,
        now: Timestamp,
    ) -> (Secret, Duration) {
        let user = self.settings.user(account);
        let grant = AccessGrant {
            account: account.id,
            session: session.id,
            email: user.email,
            email_verified: account.verified_at.is_some(),
            name: user.name,
            roles: user.roles,
            permissions: user.permissions,
            amr: session.amr.split(' ').map(str::to_owned).collect(),
            auth_time: session.auth_time,
        };
        let (access, expires) = self.mint.access(&grant, now);
        (Secret::new(access), expires.since(now))
    }

    /// When a session ends that is used at `now` and then no more.
    pub(super) fn idle_end(&self, keep: bool, now: Timestamp, expires_at: Timestamp) -> Timestamp {
        let s = &self.settings.session;
        now.after(if keep { s.keep_idle_timeout } else { s.idle_timeout }).min(expires_at)
    }

    /// Adds the end of all access tokens that an account has now to a transaction; its sessions live on and get new
    /// ones, with the roles it has then. After the commit comes [`Self::forget_tokens`].
    ///
    /// A node whose clock is ahead has made tokens that seem to be younger than this moment; so it lies ahead by as much
    /// as clocks may differ, and new tokens begin after it ([`crate::token::Mint::heeding`]).
    pub(super) fn revoke_tokens(&self, tx: &mut Tx, account: AccountId, now: Timestamp) {
        tx.revoke(Revocation::Account {
            account,
            before: self.on_every_clock(now),
            until: self.last_token_ends(now),
        });
    }

    /// Lets the gate of this process know.
    pub(super) fn forget_tokens(&self, account: AccountId, now: Timestamp) {
        self.revocations.revoke_account_before(account, self.on_every_clock(now), self.last_token_ends(now));
    }

    /// The latest time that a node can show at `now`.
    fn on_every_clock(&self, now: Timestamp) -> Timestamp {
        now.after(self.clocks_apart)
    }

    /// Adds the end of a session, and of its access tokens, to a transaction. After the commit comes
    /// [`Self::forget_sessions`].
    pub(super) fn end_session(&self, tx: &mut Tx, id: SessionId, reason: &'static str, now: Timestamp) {
        tx.end_session(id, reason, now);
        self.revoke_session(tx, id, now);
    }

    /// Adds the end of a session's access tokens to a transaction.
    pub(super) fn revoke_session(&self, tx: &mut Tx, id: SessionId, now: Timestamp) {
        tx.revoke(Revocation::Session { session: id, until: self.last_token_ends(now) });
    }

    /// Lets the gate of this process know.
    pub(super) fn forget_sessions(&self, ids: &[SessionId], now: Timestamp) {
        for id in ids {
            self.revocations.revoke_session(*id, self.last_token_ends(now));
        }
    }

    pub(super) fn last_token_ends(&self, now: Timestamp) -> Timestamp {
        now.after(token_life(self.access_ttl))
    }
}

/// How long after the end of a session its tokens are remembered as ended.
#[must_use]
pub fn token_life(access_ttl: Duration) -> Duration {
    access_ttl + STRAGGLERS
}
