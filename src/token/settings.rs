//! What tokens say and how long they live.

use std::time::Duration;

use super::Algorithm;

/// When signing keys follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// How long a key signs; `None`: until somebody rotates by hand.
    pub every: Option<Duration>,
    /// How long a new key stands in the key set before it signs. Upstreams that keep the set must have come for it by
    /// then.
    pub publish_before: Duration,
}

/// The operator's choices for tokens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// With which algorithm new keys are made.
    pub algorithm: Algorithm,
    /// Life of an access token.
    pub access_ttl: Duration,
    /// Life of an assertion for an upstream; at most 60 s.
    pub assertion_ttl: Duration,
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// How far clocks may be apart; 5 s.
    pub leeway: Duration,
    /// How many verified tokens are remembered.
    pub cache_entries: usize,
}
