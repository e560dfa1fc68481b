//! Our signing keys and their form at rest.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret, SecretSlice};

use super::jwks;
use super::public_key::{Material, PublicKey};
use super::strict::to_base64url;
use super::{Algorithm, Purpose, Vault};
use crate::model::{Entropy, Timestamp};

/// The vault label of private keys.
const LABEL: &str = "signing-key";
/// In PKCS#8 an RSA key of 2048 bits is its PKCS#1 form (what the JWT library signs with) behind this many bytes:
/// SEQUENCE, version, AlgorithmIdentifier, OCTET STRING header.
const PKCS8_RSA_PREFIX: usize = 26;

/// Why there is no such key or key ring.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library could not make one.
    #[error("no {0} key could be made")]
    Generate(Algorithm),
    /// Sealed with another secret, or damaged.
    #[error("signing key {0:?} cannot be opened: it was sealed with another secret, or is damaged")]
    Sealed(String),
    /// Opened, but not a key of its algorithm.
    #[error("signing key {0:?} is not a private key for its algorithm")]
    Malformed(String),
    /// Stored under an algorithm this version does not know.
    #[error("signing key {0:?} has an unknown algorithm")]
    Algorithm(String),
    /// Two keys under one name.
    #[error("two signing keys are called {0:?}")]
    Duplicate(String),
    /// No key that may sign.
    #[error("there is no signing key that is not retired")]
    NoSigner,
    /// It signed something that it did not verify, or verified what it did not sign.
    #[error("signing key {0:?} failed its self-test")]
    SelfTest(String),
}

/// A key of ours with its private side. `Debug` shows no content.
pub struct SigningKey {
    /// Its name in token headers and in the JWK set.
    pub kid: String,
    /// The one algorithm it is for.
    pub algorithm: Algorithm,
    /// From when on it signs. May lie ahead, so that every node and every upstream knows the key before its first
    /// signature comes along.
    pub created_at: Timestamp,
    /// From when on it signs nothing more; tokens from before stay good until they expire.
    pub retired_at: Option<Timestamp>,
    pub(super) public: PublicKey,
    pkcs8: SecretSlice<u8>,
    signer: EncodingKey,
    /// The encoded header for each purpose.
    headers: [String; Purpose::ALL.len()],
}

/// A key at rest, as the store keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredKey {
    /// See [`SigningKey::kid`].
    pub kid: String,
    /// The JWS name.
    pub algorithm: String,
    /// The PKCS#8 form, sealed by the vault.
    pub sealed_private: Vec<u8>,
    /// See [`SigningKey::created_at`].
    pub created_at: Timestamp,
    /// See [`SigningKey::retired_at`].
    pub retired_at: Option<Timestamp>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.kid, self.algorithm)
    }
}

impl SigningKey {
    /// Makes a key; it signs from `now` on. Its name is drawn from `entropy`, its numbers by the cryptographic library
    /// from the system's generator.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the library fails.
    pub fn generate(algorithm: Algorithm, now: Timestamp, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let kid = format!("{:016x}", u64::from_be_bytes(entropy.bytes()));
        let pkcs8 = new_pkcs8(algorithm).ok_or(KeyError::Generate(algorithm))?;
        let mut key = Self::from_pkcs8(kid, algorithm, pkcs8)?;
        key.created_at = now;
        Ok(key)
    }

    /// The form for the store. The seal covers name and algorithm too: rows cannot be exchanged.
    #[must_use]
    pub fn sealed(&self, vault: &Vault, entropy: &dyn Entropy) -> StoredKey {
        let algorithm = self.algorithm.to_string();
        let context = context(&self.kid, &algorithm);
        let sealed_private = vault.seal(LABEL, context.as_bytes(), self.pkcs8.expose_secret(), entropy);
        StoredKey {
            kid: self.kid.clone(),
            algorithm,
            sealed_private,
            created_at: self.created_at,
            retired_at: self.retired_at,
        }
    }

    /// Takes a key out of the store.
    ///
    /// # Errors
    /// [`KeyError::Sealed`], [`KeyError::Malformed`] or [`KeyError::Algorithm`], each with the key's name.
    pub fn open(vault: &Vault, stored: &StoredKey) -> Result<Self, KeyError> {
        let algorithm = stored.algorithm.parse().map_err(|_| KeyError::Algorithm(stored.kid.clone()))?;
        let context = context(&stored.kid, &stored.algorithm);
        let pkcs8 = vault
            .open(LABEL, context.as_bytes(), &stored.sealed_private)
            .ok_or_else(|| KeyError::Sealed(stored.kid.clone()))?;
        let mut key = Self::from_pkcs8(stored.kid.clone(), algorithm, pkcs8.into())?;
        (key.created_at, key.retired_at) = (stored.created_at, stored.retired_at);
        Ok(key)
    }

    /// The public side as a JWK.
    #[must_use]
    pub fn jwk(&self) -> serde_json::Value {
        jwks::write(&self.public)
    }

    /// The signed compact form of `payload`. `None` only if the library fails to sign.
    pub(super) fn sign(&self, purpose: Purpose, payload: &[u8]) -> Option<String> {
        let mut token = String::with_capacity(512 + payload.len() * 4 / 3);
        token.push_str(&self.headers[purpose as usize]);
        token.push('.');
        token.push_str(&to_base64url(payload));
        let signature = self.sign_bytes(token.as_bytes())?;
        token.push('.');
        token.push_str(&signature);
        Some(token)
    }

    /// The base64url signature over `message`.
    pub(super) fn sign_bytes(&self, message: &[u8]) -> Option<String> {
        jsonwebtoken::crypto::sign(message, &self.signer, self.algorithm.jws()).ok()
    }

    fn from_pkcs8(kid: String, algorithm: Algorithm, pkcs8: SecretSlice<u8>) -> Result<Self, KeyError> {
        let Some((public, signer)) = read_pkcs8(&kid, algorithm, pkcs8.expose_secret()) else {
            return Err(KeyError::Malformed(kid));
        };
        let headers = Purpose::ALL.map(|purpose| {
            let header = serde_json::json!({ "alg": algorithm.as_str(), "kid": kid, "typ": purpose.typ() });
            to_base64url(header.to_string().as_bytes())
        });
        let (created_at, retired_at) = (Timestamp::default(), None);
        Ok(Self { kid, algorithm, created_at, retired_at, public, pkcs8, signer, headers })
    }
}

/// Algorithm names have no line feed.
fn context(kid: &str, algorithm: &str) -> String {
    format!("{algorithm}\n{kid}")
}

fn new_pkcs8(algorithm: Algorithm) -> Option<SecretSlice<u8>> {
    let bytes = match algorithm {
        Algorithm::ES256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
            pair.to_pkcs8v1().ok()?.as_ref().to_vec()
        }
        Algorithm::EdDSA => Ed25519KeyPair::generate().ok()?.to_pkcs8().ok()?.as_ref().to_vec(),
        Algorithm::RS256 => RsaKeyPair::generate(KeySize::Rsa2048).ok()?.as_der().ok()?.as_ref().to_vec(),
    };
    Some(bytes.into())
}

fn read_pkcs8(kid: &str, algorithm: Algorithm, pkcs8: &[u8]) -> Option<(PublicKey, EncodingKey)> {
    let (material, signer) = match algorithm {
        Algorithm::ES256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
            // SEC 1 uncompressed: 4, x, y.
            let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
            let material = Material::P256 { x: x.try_into().ok()?, y: y.try_into().ok()? };
            (material, EncodingKey::from_ec_der(pkcs8))
        }
        Algorithm::EdDSA => {
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
            let material = Material::Ed25519 { x: pair.public_key().as_ref().try_into().ok()? };
            (material, EncodingKey::from_ed_der(pkcs8))
        }
        Algorithm::RS256 => {
            let pkcs1 = pkcs8.get(PKCS8_RSA_PREFIX..)?;
            let pair = RsaKeyPair::from_der(pkcs1).ok()?;
            let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
            let e = pair.public_key().exponent().big_endian_without_leading_zero().to_vec();
            (Material::Rsa { n, e }, EncodingKey::from_rsa_der(pkcs1))
        }
    };
    Some((PublicKey::new(kid, material)?, signer))
}
