//! Step-up: sensitive things ask for a recent proof of identity, and for the second factor of whoever has one
//! (M-03). A fresh sign-in counts; an old one is renewed by `elevate`.

use super::{Accounts, Error, Me};
use crate::store::{AccountRow, SessionRow};

impl AccountRow {
    /// Whether the owner has set up a second factor.
    pub(super) fn has_factor(&self) -> bool {
        self.email_otp || self.totp
    }
}

impl Accounts {
    /// The account behind `me`, as it is now, if its session is still open.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub(super) async fn account_of(&self, me: &Me) -> Result<AccountRow, Error> {
        Ok(self.session_of(me).await?.0)
    }

    /// The same with the session.
    pub(super) async fn session_of(&self, me: &Me) -> Result<(AccountRow, SessionRow), Error> {
        let now = self.clock.now();
        let session = self.store.session(me.session).await?.ok_or(Error::SignInFirst)?;
        let open = session.account == me.account && session.ended_at.is_none() && now < session.expires_at;
        let account = self.store.account_by_id(me.account).await?.filter(AccountRow::may_sign_in);
        let account = account.filter(|_| open).ok_or(Error::SignInFirst)?;
        Ok((account, session))
    }

    /// The account behind `me`, if the person has just proved who they are, with the second factor if one is due.
    ///
    /// # Errors
    /// [`Error::ElevationRequired`] besides those of [`Self::account_of`].
    pub(super) async fn elevated(&self, me: &Me) -> Result<AccountRow, Error> {
        let account = self.account_of(me).await?;
        let strong = me.amr.iter().any(|m| m == "mfa") || !self.factor_due(&account);
        let fresh = self.clock.now().since(me.auth_time) < self.settings.second_factor.elevation;
        if strong && fresh { Ok(account) } else { Err(Error::ElevationRequired { second_factor: !strong }) }
    }
}
