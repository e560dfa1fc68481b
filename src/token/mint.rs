//! Makes access tokens.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::claims::token_id;
use super::wire::{Envelope, Outgoing};
use super::{AccessGrant, KeyRing, Person, Purpose, Revocations, Settings};
use crate::model::{Entropy, Timestamp};

/// So far clocks of nodes may be apart in ordinary times.
const SLIP: Duration = Duration::from_secs(60);

/// Makes access tokens with whatever key signs at the moment.
pub struct Mint {
    keys: Arc<ArcSwap<KeyRing>>,
    settings: Settings,
    entropy: Arc<dyn Entropy>,
    revocations: Option<Arc<Revocations>>,
}

impl Mint {
    /// A mint that signs with the newest key of `keys` at each call.
    #[must_use]
    pub fn new(keys: Arc<ArcSwap<KeyRing>>, settings: Settings, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys, settings, entropy, revocations: None }
    }

    /// Lets new tokens begin after the account's last revocation, so that a fresh sign-in is never caught by the
    /// sign-out before it. Without it, whoever revokes and issues within one millisecond issues a dead token.
    #[must_use]
    pub fn heeding(mut self, revocations: Arc<Revocations>) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// An access token and when it ends. `iat` is `now` (or the millisecond after the account's last revocation if that
    /// is later), `exp` is `iat` plus the configured life.
    #[must_use]
    pub fn access(&self, grant: &AccessGrant, now: Timestamp) -> (String, Timestamp) {
        let issued = self.revocations.as_ref().map_or(now, |r| r.first_good(grant.account, now));
        let iat = issued.secs();
        let exp = Timestamp::from_secs(iat).after(self.settings.access_ttl).secs();
        let envelope = Envelope {
            iss: &self.settings.issuer,
            aud: &self.settings.audience,
            jti: token_id(issued, &self.entropy.bytes()),
            iat,
            exp,
        };
        let mut person = Person::from(grant);
        // A clock that was ahead when the person signed in: nobody has proved anything in the future.
        if person.auth_time > issued {
            let slip = person.auth_time.since(issued) <= SLIP;
            person.auth_time = if slip { issued } else { Timestamp::from_secs(0) };
        }
        let payload = Outgoing::new(&envelope, &person).not_before(iat).json();
        (sign(&self.keys.load(), Purpose::Access, &payload, now), Timestamp::from_secs(exp))
    }
}

/// Signs with the key of the moment.
pub(super) fn sign(keys: &KeyRing, purpose: Purpose, payload: &[u8], now: Timestamp) -> String {
    keys.signer(now).sign(purpose, payload).expect("every key of a ring has signed in its self-test")
}
