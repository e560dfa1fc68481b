//! Proving again who one is, before something sensitive. The session stays the same; from then on its tokens say when
//! and how the person did it. A password is enough only for people of whom nothing more is asked, and for sessions that
//! have seen the second factor already.

use std::time::Duration;

use super::factor::{Proof, TWO_FACTORS, Tried};
use super::lockout::Failure;
use super::password::is_oversize;
use super::{Accounts, Error, Me, Method, Origin};
use crate::model::{CodeId, Secret, SessionId};
use crate::store::{AccountRow, LockKey, SessionRow, Tx};

/// How a person proves it again.
#[derive(Debug)]
pub enum Elevate {
    /// With the password.
    Password(Secret),
    /// With a code of that method; `None`: of the best one that the account has.
    Code(Secret, Option<Method>),
}

/// A session with a fresh proof.
#[derive(Debug)]
pub struct Elevated {
    /// The access token that says so (JWT).
    pub access: Secret,
    /// Its life from now.
    pub expires_in: Duration,
    /// How long the session can lie unused; the `Max-Age` of the access cookie.
    pub session_expires_in: Duration,
}

/// What was right, and what it uses up.
enum Right {
    Password,
    Code(Proof, Option<CodeId>),
}

impl Accounts {
    /// Proves again who one is.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Limited`], [`Error::Locked`] (for this session alone);
    /// [`Error::ElevationRequired`] when the password is not enough; [`Error::Conflict`] for a method that the account
    /// does not have; [`Error::WrongCredentials`], [`Error::WrongCode`]; [`Error::Busy`], [`Error::Unavailable`].
    pub async fn elevate(&self, me: &Me, typed: Elevate, origin: &Origin) -> Result<Elevated, Error> {
        let (account, session) = self.session_of(me).await?;
        let (subject, key) = match &typed {
            Elevate::Password(_) => (format!("session:{}", me.session), self.lock_key_of(me, &account)),
            Elevate::Code(..) => (format!("elevate:{}", account.id), LockKey::codes(&account.email)),
        };
        self.throttle("otp", &subject, self.settings.rate_limits.otp).await?;
        let _turn = self.single_file.turn(&account.email).await?;
        self.refuse_while_locked(&key, &account.email, Some(&account), origin).await?;
        let (right, reason, wrong) = match typed {
            Elevate::Password(password) => {
                let right = self.by_password(&account, &session, &password).await?;
                (right, "wrong_credentials", Error::WrongCredentials)
            }
            Elevate::Code(code, method) => {
                let method = self.method_of(&account, method).await?;
                let right = self.by_code(&account, session.id, &code, method).await?;
                (right, "wrong_code", Error::WrongCode)
            }
        };
        let Some(right) = right else {
            let (email, account) = (&account.email, Some(&account));
            self.count_failure(Failure { key: &key, email, account, reason }, origin).await?;
            return Err(wrong);
        };
        let mut tx = Tx::new();
        tx.clear_failures(&key, self.clock.now());
        self.renew_proof(tx, (&account, session), &right, origin).await
    }

    /// Mails a code for this session; how long it works.
    ///
    /// # Errors
    /// [`Error::SignInFirst`]; [`Error::Conflict`] when the account is not confirmed by mail; [`Error::Locked`];
    /// [`Error::Limited`]; [`Error::Unavailable`].
    pub async fn mail_elevation_code(&self, me: &Me, origin: &Origin) -> Result<Duration, Error> {
        let account = self.account_of(me).await?;
        self.method_of(&account, Some(Method::Email)).await?;
        let key = LockKey::codes(&account.email);
        self.refuse_while_locked(&key, &account.email, Some(&account), origin).await?;
        self.throttle("resend", &format!("elevation:{}", account.id), self.settings.rate_limits.resend)
            .await?;
        self.limit_mails(&account).await?;
        let mut tx = Tx::new();
        // It is found by its session; nobody ever holds its token.
        let token = self.entropy.bytes::<32>();
        let mut row = self.new_challenge(&account, &account.password_hash, Some(me.session), &token);
        row.code = Some(self.send_code(&mut tx, &account, row.id));
        tx.insert_challenge(&row, self.settings.second_factor.tries, self.clock.now());
        self.store.commit(tx).await?;
        Ok(self.challenge_life())
    }

    async fn by_password(
        &self,
        account: &AccountRow,
        session: &SessionRow,
        password: &Secret,
    ) -> Result<Option<Right>, Error> {
        if self.factor_due(account) && !session.amr.split(' ').any(|m| m == "mfa") {
            return Err(Error::ElevationRequired { second_factor: true });
        }
        if is_oversize(password, self.settings.password.max_length) {
            return Ok(None);
        }
        let verified = self.hasher.verify(&account.password_hash, password).await?;
        Ok(verified.ok.then_some(Right::Password))
    }

    async fn by_code(
        &self,
        account: &AccountRow,
        session: SessionId,
        code: &Secret,
        method: Method,
    ) -> Result<Option<Right>, Error> {
        let now = self.clock.now();
        let mut sent = None;
        if method == Method::Email {
            let waiting = self.store.elevation_challenge(account.id, session, now).await?;
            let Some(row) = waiting else { return Ok(None) };
            let Some(taken) = self.store.take_challenge_try(row.id, now).await? else { return Ok(None) };
            sent = taken.map(|code| (row.id, code));
        }
        let proof = self.compare_code(Tried { account, method, code, sent }).await?;
        Ok(proof.map(|proof| Right::Code(proof, sent.map(|(challenge, _)| challenge))))
    }

    /// Uses the code up, writes the fresh proof down and makes the token that says so.
    async fn renew_proof(
        &self,
        mut tx: Tx,
        (account, mut session): (&AccountRow, SessionRow),
        right: &Right,
        origin: &Origin,
    ) -> Result<Elevated, Error> {
        let now = self.clock.now();
        let mut amr = None;
        if let Right::Code(proof, challenge) = right {
            amr = Some(TWO_FACTORS);
            proof.spend(&mut tx, account, now);
            if let Some(challenge) = challenge {
                tx.consume_challenge(*challenge, now);
            }
            if matches!(proof, Proof::Recovery(_)) {
                self.tell_factor(&mut tx, account, "one of your recovery codes was used", origin);
            }
        }
        tx.admit_account(account.id, &account.password_hash, &account.password_hash);
        tx.elevate_session(session.id, amr, now);
        self.audit(&mut tx, "session.elevated", &account.id.to_string(), origin);
        // None: the code was used meanwhile, the password changed, or the session ended.
        self.store.commit(tx).await?.ok_or(match right {
            Right::Password => Error::WrongCredentials,
            Right::Code(..) => Error::WrongCode,
        })?;
        session.auth_time = now;
        if let Some(amr) = amr {
            session.amr = amr.to_owned();
        }
        let (access, expires_in) = self.access_token(account, &session, now);
        Ok(Elevated { access, expires_in, session_expires_in: session.idle_expires.since(now) })
    }
}
