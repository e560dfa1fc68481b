//! The end of a sign-in that waited for a second factor. A try is taken before the code is compared, a wrong one counts
//! for the lock of the account as a wrong password does (M-04), and code, challenge and session go together: in one
//! transaction, once.

use super::factor::{Proof, TWO_FACTORS, Tried};
use super::lockout::Failure;
use super::session::Opening;
use super::{Accounts, Error, Method, Origin, SignedIn};
use crate::model::Secret;
use crate::store::{AccountRow, ChallengeRow, LockKey, Tx};

/// The code for a waiting sign-in, as it was typed.
#[derive(Debug)]
pub struct Finish {
    /// What [`Challenge::token`](super::Challenge::token) was.
    pub challenge: Secret,
    /// The code.
    pub code: Secret,
    /// What kind of code; `None`: of the best method of the challenge.
    pub method: Option<Method>,
    /// Whether this device shall not be asked again for a while.
    pub remember: bool,
    /// The challenge cookie, if the client has one.
    pub browser: Option<Secret>,
}

/// A sign-in whose code was right.
struct Finished<'a> {
    row: &'a ChallengeRow,
    account: &'a AccountRow,
    key: &'a LockKey,
    method: Method,
    proof: Proof,
}

impl Accounts {
    /// Finishes a sign-in with the code of a second factor.
    ///
    /// # Errors
    /// [`Error::Limited`]; [`Error::InvalidChallenge`] for one that is unknown, used, too old, tried too often, bound to
    /// another browser, or whose password was changed; [`Error::Conflict`] for a method that the account does not have;
    /// [`Error::Locked`]; [`Error::WrongCode`]; [`Error::Unavailable`].
    pub async fn verify_otp(&self, typed: Finish, origin: &Origin) -> Result<SignedIn, Error> {
        let limits = &self.settings.rate_limits;
        self.throttle("otp-ip", &origin.ip.bucket().to_string(), limits.login).await?;
        let (row, account) = self.waiting(&typed.challenge, typed.browser.as_ref()).await?;
        self.throttle("otp", &account.id.to_string(), limits.otp).await?;
        let method = self.method_of(&account, typed.method).await?;
        let _turn = self.single_file.turn(&account.email).await?;
        let key = self.lock_key(&account.email, Some(&account), origin).await?;
        self.refuse_while_locked(&key, &account.email, Some(&account), origin).await?;
        let sent = self.store.take_challenge_try(row.id, self.clock.now()).await?;
        let sent = sent.ok_or(Error::InvalidChallenge)?.map(|code| (row.id, code));
        let tried = Tried { account: &account, method, code: &typed.code, sent };
        let Some(proof) = self.compare_code(tried).await? else {
            let (email, account) = (&account.email, Some(&account));
            self.count_failure(Failure { key: &key, email, account, reason: "wrong_code" }, origin).await?;
            return Err(Error::WrongCode);
        };
        let finished = Finished { row: &row, account: &account, key: &key, method, proof };
        self.finish(finished, typed.remember, origin).await
    }

    async fn finish(
        &self,
        finished: Finished<'_>,
        remember: bool,
        origin: &Origin,
    ) -> Result<SignedIn, Error> {
        let Finished { row, account, key, method, proof } = finished;
        let now = self.clock.now();
        let mut tx = Tx::new();
        proof.spend(&mut tx, account, now);
        tx.consume_challenge(row.id, now);
        tx.admit_account(account.id, &account.password_hash, &account.password_hash);
        tx.clear_failures(key, now);
        if method == Method::Recovery {
            self.tell_factor(&mut tx, account, "one of your recovery codes was used to sign in", origin);
        }
        let opening = Opening { account, amr: TWO_FACTORS, keep: row.keep, reason: method.as_str() };
        let opened = self.open_session(tx, opening, origin).await?;
        let mut signed_in = opened.ok_or(Error::InvalidChallenge)?;
        if remember {
            self.trust_device(&mut signed_in, origin).await;
        }
        Ok(signed_in)
    }
}
