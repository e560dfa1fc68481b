//! Everything that is kept about a person, for that person. Nothing in it lets anybody in: no secret, hash, seed or code
//! (T-17).

use std::time::Duration;

use super::{Accounts, Error, Me, Profile};
use crate::limiter::Quota;
use crate::model::{AccountId, Timestamp};
use crate::store::{ANONYMOUS_ACTOR, KeptAttempt, KeptDeed, KeptDevice, KeptSession, SYSTEM_ACTOR};

/// It reads a lot; nobody needs it more often.
const EXPORTS: Quota = Quota { limit: 10, window: Duration::from_hours(1) };
/// How many of the newest lines of each kind are handed out; far more than an account gathers before they leave.
const MOST: u32 = 10_000;

/// Everything that is kept about a person.
#[derive(Clone, Debug)]
pub struct Export {
    /// When it was put together.
    pub at: Timestamp,
    /// The account.
    pub profile: Profile,
    /// How many recovery codes are unused.
    pub recovery_codes: usize,
    /// Sign-ins that are still kept, newest first.
    pub sessions: Vec<KeptSession>,
    /// Tries to sign in, newest first.
    pub attempts: Vec<KeptAttempt>,
    /// Known devices.
    pub devices: Vec<KeptDevice>,
    /// What was done by or to the account, newest first.
    pub audit: Vec<Deed>,
}

/// Something done by or to the account.
#[derive(Clone, Debug)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// `you`, `somebody` (who had not proved to be you), `system`, `operator` or `administrator`: other people are not named.
    pub by: &'static str,
    /// A stable word.
    pub action: String,
    /// From where; empty where it was not by you.
    pub ip: String,
}

impl Accounts {
    /// Everything that is kept about whoever asks.
    ///
    /// # Errors
    /// [`Error::SignInFirst`], [`Error::Unavailable`].
    pub async fn export(&self, me: &Me) -> Result<Export, Error> {
        let account = self.account_of(me).await?;
        self.throttle("export", &account.id.to_string(), EXPORTS).await?;
        let id = account.id;
        let audit = self.store.audit_about(id, MOST).await?;
        Ok(Export {
            at: self.clock.now(),
            profile: self.profile_of(&account),
            recovery_codes: self.store.unused_recovery_codes(id).await?.len(),
            sessions: self.store.own_sessions(id, MOST).await?,
            attempts: self.store.own_attempts(id, MOST).await?,
            devices: self.store.own_devices(id).await?,
            audit: audit.into_iter().map(|line| deed(line, id)).collect(),
        })
    }
}

fn deed(line: KeptDeed, id: AccountId) -> Deed {
    let by = match line.actor.as_str() {
        actor if actor == id.to_string() => "you",
        SYSTEM_ACTOR => "system",
        "operator" => "operator",
        ANONYMOUS_ACTOR => "somebody",
        _ => "administrator",
    };
    let ip = if by == "you" { line.ip } else { String::new() };
    Deed { at: line.at, by, action: line.action, ip }
}
