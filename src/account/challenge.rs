//! A sign-in that waits for a second factor. What the client gets opens nothing but the way to finish it (M-01): it is
//! random, kept as a hash, and found in no other place than here. For a browser it is bound to a cookie besides.
//!
//! It ends with the password it began with, after some minutes, after some tries, and when it was used.
//!
//! The code by mail is sent at once to people who have no app. Who has one gets a mail only on request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::mailed::{link_hash, sha256};
use super::trail::Attempt;
use super::{Accounts, Challenge, Error, Method, Origin};
use crate::limiter::Quota;
use crate::mail::Message;
use crate::model::{CodeId, Secret, SessionId, Timestamp, constant_time_eq};
use crate::store::{AccountRow, ChallengeRow, SentCode, Tx};

/// Whoever knows the password can have codes sent; this many a day are enough for anybody (M-15).
const MAILS: Quota = Quota { limit: 50, window: Duration::from_hours(24) };

/// A sign-in whose password was right.
pub(super) struct Waiting<'a> {
    pub(super) account: &'a AccountRow,
    /// The password hash as it will be, should it just be made anew.
    pub(super) hash: &'a Secret,
    pub(super) methods: Vec<Method>,
    pub(super) keep: bool,
    pub(super) browser: bool,
}

impl Accounts {
    /// Life of a challenge, from its beginning or from the newest code that was sent for it.
    #[must_use]
    pub fn challenge_life(&self) -> Duration {
        self.settings.second_factor.code_ttl
    }

    /// Adds a challenge to `tx` and commits; `None` when a condition of `tx` did not hold.
    pub(super) async fn begin_challenge(
        &self,
        mut tx: Tx,
        waiting: Waiting<'_>,
        origin: &Origin,
    ) -> Result<Option<Challenge>, Error> {
        let account = waiting.account;
        let token = self.entropy.bytes::<32>();
        let browser = waiting.browser.then(|| self.entropy.bytes::<32>());
        let mut row = self.new_challenge(account, waiting.hash, None, &token);
        row.browser_hash = browser.map(|b| sha256(&b));
        row.keep = waiting.keep;
        // Without a mail the sign-in can still be finished with another factor.
        if waiting.methods.first() == Some(&Method::Email) && self.may_post(account).await? {
            // The next one has to wait; this one goes out in any case, or nobody could sign in twice in a minute.
            self.take("resend", &cool_down(account), self.settings.rate_limits.resend).await?;
            row.code = Some(self.send_code(&mut tx, account, row.id));
        }
        // Whoever comes here knows the password: the owner shall see that, however it goes on.
        let attempt = Attempt {
            email: &account.email,
            account: Some(account.id),
            outcome: "challenge",
            reason: "second_factor_due",
            at: self.clock.now(),
        };
        self.record(&mut tx, attempt, origin);
        tx.insert_challenge(&row, self.settings.second_factor.tries, self.clock.now());
        if self.store.commit(tx).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(Challenge {
            token: Secret::new(URL_SAFE_NO_PAD.encode(token)),
            methods: waiting.methods,
            expires_in: self.challenge_life(),
            browser: browser.map(|b| Secret::new(URL_SAFE_NO_PAD.encode(b))),
        }))
    }

    /// Sends a new code for a waiting sign-in in the place of the one before; nothing is sent when the account does not
    /// take codes by mail. The tries stay as they are.
    ///
    /// # Errors
    /// [`Error::InvalidChallenge`] whatever is wrong with it, [`Error::Limited`], [`Error::Unavailable`].
    pub async fn resend_otp(
        &self,
        challenge: &Secret,
        browser: Option<&Secret>,
        origin: &Origin,
    ) -> Result<(), Error> {
        let limits = &self.settings.rate_limits;
        self.throttle("resend-ip", &origin.ip.bucket().to_string(), limits.register).await?;
        let (row, account) = self.waiting(challenge, browser).await?;
        if !self.methods(&account).await?.contains(&Method::Email) {
            return Ok(());
        }
        self.throttle("resend", &cool_down(&account), limits.resend).await?;
        self.limit_mails(&account).await?;
        let mut tx = Tx::new();
        let code = self.send_code(&mut tx, &account, row.id);
        tx.replace_challenge_code(row.id, code, self.clock.now());
        self.store.commit(tx).await?;
        Ok(())
    }

    /// How a waiting sign-in can be finished, the best way first. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidChallenge`] whatever is wrong with it, [`Error::Unavailable`].
    pub async fn challenge_methods(
        &self,
        challenge: &Secret,
        browser: Option<&Secret>,
    ) -> Result<Vec<Method>, Error> {
        let (_, account) = self.waiting(challenge, browser).await?;
        self.methods(&account).await
    }

    /// The sign-in that waits under a token, and its account as it is now.
    ///
    /// # Errors
    /// [`Error::InvalidChallenge`] whatever is wrong with it, [`Error::Unavailable`].
    pub(super) async fn waiting(
        &self,
        token: &Secret,
        browser: Option<&Secret>,
    ) -> Result<(ChallengeRow, AccountRow), Error> {
        let hash = link_hash(token.expose()).ok_or(Error::InvalidChallenge)?;
        let found = self.store.challenge(hash, self.clock.now()).await?;
        let row = found.filter(|row| bound_to(row, browser)).ok_or(Error::InvalidChallenge)?;
        let account = self.store.account_by_id(row.account).await?.filter(AccountRow::may_sign_in);
        let account = account.ok_or(Error::InvalidChallenge)?;
        let same = constant_time_eq(&row.password_mac, &self.password_mac(row.id, &account.password_hash));
        if same { Ok((row, account)) } else { Err(Error::InvalidChallenge) }
    }

    /// A challenge without a code, for an API client.
    pub(super) fn new_challenge(
        &self,
        account: &AccountRow,
        hash: &Secret,
        session: Option<SessionId>,
        token: &[u8; 32],
    ) -> ChallengeRow {
        let id = CodeId::random(&*self.entropy);
        ChallengeRow {
            id,
            account: account.id,
            session,
            token_hash: sha256(token),
            password_mac: self.password_mac(id, hash),
            browser_hash: None,
            keep: false,
            code: None,
            expires_at: self.challenge_ends(),
        }
    }

    /// Draws a code for a challenge and adds its mail.
    pub(super) fn send_code(&self, tx: &mut Tx, account: &AccountRow, id: CodeId) -> SentCode {
        let code = Secret::new(self.entropy.six_digits());
        let sent = SentCode { mac: self.otp_mac(id, code.expose()), expires_at: self.challenge_ends() };
        let code_minutes = self.challenge_life().as_secs().div_ceil(60);
        self.post(tx, &account.email, &Message::Otp { name: account.name.clone(), code, code_minutes });
        self.events.factor(Method::Email.as_str(), "sent");
        sent
    }

    /// Whether another mail with a code may go out today.
    async fn may_post(&self, account: &AccountRow) -> Result<bool, Error> {
        Ok(self.take("otp-mail", &account.id.to_string(), MAILS).await?.allowed)
    }

    /// Refuses more mails with codes than anybody needs.
    pub(super) async fn limit_mails(&self, account: &AccountRow) -> Result<(), Error> {
        self.throttle("otp-mail", &account.id.to_string(), MAILS).await
    }

    /// What is kept of a code by mail; bound to its challenge, so that it fits no other.
    pub(super) fn otp_mac(&self, challenge: CodeId, code: &str) -> [u8; 32] {
        self.vault.mac("otp-code", &[challenge.as_bytes(), code.as_bytes()])
    }

    fn password_mac(&self, challenge: CodeId, hash: &Secret) -> [u8; 32] {
        self.vault.mac("challenge-password", &[challenge.as_bytes(), hash.expose().as_bytes()])
    }

    fn challenge_ends(&self) -> Timestamp {
        self.clock.now().after(self.challenge_life())
    }
}

/// What the cool-down between two mails counts.
fn cool_down(account: &AccountRow) -> String {
    format!("otp:{}", account.id)
}

/// Whether the request comes from the browser that began it, if one did.
fn bound_to(row: &ChallengeRow, browser: Option<&Secret>) -> bool {
    let Some(expected) = row.browser_hash else { return true };
    let shown = browser.and_then(|b| link_hash(b.expose()));
    shown.is_some_and(|shown| constant_time_eq(&shown, &expected))
}
