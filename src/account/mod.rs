//! The account system: one use case per file. No HTTP, no SQL; two doors (JSON and pages) open onto the
//! same functions.
//!
//! - `register` → `verify_email` → [`login`](Accounts::login) → `refresh` (`renewal`) → `logout`: the life of a sign-in
//! - `lockout`, `unlock`, `not_me`: when an account stops answering, and how its owner helps themselves
//! - [`password`]: what a password must be, and how it is hashed
//! - `factor`, `challenge`, `verify_otp`: a second factor, the sign-in that waits for one, and its end
//! - `email_otp`, `totp` (`qr`), `recovery`: the three factors · `elevation`, `elevate`: asking again before sensitive things
//! - `reset_password`, `change_password`, `change_email`, `profile`, `deletion`, `export`: one's own account
//! - `sessions`, `device`, `history`: where one is and was signed in
//! - `create`: accounts made by the operator · `bootstrap`: the first admin · [`admin`]: looking after other people
//! - `purge`: what the jobs remove · `unheard`: refreshes whose answer was lost
//! - `throttle`, `mailed`, `link`, `page`, `trail`, `roles`, `form`, `session`, `ending`: what several of them need

pub mod admin;
mod bootstrap;
mod challenge;
mod change_email;
mod change_password;
mod create;
mod deletion;
mod device;
mod elevate;
mod elevation;
mod email_otp;
mod ending;
mod error;
mod events;
mod export;
mod factor;
mod form;
mod history;
mod link;
mod lockout;
mod login;
mod logout;
mod mailed;
mod not_me;
mod pace;
mod page;
pub mod password;
mod profile;
mod purge;
mod qr;
mod recovery;
mod refresh;
mod register;
mod renewal;
mod reset_password;
mod roles;
mod session;
mod sessions;
mod settings;
#[cfg(test)]
mod tests;
mod throttle;
mod totp;
mod trail;
mod types;
mod unheard;
mod unlock;
mod verify_email;
mod verify_otp;

use std::sync::Arc;
use std::time::Duration;

pub use bootstrap::Bootstrap;
pub use change_password::ChangePassword;
pub use elevate::{Elevate, Elevated};
pub use error::{Error, FieldError, FieldErrors, Limited};
pub use events::{Events, NoEvents};
pub use export::{Deed, Export};
pub use form::NewPassword;
pub use history::{ACTIVITY, Activity};
pub use page::{Cursor, Key, Page};
pub use profile::Profile;
pub use purge::PURGE_BATCH;
pub use renewal::Look;
pub use reset_password::{Proof, Reset};
pub use session::token_life;
pub use sessions::{OwnDevice, OwnSession};
pub use settings::*;
pub use totp::Enrolment;
pub use types::*;
pub use verify_email::Proved;
pub use verify_otp::Finish;

pub use crate::store::{KeptAttempt, KeptDevice, KeptSession};

use crate::limiter::{Limiter, Turns};
use crate::mail::Post;
use crate::model::{AccountId, Clock, Entropy};
use crate::store::{AccountRow, Store};
pub use crate::store::{
    AttemptLine, AttemptQuery, AuditLine, AuditQuery, MailState, OpenSession, PeopleQuery, PeopleSort,
    PersonRow, PersonState, QueuedMail, Span,
};
use crate::token::{Mint, Revocations, Vault};

/// The account system of one deployment.
pub struct Accounts {
    pub(crate) store: Store,
    pub(crate) limiter: Arc<dyn Limiter>,
    pub(crate) mint: Arc<Mint>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) post: Post,
    pub(crate) hasher: password::Hasher,
    pub(crate) single_file: throttle::SingleFile,
    pub(crate) newest: register::Newest,
    pub(crate) unheard: unheard::Unheard,
    pub(crate) settings: Settings,
    pub(crate) access_ttl: Duration,
    pub(crate) clocks_apart: Duration,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// What the account system is built from.
pub struct Parts {
    /// Where accounts live.
    pub store: Store,
    /// Who counts tries.
    pub limiter: Arc<dyn Limiter>,
    /// Who lets tries on one address go single file.
    pub turns: Arc<dyn Turns>,
    /// Who makes access tokens.
    pub mint: Arc<Mint>,
    /// Life of an access token: so long is a session that ended kept in mind.
    pub access_ttl: Duration,
    /// How far the clock of another node that makes tokens may be ahead; zero where there is none.
    pub clocks_apart: Duration,
    /// Who seals and derives.
    pub vault: Arc<Vault>,
    /// Which tokens have ended early.
    pub revocations: Arc<Revocations>,
    /// Who writes mails into the outbox.
    pub post: Post,
    /// Who counts what happens; [`NoEvents`] if nobody does.
    pub events: Arc<dyn Events>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
}

impl Accounts {
    /// Puts the parts together and starts the threads that hash passwords; make it after the process has forked, if
    /// it forks.
    #[must_use]
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let hasher = password::Hasher::new(
            settings.password.argon2,
            Arc::clone(&parts.clock),
            Arc::clone(&parts.entropy),
        );
        hasher.tell(Arc::clone(&parts.events));
        Self {
            store: parts.store,
            limiter: parts.limiter,
            mint: parts.mint,
            vault: parts.vault,
            revocations: parts.revocations,
            post: parts.post,
            hasher,
            single_file: throttle::SingleFile(parts.turns),
            newest: register::Newest::new(),
            unheard: unheard::Unheard::default(),
            settings,
            access_ttl: parts.access_ttl,
            clocks_apart: parts.clocks_apart,
            events: parts.events,
            clock: parts.clock,
            entropy: parts.entropy,
        }
    }

    /// The person behind an account; `None` when there is none, or when it may not sign in.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn user(&self, id: AccountId) -> Result<Option<User>, Error> {
        let account = self.store.account_by_id(id).await?;
        let active = account.filter(AccountRow::may_sign_in);
        Ok(active.map(|a| self.settings.user(&a)))
    }

    /// The pool that hashes passwords, for its counters.
    #[must_use]
    pub fn hasher(&self) -> &password::Hasher {
        &self.hasher
    }
}
