//! Opening one's locked account by the link in the mail about the lock.

use super::lockout::UNLOCK;
use super::{Accounts, Error, Origin};
use crate::store::Tx;

impl Accounts {
    /// Whether the link would open the account now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it would not, [`Error::Unavailable`].
    pub async fn check_unlock(&self, uid: &str, token: &str) -> Result<(), Error> {
        self.live_link(uid, token, UNLOCK).await.map(drop)
    }

    /// Opens the account that `uid` and `token` of the mailed link name, at its address and on its devices. Whoever holds
    /// the link reads the owner's mail, so the locks to come are short again.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the link is unknown, used, or its lock has ended; [`Error::Unavailable`].
    pub async fn unlock(&self, uid: &str, token: &str, origin: &Origin) -> Result<(), Error> {
        let link = self.live_link(uid, token, UNLOCK).await?;
        let account = self.store.account_by_id(link.account).await?.ok_or(Error::InvalidToken)?;
        let mut tx = Tx::new();
        tx.consume_code(link.id, self.clock.now());
        tx.forget_locks(&account.email);
        self.audit(&mut tx, "account.unlocked", &account.id.to_string(), origin);
        self.store.commit(tx).await?.map(drop).ok_or(Error::InvalidToken)
    }
}
