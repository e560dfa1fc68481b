//! Tokens: what they say, who signs them, who believes them. Pure computation, no web, no SQL, no network: keys and
//! revocations are handed in.
//!
//! - [`Vault`]: the operator's secret and the sub-keys derived from it
//! - [`SigningKey`], [`StoredKey`], [`KeyRing`]: our keys, sealed at rest; `jwks` is their public side
//! - [`Mint`] and [`Verifier`]: access tokens; `strict` reads the compact form, `wire` the payload
//! - [`AssertionMint`] and [`AssertionVerifier`]: the signed identity an upstream receives
//! - [`Revocations`]: tokens that ended before their time, and whether all of them are known

mod algorithm;
mod assertion;
mod claims;
mod freshness;
mod jwks;
mod key;
mod keyring;
mod mint;
mod public_key;
mod rejection;
mod revocation;
mod settings;
mod strict;
mod vault;
mod verify;
mod wire;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use assertion::{
    AssertionClaims, AssertionMint, AssertionVerifier, BoundRequest, MAX_ASSERTION_LIFE, RequestBinding,
};
pub use claims::{AccessGrant, Claims, Person, Purpose};
pub use jwks::JwksError;
pub use key::{KeyError, SigningKey, StoredKey};
pub use keyring::{KeyRing, ROTATION_SLACK};
pub use mint::Mint;
pub use rejection::Rejection;
pub use revocation::{Ended, Heard, Revocations, Witness};
pub use settings::{Rotation, Settings};
pub use strict::MAX_TOKEN_BYTES;
pub use vault::{Vault, WeakSecret};
pub use verify::Verifier;

#[cfg(test)]
mod tests;
