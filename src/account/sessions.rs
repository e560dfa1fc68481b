//! One's own sessions and devices: seeing them, ending them. Asks for no step-up: whoever suspects a theft must be able to
//! act at once, and there is nothing to gain by it.

use super::{Accounts, Error, Me, Origin};
use crate::model::{DeviceId, SessionId, Timestamp};
use crate::store::{SessionView, Tx};

/// A session of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSession {
    /// Its identifier.
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// The address it was last seen at.
    pub ip: String,
    /// What the client called itself then.
    pub user_agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_seen_at: Timestamp,
    /// Ends then unless it is used.
    pub idle_expires_at: Timestamp,
    /// Ends then in any case.
    pub expires_at: Timestamp,
    /// How the person signed in (RFC 8176).
    pub amr: Vec<String>,
}

/// A device that one has signed in on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    /// Its identifier.
    pub id: DeviceId,
    /// What it called itself when it last signed in.
    pub user_agent: String,
    /// The address it last signed in from.
    pub ip: String,
    /// When it first signed in.
    pub created_at: Timestamp,
    /// When it last signed in.
    pub last_seen_at: Timestamp,
    /// Until when it is not asked for a second factor, if it is trusted.
    pub trusted_until: Option<Timestamp>,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl Accounts {
    /// One's open sessions, the newest first.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn sessions(&self, me: &Me) -> Result<Vec<OwnSession>, Error> {
        let account = self.account_of(me).await?;
        let rows = self.store.session_views(account.id, self.clock.now()).await?;
        Ok(rows.into_iter().map(|row| own(row, me)).collect())
    }

    /// One of one's open sessions.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for those of others, [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn session(&self, me: &Me, id: SessionId) -> Result<OwnSession, Error> {
        let mine = self.sessions(me).await?;
        mine.into_iter().find(|session| session.id == id).ok_or(Error::NotFound)
    }

    /// Ends one of one's open sessions; the one that asks is none less.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for those of others, [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn end_one_session(&self, me: &Me, id: SessionId, origin: &Origin) -> Result<(), Error> {
        let session = self.session(me, id).await?;
        let now = self.clock.now();
        let mut tx = Tx::new();
        tx.end_open_session(session.id, "ended", now);
        self.revoke_session(&mut tx, session.id, now);
        self.audit(&mut tx, "session.ended", &me.account.to_string(), origin);
        // In memory also when the store did not answer: it may have written it all the same.
        let written = self.store.commit(tx).await;
        self.forget_sessions(&[session.id], now);
        written?.map(drop).ok_or(Error::NotFound)
    }

    /// Ends all of one's sessions but the one that asks.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn end_other_sessions(&self, me: &Me, origin: &Origin) -> Result<(), Error> {
        let account = self.account_of(me).await?;
        let mut tx = Tx::new();
        let ending = self.end_sessions_within(&mut tx, account.id, Some(me.session), "ended");
        self.audit(&mut tx, "session.ended_others", &account.id.to_string(), origin);
        self.commit_ending(tx, ending).await?;
        Ok(())
    }

    /// The devices one has signed in on, the last used first.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn devices(&self, me: &Me) -> Result<Vec<OwnDevice>, Error> {
        let account = self.account_of(me).await?;
        let current = self.store.session(me.session).await?.and_then(|session| session.device);
        let now = self.clock.now();
        let rows = self.store.devices(account.id).await?;
        let own = |row: crate::store::DeviceRow| OwnDevice {
            id: row.id,
            user_agent: row.user_agent,
            ip: row.ip,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            trusted_until: (row.trusted_until > now).then_some(row.trusted_until),
            current: current == Some(row.id),
        };
        Ok(rows.into_iter().map(own).collect())
    }

    /// Forgets one of one's devices: it is asked for the second factor again, and is a stranger when it signs in. Its
    /// sessions live on.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for those of others, [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn forget_one_device(&self, me: &Me, id: DeviceId, origin: &Origin) -> Result<(), Error> {
        let account = self.account_of(me).await?;
        let mut tx = Tx::new();
        tx.forget_device(account.id, id);
        self.audit(&mut tx, "device.forgotten", &account.id.to_string(), origin);
        self.store.commit(tx).await?.map(drop).ok_or(Error::NotFound)
    }

    /// Forgets all of one's devices, also the one that asks.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn forget_all_devices(&self, me: &Me, origin: &Origin) -> Result<(), Error> {
        let account = self.account_of(me).await?;
        let mut tx = Tx::new();
        tx.forget_devices(account.id);
        self.audit(&mut tx, "device.forgotten_all", &account.id.to_string(), origin);
        self.store.commit(tx).await?;
        Ok(())
    }
}

fn own(row: SessionView, me: &Me) -> OwnSession {
    OwnSession {
        id: row.id,
        current: row.id == me.session,
        ip: row.ip,
        user_agent: row.user_agent,
        created_at: row.created_at,
        last_seen_at: row.last_seen_at,
        idle_expires_at: row.idle_expires,
        expires_at: row.expires_at,
        amr: row.amr.split(' ').map(str::to_owned).collect(),
    }
}
