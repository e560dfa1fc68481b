//! All keys of ours at one moment. Immutable: a rotation makes a new ring and swaps it in.

use std::time::Duration;

use serde_json::{Value, json};

use super::strict::Segments;
use super::{KeyError, Purpose, SigningKey};
use crate::model::Timestamp;

/// For so long after its retirement a key's signatures still count as made before: other nodes hear of a rotation a
/// little later and clocks differ.
pub const ROTATION_SLACK: Duration = Duration::from_secs(60);

/// All keys of ours at one moment. Every key in it has passed the self-test.
#[derive(Debug)]
pub struct KeyRing {
    /// The newest first.
    keys: Vec<SigningKey>,
}

impl KeyRing {
    /// A ring of these keys, after a self-test of each. Leave out those that are no longer
    /// [needed](SigningKey::is_needed).
    ///
    /// # Errors
    /// [`KeyError::NoSigner`], [`KeyError::Duplicate`] or [`KeyError::SelfTest`]; keep the ring you had.
    pub fn from_keys(mut keys: Vec<SigningKey>) -> Result<Self, KeyError> {
        keys.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.kid.cmp(&b.kid)));
        for (i, key) in keys.iter().enumerate() {
            if keys[..i].iter().any(|k| k.kid == key.kid) {
                return Err(KeyError::Duplicate(key.kid.clone()));
            }
        }
        if keys.iter().all(|k| k.retired_at.is_some()) {
            return Err(KeyError::NoSigner);
        }
        let ring = Self { keys };
        ring.self_test()?;
        Ok(ring)
    }

    /// The key that signs at `now`: the newest that has begun and is not retired. Should none have begun (the clock was
    /// set back), the oldest that is not retired.
    #[must_use]
    pub fn signer(&self, now: Timestamp) -> &SigningKey {
        let active = |k: &&SigningKey| k.retired_at.is_none_or(|at| now < at);
        let begun = self.keys.iter().filter(active).find(|k| k.created_at <= now);
        begun
            .or_else(|| self.keys.iter().rev().find(active))
            .expect("from_keys leaves at least one key without a retirement")
    }

    /// All keys, the newest first.
    #[must_use]
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// The public keys for `/.well-known/jwks.json` (RFC 7517), those that have not begun to sign included.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() })
    }

    /// Signs and verifies once with every key, and sees a changed message refused (J-26).
    ///
    /// # Errors
    /// [`KeyError::SelfTest`] with the first key that failed.
    pub fn self_test(&self) -> Result<(), KeyError> {
        match self.keys.iter().find(|key| works(key).is_none()) {
            Some(key) => Err(KeyError::SelfTest(key.kid.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|k| k.kid == kid)
    }
}

fn works(key: &SigningKey) -> Option<()> {
    let token = key.sign(Purpose::Access, b"{\"self\":\"test\"}")?;
    let segments = Segments::split(&token).ok()?;
    let len = segments.signature_len().ok()?;
    key.public.check(segments.signed, segments.signature, len).ok()?;
    let other = &segments.signed[1..];
    key.public.check(other, segments.signature, len).is_err().then_some(())
}
