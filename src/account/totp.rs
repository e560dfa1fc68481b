//! Codes from an app (RFC 6238): SHA-1, six digits, 30 seconds, which is what every app can do. The code of the running
//! step counts and that of the one before, for people who type slowly; none of the future, and none twice.
//!
//! The seed is sealed for its account: in the row of another it opens nothing (M-13).

use totp_rs::{Algorithm, Builder};

use super::factor::{Change, wrong_field};
use super::qr;
use super::{Accounts, Error, Me, Origin};
use crate::model::{AccountId, Secret, Timestamp};
use crate::store::Tx;

/// Length of a step, in seconds.
const STEP: u64 = 30;
const DIGITS: u8 = 6;
/// Length of a seed, in bytes: that of the hash (RFC 4226 section 4).
const SEED: usize = 20;
const LABEL: &str = "totp";
/// RFC 4648.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an app needs to make codes. Shown once.
#[derive(Debug)]
pub struct Enrolment {
    /// The seed in base32, to be typed.
    pub secret: Secret,
    /// The same as `otpauth://` URI.
    pub uri: Secret,
    /// The URI as a picture: an `<svg>` element.
    pub qr_svg: Secret,
}

impl Accounts {
    /// Whether codes from an app are asked for.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn totp(&self, me: &Me) -> Result<bool, Error> {
        Ok(self.account_of(me).await?.totp)
    }

    /// Draws a seed that counts once a code of it was confirmed; it takes the place of one that still waits for that.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::ElevationRequired`]; [`Error::Conflict`] when there is a confirmed one, which has
    /// to be removed first; [`Error::Unavailable`].
    pub async fn enrol_totp(&self, me: &Me, origin: &Origin) -> Result<Enrolment, Error> {
        let account = self.elevated(me).await?;
        let seed = self.entropy.bytes::<SEED>();
        let sealed = self.vault.seal(LABEL, account.id.as_bytes(), &seed, &*self.entropy);
        let secret = base32(&seed, BASE32);
        let uri = otpauth(self.post.brand(), account.email.as_str(), &secret);
        let qr_svg = qr::svg(&uri).ok_or_else(|| Error::Unavailable("the QR code is too long".into()))?;
        let mut tx = Tx::new();
        tx.enrol_totp(account.id, &sealed, self.clock.now());
        self.audit(&mut tx, "factor.totp_begun", &account.id.to_string(), origin);
        let done = self.store.commit(tx).await?;
        done.ok_or(Error::Conflict(
            "already-enrolled",
            "Codes from an app are set up already. Remove them first to set up another app.",
        ))?;
        Ok(Enrolment { secret: Secret::new(secret), uri: Secret::new(uri), qr_svg: Secret::new(qr_svg) })
    }

    /// Lets the seed count from now on, after its first code; the recovery codes that come with it. Every other session
    /// ends, the owner is told.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::ElevationRequired`], [`Error::Limited`]; [`Error::Conflict`] when no seed waits;
    /// [`Error::Invalid`] for a wrong code; [`Error::Unavailable`].
    pub async fn confirm_totp(&self, me: &Me, code: &Secret, origin: &Origin) -> Result<Vec<Secret>, Error> {
        let account = self.elevated(me).await?;
        self.throttle("otp", &format!("enrol:{}", account.id), self.settings.rate_limits.otp).await?;
        let row = self.store.totp(account.id).await?.filter(|row| row.confirmed_at.is_none());
        let row = row.ok_or(NOT_BEGUN)?;
        let seed = self.open_seed(account.id, &row.sealed_seed)?;
        let now = self.clock.now();
        let step = matching_step(&seed, code.expose(), now);
        let step =
            step.ok_or_else(|| wrong_field("wrong", "This is not the code that the app shows now."))?;
        let mut tx = Tx::new();
        tx.confirm_totp(account.id, &row.sealed_seed, step, now);
        let codes = self.new_recovery_codes(&mut tx, account.id);
        let change = Change {
            me,
            account: &account,
            action: "factor.totp_on",
            what: "codes from an app are asked for now",
        };
        if self.commit_factors(tx, change, origin).await? { Ok(codes) } else { Err(NOT_BEGUN) }
    }

    /// Removes the seed, and with the last factor the recovery codes. Every other session ends, the owner is told. A
    /// role that needs a second factor does not stand in the way: codes by mail are asked for then.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::ElevationRequired`]; [`Error::NotFound`] when there is none;
    /// [`Error::Unavailable`].
    pub async fn remove_totp(&self, me: &Me, origin: &Origin) -> Result<(), Error> {
        let account = self.elevated(me).await?;
        let mut tx = Tx::new();
        tx.delete_totp(account.id);
        let change = Change {
            me,
            account: &account,
            action: "factor.totp_off",
            what: "codes from an app are not asked for any more",
        };
        if self.commit_factors(tx, change, origin).await? { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Opens a sealed seed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it was sealed for another account or under another secret.
    pub(super) fn open_seed(&self, account: AccountId, sealed: &[u8]) -> Result<[u8; SEED], Error> {
        let plain = self.vault.open(LABEL, account.as_bytes(), sealed);
        let seed = plain.and_then(|bytes| bytes.try_into().ok());
        seed.ok_or_else(|| Error::Unavailable("a stored TOTP seed cannot be opened".into()))
    }
}

const NOT_BEGUN: Error =
    Error::Conflict("not-begun", "There is nothing to confirm: begin with setting up the app.");

/// The step whose code it is: the running one or the one before. Both are always computed and compared.
pub(super) fn matching_step(seed: &[u8; SEED], code: &str, now: Timestamp) -> Option<i64> {
    let running = u64::try_from(now.secs()).ok()? / STEP;
    let app = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_step_duration(STEP)
        .with_skew(0)
        .with_secret(*seed)
        .build()
        .ok()?;
    // `check` takes six ASCII digits and nothing else, and compares in constant time.
    let [running, before] = [running, running.saturating_sub(1)].map(|step| app.check(code, step * STEP));
    running.or(before).and_then(|step| i64::try_from(step).ok())
}

/// The form that apps read (Key URI Format).
fn otpauth(issuer: &str, account: &str, secret: &str) -> String {
    let text =
        |t: &str| percent_encoding::utf8_percent_encode(t, percent_encoding::NON_ALPHANUMERIC).to_string();
    // A colon would end the issuer.
    let issuer = text(&issuer.replace(':', " "));
    let account = text(account);
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}"
    )
}

/// Five bits a character; whole groups of five bytes only, so nothing is left over.
pub(super) fn base32(bytes: &[u8], alphabet: &[u8; 32]) -> String {
    let mut text = String::with_capacity(bytes.len() / 5 * 8);
    for group in bytes.chunks_exact(5) {
        let bits = group.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        text.extend(
            (0..8).rev().map(|n| char::from(alphabet[usize::try_from(bits >> (5 * n) & 31).unwrap_or(0)])),
        );
    }
    text
}
