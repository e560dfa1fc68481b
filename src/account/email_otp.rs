//! Codes by mail, switched on and off by their owner. People whose role needs a second factor are asked for one by mail
//! as long as they have nothing better, whatever the switch says.

use super::factor::Change;
use super::{Accounts, Error, Me, Origin};
use crate::store::Tx;

impl Accounts {
    /// Whether codes by mail are switched on.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn email_otp(&self, me: &Me) -> Result<bool, Error> {
        Ok(self.account_of(me).await?.email_otp)
    }

    /// Switches codes by mail on or off. Every other session ends; the owner is told. Nothing happens when it is so
    /// already.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::ElevationRequired`], [`Error::Unavailable`].
    pub async fn set_email_otp(&self, me: &Me, on: bool, origin: &Origin) -> Result<(), Error> {
        let account = self.elevated(me).await?;
        if account.email_otp == on {
            return Ok(());
        }
        let mut tx = Tx::new();
        tx.set_email_otp(account.id, on);
        let (action, what) = if on {
            ("factor.email_on", "codes by e-mail are asked for now")
        } else {
            ("factor.email_off", "codes by e-mail are not asked for any more")
        };
        // False: somebody else has just done the same.
        self.commit_factors(tx, Change { me, account: &account, action, what }, origin).await?;
        Ok(())
    }
}
