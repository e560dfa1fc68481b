//! Signing out. Always succeeds as far as the caller can tell: with an expired, used or foreign token as with none.

use super::refresh::RefreshToken;
use super::{Accounts, Error, Logout, Origin};
use crate::model::{AccountId, SessionId, Timestamp};
use crate::store::{SessionRow, Tx};

impl Accounts {
    /// Ends the session that the caller can name, or all of its account. An access token names its session; an
    /// authentic refresh token names its own, even when it was replaced, and counts where the former names none that is
    /// open.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store does not answer; never because of a token.
    pub async fn logout(&self, what: Logout, origin: &Origin) -> Result<(), Error> {
        let now = self.clock.now();
        let Some((account, session)) = self.named_session(&what, now).await? else { return Ok(()) };
        let mut tx = Tx::new();
        if what.all {
            let ending = self.end_sessions_within(&mut tx, account, None, "logout");
            self.audit(&mut tx, "session.logout_all", &account.to_string(), origin);
            self.commit_ending(tx, ending).await?;
            return Ok(());
        }
        self.end_session(&mut tx, session, "logout", now);
        self.audit(&mut tx, "session.logout", &account.to_string(), origin);
        // In memory also when the store did not answer: it may have written it all the same.
        let written = self.store.commit(tx).await;
        self.forget_sessions(&[session], now);
        written?;
        Ok(())
    }

    /// The open session that the tokens name. A dead one has nothing to end, and must not end others: whoever holds its
    /// tokens may be the very reason why it was ended.
    async fn named_session(
        &self,
        what: &Logout,
        now: Timestamp,
    ) -> Result<Option<(AccountId, SessionId)>, Error> {
        let by_access = what.session.map(|(account, session)| (Some(account), session));
        let token = what.refresh.as_ref().and_then(|text| RefreshToken::read(text, &self.vault));
        let by_refresh = token.map(|token| (what.session.map(|(account, _)| account), token.session));
        for (owner, id) in [by_access, by_refresh].into_iter().flatten() {
            let open = |s: &SessionRow| {
                s.ended_at.is_none() && now < s.expires_at && owner.is_none_or(|account| account == s.account)
            };
            if let Some(session) = self.store.session(id).await?.filter(open) {
                return Ok(Some((session.account, session.id)));
            }
        }
        Ok(None)
    }
}
