//! Another address for an account: asked for by somebody who has just shown who they are, confirmed at the new address,
//! told to the old one.
//!
//! An address that belongs to somebody gets the same answer; its owner gets a notice instead of the pair (L-02). An
//! address that somebody has only registered and never proved stands in nobody's way: the confirmation is a proof, and
//! removes that registration. Only the newest request of an account can be confirmed, and of two accounts that ask
//! for one address the first to confirm gets it.

use std::time::Duration;

use super::lockout::UNLOCK;
use super::mailed::{Guess, Lifetimes, Mailed};
use super::pace::paced;
use super::{Accounts, Error, FieldErrors, Me, Origin, form, register, reset_password};
use crate::limiter::Quota;
use crate::mail::Message;
use crate::model::{Email, Secret, SessionId, Timestamp};
use crate::store::{AccountRow, CodeRow, Tx};

/// What the mailed pair is for.
pub(super) const PURPOSE: &str = "change_email";
const LIFE: Lifetimes = Lifetimes { link_hours: 24, code_minutes: 15, tries: 5 };
/// The notice to the owner of an address that somebody else asked for; shared with registration.
const NOTICE: Quota = Quota { limit: 1, window: Duration::from_hours(1) };

/// What the mailed pair will do.
struct Wanted {
    /// Asked for it, and stays signed in.
    session: SessionId,
    email: Email,
}

impl Wanted {
    fn write(&self) -> String {
        format!("{} {}", self.session, self.email)
    }

    fn read(payload: &str) -> Option<Self> {
        let (session, email) = payload.split_once(' ')?;
        Some(Self { session: session.parse().ok()?, email: Email::parse(email).ok()? })
    }
}

impl Accounts {
    /// Mails a link and a code to the address that the account is to have. The same answer whether that is free or not.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::ElevationRequired`]; [`Error::Invalid`] for a text that is no address, the
    /// present address or a domain that may not register; [`Error::Limited`], [`Error::Unavailable`].
    pub async fn request_email_change(&self, me: &Me, email: &str, origin: &Origin) -> Result<(), Error> {
        let account = self.elevated(me).await?;
        let email = self.new_address(&account, email)?;
        let quota = self.settings.rate_limits.password_reset_account;
        self.throttle("password_reset_account", &format!("change:{}", account.id), quota).await?;
        paced(self.ask_for(&account, (&email, me.session), origin)).await
    }

    async fn ask_for(
        &self,
        account: &AccountRow,
        (email, session): (&Email, SessionId),
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let owner = self.store.account_by_email(email).await?.filter(|a| a.verified_at.is_some());
        let notice = self.take("registered-notice", email.as_str(), NOTICE).await?.allowed;
        let Mailed { link_token, code, mut row } = self.draw_mailed(account.id, LIFE, now);
        row.payload = Wanted { session, email: email.clone() }.write();
        let mut tx = Tx::new();
        tx.replace_code(&row, PURPOSE, LIFE.tries, now);
        match owner {
            None => self.post(&mut tx, email, &self.ask_at_new(account, &link_token, code)),
            Some(owner) if notice => {
                let login_link = self.page("/login/");
                self.post(&mut tx, email, &Message::SomeoneRegistered { name: owner.name, login_link });
            }
            Some(_) => {}
        }
        let detail = format!("new: {email}");
        self.audit_detail(&mut tx, ("email.change_asked", &account.id.to_string(), &detail), origin);
        self.store.commit(tx).await?;
        Ok(())
    }

    fn new_address(&self, account: &AccountRow, typed: &str) -> Result<Email, Error> {
        let mut errors = FieldErrors::default();
        let email = form::email(typed, &mut errors);
        if let Some(email) = &email {
            form::domain(email, &self.settings.registration.domains, &mut errors);
            if *email == account.email {
                errors.add("email", "unchanged", "This is your address already.");
            }
        }
        email.filter(|_| errors.0.is_empty()).ok_or(Error::Invalid(errors))
    }

    fn ask_at_new(&self, account: &AccountRow, token: &Secret, code: Secret) -> Message {
        Message::EmailChange {
            name: account.name.clone(),
            link: Secret::new(self.page(&format!("/change-email/{}/{}/", account.id, token.expose()))),
            code,
            link_hours: LIFE.link_hours,
            code_minutes: LIFE.code_minutes,
        }
    }

    /// Whether the link would change the address now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when it would not, [`Error::Unavailable`].
    pub async fn check_email_change(&self, uid: &str, token: &str) -> Result<(), Error> {
        self.find_email_change(uid, token).await.map(drop)
    }

    /// Changes the address by the mailed link. Whoever can read the mail may confirm, signed in or not.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the link is unknown, used, replaced or too old, or the address taken meanwhile;
    /// [`Error::Unavailable`].
    pub async fn change_email_by_link(&self, uid: &str, token: &str, origin: &Origin) -> Result<(), Error> {
        let (account, row) = self.find_email_change(uid, token).await?;
        self.move_account(&account, &row, origin).await
    }

    /// Changes the address by the mailed code; only the account that asked can.
    ///
    /// # Errors
    /// As by link; [`Error::SignInFirst`], [`Error::Limited`].
    pub async fn change_email_by_code(&self, me: &Me, code: &str, origin: &Origin) -> Result<(), Error> {
        let account = self.account_of(me).await?;
        let quota = self.settings.rate_limits.otp;
        self.throttle("otp", &format!("change:{}", account.id), quota).await?;
        let guess = Guess { purpose: PURPOSE, email: &account.email, code, usable: AccountRow::may_sign_in };
        let (account, row) = self.find_code(guess, origin).await?;
        self.move_account(&account, &row, origin).await
    }

    async fn find_email_change(&self, uid: &str, token: &str) -> Result<(AccountRow, CodeRow), Error> {
        let found = self.find_link(PURPOSE, uid, token).await?;
        if found.0.may_sign_in() { Ok(found) } else { Err(Error::InvalidToken) }
    }

    async fn move_account(&self, account: &AccountRow, row: &CodeRow, origin: &Origin) -> Result<(), Error> {
        let now = self.clock.now();
        let Wanted { session, email } = Wanted::read(&row.payload).ok_or(Error::InvalidToken)?;
        let mut tx = Tx::new();
        tx.consume_code(row.id, now);
        // A session that somebody has ended takes its wishes along: it may have been a thief's.
        tx.need_session(session, account.id);
        tx.change_email(account.id, &account.email, &email, now);
        // Mailed to the old address, or about it.
        tx.drop_challenges(account.id);
        tx.distrust_devices(account.id);
        for purpose in [reset_password::PURPOSE, register::PURPOSE, UNLOCK] {
            tx.drop_codes(account.id, purpose);
        }
        let ending = self.end_sessions_within(&mut tx, account.id, Some(session), "email_changed");
        // The session that goes on gets a token with the new address.
        self.revoke_tokens(&mut tx, account.id, now);
        self.audit_detail(
            &mut tx,
            ("email.changed", &account.id.to_string(), &format!("old: {}; new: {email}", account.email)),
            origin,
        );
        self.post(&mut tx, &account.email, &told_old(account, &email, origin, now));
        let written = self.commit_ending(tx, ending).await;
        if !matches!(written, Ok(None)) {
            // Also when no answer came: it may have been written.
            self.forget_tokens(account.id, now);
        }
        written?.ok_or(Error::InvalidToken)
    }
}

fn told_old(account: &AccountRow, email: &Email, origin: &Origin, now: Timestamp) -> Message {
    Message::EmailChanged { name: account.name.clone(), email: email.to_string(), seen: origin.sighting(now) }
}
