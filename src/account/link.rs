//! Links that go out by mail for one purpose, without a code beside them: 32 random bytes, of which a SHA-256 is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::mailed::{link_hash, sha256};
use super::{Accounts, Error};
use crate::model::{AccountId, CodeId, Secret, Timestamp};
use crate::store::LinkRow;

impl Accounts {
    /// Draws a link of `account` that lives until `expires`: what is mailed, and what is stored.
    pub(super) fn draw_link(&self, account: AccountId, expires: Timestamp) -> (Secret, LinkRow) {
        let token = self.entropy.bytes::<32>();
        let id = CodeId::random(&*self.entropy);
        (Secret::new(URL_SAFE_NO_PAD.encode(token)), LinkRow { id, account, hash: sha256(&token), expires })
    }

    /// The live link that `uid` and `token` of a mailed address name.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it is unknown, used, replaced or too old; [`Error::Unavailable`].
    pub(super) async fn live_link(
        &self,
        uid: &str,
        token: &str,
        purpose: &'static str,
    ) -> Result<LinkRow, Error> {
        let account: AccountId = uid.parse().map_err(|_| Error::InvalidToken)?;
        let hash = link_hash(token).ok_or(Error::InvalidToken)?;
        self.store.live_link(account, purpose, hash, self.clock.now()).await?.ok_or(Error::InvalidToken)
    }
}
