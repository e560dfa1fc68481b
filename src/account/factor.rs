//! Second factors: which ones an account can use, comparing a code, and what every change of them brings with it.

use super::totp::matching_step;
use super::{Accounts, Error, FieldErrors, Me, Method, Origin};
use crate::mail::Message;
use crate::model::{CodeId, Secret, Timestamp, constant_time_eq};
use crate::store::{AccountRow, SentCode, Tx};

/// How a person is known who gave password and code (RFC 8176).
pub(super) const TWO_FACTORS: &str = "pwd otp mfa";

/// A code, before it is compared.
pub(super) struct Tried<'a> {
    pub(super) account: &'a AccountRow,
    pub(super) method: Method,
    pub(super) code: &'a Secret,
    /// The newest mailed code of the challenge, if there is one.
    pub(super) sent: Option<(CodeId, SentCode)>,
}

/// A code that was right, and what uses it up.
#[derive(Debug)]
pub(super) enum Proof {
    /// Of an app: the sealed seed as it was seen, and the step.
    Totp(Vec<u8>, i64),
    /// By mail; it goes with its challenge.
    Email,
    /// A recovery code, as it is kept.
    Recovery([u8; 32]),
}

/// A change of factors.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) me: &'a Me,
    pub(super) account: &'a AccountRow,
    /// For the audit log.
    pub(super) action: &'static str,
    /// For the mail: what has changed, in a few words.
    pub(super) what: &'static str,
}

impl Proof {
    /// Uses the code up; the transaction fails when somebody else has.
    pub(super) fn spend(&self, tx: &mut Tx, account: &AccountRow, now: Timestamp) {
        match self {
            Self::Totp(seen, step) => tx.use_totp_step(account.id, seen, *step),
            Self::Email => {}
            Self::Recovery(mac) => tx.use_recovery_code(account.id, mac, now),
        }
    }
}

impl Accounts {
    /// Whether more than the password is asked of the account: it has a factor, or a role that needs one.
    pub(super) fn factor_due(&self, account: &AccountRow) -> bool {
        account.has_factor() || self.factor_required(account)
    }

    /// Whether a role of the account needs a second factor.
    pub(super) fn factor_required(&self, account: &AccountRow) -> bool {
        let needs = &self.settings.second_factor.required_roles;
        account.roles.iter().any(|role| needs.contains(role))
    }

    /// How the account can prove a second factor, the best one first; empty when none is due. Codes by mail stand in
    /// for people whose role needs a factor and who have set up none.
    pub(super) async fn methods(&self, account: &AccountRow) -> Result<Vec<Method>, Error> {
        let mut methods = Vec::new();
        if !self.factor_due(account) {
            return Ok(methods);
        }
        if account.totp {
            methods.push(Method::Totp);
        }
        if account.email_otp || !account.totp {
            methods.push(Method::Email);
        }
        if !self.store.unused_recovery_codes(account.id).await?.is_empty() {
            methods.push(Method::Recovery);
        }
        Ok(methods)
    }

    /// The method to compare with: the one that was named, or else the best one.
    pub(super) async fn method_of(
        &self,
        account: &AccountRow,
        named: Option<Method>,
    ) -> Result<Method, Error> {
        let methods = self.methods(account).await?;
        let picked = named.or_else(|| methods.first().copied());
        picked.filter(|m| methods.contains(m)).ok_or(Error::Conflict(
            "method-not-available",
            "This account cannot be confirmed in that way. Use one of the methods that were offered.",
        ))
    }

    /// Compares a code; `None` when it is wrong, used or too old. Nothing is used up yet.
    pub(super) async fn compare_code(&self, tried: Tried<'_>) -> Result<Option<Proof>, Error> {
        let proof = match tried.method {
            Method::Totp => self.prove_totp(&tried).await?,
            Method::Email => self.prove_mailed(&tried),
            Method::Recovery => self.prove_recovery(tried.account, tried.code).await?.map(Proof::Recovery),
        };
        let outcome = if proof.is_some() { "right" } else { "wrong" };
        self.events.factor(tried.method.as_str(), outcome);
        Ok(proof)
    }

    async fn prove_totp(&self, tried: &Tried<'_>) -> Result<Option<Proof>, Error> {
        let row = self.store.totp(tried.account.id).await?.filter(|row| row.confirmed_at.is_some());
        let Some(row) = row else { return Ok(None) };
        let seed = self.open_seed(tried.account.id, &row.sealed_seed)?;
        let step = matching_step(&seed, tried.code.expose(), self.clock.now());
        // A step is used once, and with it all before it (RFC 6238 section 5.2).
        Ok(step.filter(|step| *step > row.last_step).map(|step| Proof::Totp(row.sealed_seed, step)))
    }

    fn prove_mailed(&self, tried: &Tried<'_>) -> Option<Proof> {
        let (challenge, sent) = tried.sent?;
        let mac = self.otp_mac(challenge, tried.code.expose());
        let right = constant_time_eq(&sent.mac, &mac) && self.clock.now() < sent.expires_at;
        right.then_some(Proof::Email)
    }

    /// Commits a change of factors: whoever else holds a session or waits for one has to begin anew, every device is
    /// asked again, and the owner is told. False when a condition of `tx` did not hold.
    pub(super) async fn commit_factors(
        &self,
        mut tx: Tx,
        change: Change<'_>,
        origin: &Origin,
    ) -> Result<bool, Error> {
        let Change { me, account, action, what } = change;
        let ending = self.end_sessions_within(&mut tx, account.id, Some(me.session), "factor_changed");
        tx.drop_challenges(account.id);
        tx.distrust_devices(account.id);
        tx.drop_orphaned_recovery_codes(account.id);
        self.audit(&mut tx, action, &account.id.to_string(), origin);
        self.tell_factor(&mut tx, account, what, origin);
        Ok(self.commit_ending(tx, ending).await?.is_some())
    }

    /// Adds the mail about a factor.
    pub(super) fn tell_factor(&self, tx: &mut Tx, account: &AccountRow, what: &'static str, origin: &Origin) {
        let mail = Message::FactorChanged {
            name: account.name.clone(),
            what,
            seen: origin.sighting(self.clock.now()),
            reset_link: self.page("/password-reset/"),
        };
        self.post(tx, &account.email, &mail);
    }
}

/// The refusal of a form whose only field is a code.
pub(super) fn wrong_field(code: &'static str, message: &str) -> Error {
    let mut errors = FieldErrors::default();
    errors.add("code", code, message);
    Error::Invalid(errors)
}
