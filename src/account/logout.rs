//! Signing out. Always succeeds as far as the caller can tell: with an expired, used or foreign token as with none.

use super::refresh::RefreshToken;
use super::{Accounts, Error, Logout, Origin};
use crate::model::{AccountId, SessionId};
use crate::store::Tx;

impl Accounts {
    /// Ends the session that the caller can name, or all of its account. An access token names its session; an
    /// authentic refresh token names its own, even when it was replaced, and counts only without the former.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store does not answer; never because of a token.
    pub async fn logout(&self, what: Logout, origin: &Origin) -> Result<(), Error> {
        let Some((account, session)) = self.named_session(&what).await? else { return Ok(()) };
        let now = self.clock.now();
        let mut ids = if what.all { self.store.open_sessions(account, now).await? } else { Vec::new() };
        if !ids.contains(&session) {
            ids.push(session);
        }
        let mut tx = Tx::new();
        for id in &ids {
            self.end_session(&mut tx, *id, "logout", now);
        }
        self.audit(
            &mut tx,
            if what.all { "session.logout_all" } else { "session.logout" },
            &account.to_string(),
            origin,
        );
        self.store.commit(tx).await?;
        self.forget_sessions(&ids, now);
        Ok(())
    }

    async fn named_session(&self, what: &Logout) -> Result<Option<(AccountId, SessionId)>, Error> {
        if what.session.is_some() {
            return Ok(what.session);
        }
        let Some(token) = what.refresh.as_ref().and_then(|text| RefreshToken::read(text, &self.vault)) else {
            return Ok(None);
        };
        let session = self.store.session(token.session).await?;
        Ok(session.map(|s| (s.account, s.id)))
    }
}
