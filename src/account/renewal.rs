//! A refresh on the way, in two steps: looked at when the request comes, exchanged when its answer goes out. A browser
//! that gives up in between still holds a token that counts.

use super::refresh::{RefreshToken, Standing};
use super::{Accounts, Error, Origin, SignedIn};
use crate::limiter::Quota;
use crate::model::Secret;
use crate::store::{AccountRow, SessionRow};

/// So many looks may come for each refresh that is allowed.
const LOOKS: u32 = 20;

/// What the look at a refresh token came to.
#[derive(Debug)]
pub enum Look {
    /// It is the live one: an access token for this request.
    Good(Secret),
    /// It was exchanged a moment ago: the tokens of that exchange.
    Exchanged(Box<SignedIn>),
}

impl Accounts {
    /// Looks at a refresh token. A live one stays as it is until [`Self::settle_renewal`]; one that was used before
    /// ends its session, as at [`Self::refresh`].
    ///
    /// # Errors
    /// Those of [`Self::refresh`].
    pub async fn begin_renewal(&self, token: &Secret, origin: &Origin) -> Result<Look, Error> {
        let token = RefreshToken::read(token, &self.vault).ok_or(Error::InvalidToken)?;
        // Parallel requests of one page all look before the first of them settles; only the exchange is a refresh.
        let quota = self.settings.rate_limits.refresh;
        let looks = Quota { limit: quota.limit.saturating_mul(LOOKS), ..quota };
        self.throttle("refresh-look", &token.session.to_string(), looks).await?;
        let now = self.clock.now();
        let (session, account) = self.family(&token).await?.ok_or(Error::InvalidToken)?;
        match self.standing(&token, &session, &account, now) {
            Standing::Current => Ok(Look::Good(self.access_token(&account, &session, now).0)),
            Standing::JustReplaced => {
                Ok(Look::Exchanged(Box::new(self.repeat(&token, &session, &account, now))))
            }
            Standing::Reused => Err(self.end_family(&session, &account, origin).await?),
            Standing::Dead => Err(Error::InvalidToken),
        }
    }

    /// Exchanges a token that was live when its request came. `None` when there is nothing to hand out any more: the
    /// session has ended, or another request of the same browser exchanged the token while this one took its time.
    /// That is no reuse: the look was in time.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; the token still counts then.
    pub async fn settle_renewal(&self, token: &Secret, origin: &Origin) -> Result<Option<SignedIn>, Error> {
        let token = RefreshToken::read(token, &self.vault).ok_or(Error::InvalidToken)?;
        // A parallel request may win the compare-and-set: then this token is the one just replaced.
        for _ in 0..2 {
            let now = self.clock.now();
            let Some((session, account)) = self.family(&token).await? else { return Ok(None) };
            let exchanged = match self.standing(&token, &session, &account, now) {
                Standing::Current => self.rotate(&token, session, &account, origin.seen(now)).await?,
                Standing::JustReplaced => Some(self.repeat(&token, &session, &account, now)),
                Standing::Reused | Standing::Dead => return Ok(None),
            };
            if exchanged.is_some() {
                return Ok(exchanged);
            }
        }
        Ok(None)
    }

    async fn family(&self, token: &RefreshToken) -> Result<Option<(SessionRow, AccountRow)>, Error> {
        let Some(session) = self.store.session(token.session).await? else { return Ok(None) };
        let account = self.store.account_by_id(session.account).await?;
        Ok(account.map(|account| (session, account)))
    }
}
