//! Why a use case said no, in the words of the domain.

use std::time::Duration;

use crate::limiter::{LimiterError, Taken};
use crate::store::StoreError;

/// What was wrong with one field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name, as in the API (`password`, `email`, …).
    pub field: &'static str,
    /// A stable word for programs: `required`, `too_short`, `common`, …
    pub code: &'static str,
    /// A sentence for people that says what to do.
    pub message: String,
}

/// Everything that was wrong with a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    /// Notes one more.
    pub fn add(&mut self, field: &'static str, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError { field, code, message: message.into() });
    }

    /// `Ok` when nothing was noted.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that was noted.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

/// Why a use case said no.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input breaks a rule; each broken rule is named.
    #[error("the input is not valid")]
    Invalid(FieldErrors),
    /// Address and password do not belong together (or the address is unknown).
    #[error("e-mail address or password is wrong")]
    WrongCredentials,
    /// The password was right, the address is not yet proved.
    #[error("this account is not activated yet")]
    NotActivated,
    /// The password was right, an admin has switched the account off.
    #[error("this account is deactivated")]
    Deactivated,
    /// The password was right, but somebody has declared it unsafe: it must be reset by mail first.
    #[error("this password must be reset first")]
    ResetRequired,
    /// The password was right, the owner has closed the account and can still undo that by mail.
    #[error("this account is about to be deleted")]
    Closed,
    /// Nobody can register here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// Too many failures; the same answer for right and wrong passwords.
    #[error("this account is locked for now")]
    Locked,
    /// A link, code or refresh token that is unknown, used, replaced or too old.
    #[error("this link or code is not valid any more")]
    InvalidToken,
    /// The code of a second factor is wrong, used or too old.
    #[error("this code is wrong")]
    WrongCode,
    /// A sign-in that waits for no code (any more): unknown, used up, too old, or begun elsewhere.
    #[error("this sign-in has to be started anew")]
    InvalidChallenge,
    /// Whoever asks has no session (any more).
    #[error("sign in first")]
    SignInFirst,
    /// The last proof of identity is too long ago, or was not strong enough (step-up).
    #[error("confirm that it is you first")]
    ElevationRequired {
        /// Whether only a second factor will do.
        second_factor: bool,
    },
    /// The named permission is missing.
    #[error("this needs the permission {0}")]
    Forbidden(&'static str),
    /// The person or role concerned has permissions that whoever asks does not have.
    #[error("this goes beyond your own permissions")]
    BeyondYours,
    /// There is no such thing, or it is somebody else's.
    #[error("not found")]
    NotFound,
    /// It cannot be done in the present state; a stable word and a sentence for people.
    #[error("{0}: {1}")]
    Conflict(&'static str, &'static str),
    /// Tried too often.
    #[error("too many tries")]
    Limited(Limited),
    /// No room for another password hash; nothing was computed.
    #[error("too busy, try again")]
    Busy {
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// The store or the limiter did not answer. Never means that a credential was wrong.
    #[error("not available: {0}")]
    Unavailable(String),
}

/// Which limit was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The limit's name in the config: `login`, `register`, …
    pub policy: &'static str,
    /// What the counter said.
    pub taken: Taken,
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Self {
        Self::Unavailable(e.to_string())
    }
}

impl From<LimiterError> for Error {
    fn from(e: LimiterError) -> Self {
        Self::Unavailable(e.to_string())
    }
}
