//! "This was not me": the answer to the mail about a sign-in on a new device. Somebody knows the password, so whatever
//! it opened is closed, and it is not taken any more.

use super::device::NOT_ME;
use super::{Accounts, Error, Origin};
use crate::store::Tx;

impl Accounts {
    /// Whether the link would close the account's sign-ins now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it would not, [`Error::Unavailable`].
    pub async fn check_not_me(&self, uid: &str, token: &str) -> Result<(), Error> {
        self.live_link(uid, token, NOT_ME).await.map(drop)
    }

    /// Ends every session of the account that `uid` and `token` of the mailed link name, forgets its devices and all that
    /// was mailed before, and takes its password no more until it is reset by mail.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the link is unknown, used or too old; [`Error::Unavailable`].
    pub async fn not_me(&self, uid: &str, token: &str, origin: &Origin) -> Result<(), Error> {
        let link = self.live_link(uid, token, NOT_ME).await?;
        let mut tx = Tx::new();
        let now = self.clock.now();
        tx.consume_code(link.id, now);
        tx.require_reset(link.account);
        tx.forget_devices(link.account);
        // A stranger may have asked for more than a sign-in, such as another address for the account.
        tx.drop_mailed(link.account);
        self.revoke_tokens(&mut tx, link.account, now);
        let ending = self.end_sessions_within(&mut tx, link.account, None, "not_me");
        self.audit(&mut tx, "account.not_me", &link.account.to_string(), origin);
        self.commit_ending(tx, ending).await?.ok_or(Error::InvalidToken)?;
        // Also the tokens that were made while this waited for its turn.
        self.forget_tokens(link.account, self.clock.now());
        Ok(())
    }
}
