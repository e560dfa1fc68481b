//! Public keys as a JWK set (RFC 7517), written and read.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Algorithm;
use super::public_key::{Material, PublicKey};
use super::strict::{base64url, to_base64url};

/// Longest key set that is read (bytes), and the most keys in it.
const MAX_BYTES: usize = 64 * 1024;
const MAX_KEYS: usize = 64;

/// The text is no key set we can work with. Whoever held a good one before keeps it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JwksError {
    /// Longer than 64 KiB or more than 64 keys.
    #[error("the key set is too large")]
    TooLarge,
    /// Not `{"keys": [ … ]}` with members of the expected kinds.
    #[error("not a JWK set: {0}")]
    Malformed(String),
    /// A key for an algorithm of ours whose numbers are no such key.
    #[error("key {0:?} of the set is malformed")]
    Key(String),
    /// Private numbers in a public document.
    #[error("key {0:?} of the set is a private key")]
    Private(String),
    /// Two keys under one name.
    #[error("two keys of the set are called {0:?}")]
    Duplicate(String),
    /// Nothing in it has a `kid` and an `alg` of ES256, EdDSA or RS256.
    #[error("the key set has no key with a kid and an alg of ES256, EdDSA or RS256")]
    Empty,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<Value>,
}

/// One key as a JWK.
pub(super) fn write(key: &PublicKey) -> Value {
    let mut jwk = match &key.material {
        Material::P256 { x, y } => {
            json!({ "kty": "EC", "crv": "P-256", "x": to_base64url(x), "y": to_base64url(y) })
        }
        Material::Ed25519 { x } => json!({ "kty": "OKP", "crv": "Ed25519", "x": to_base64url(x) }),
        Material::Rsa { n, e } => json!({ "kty": "RSA", "n": to_base64url(n), "e": to_base64url(e) }),
    };
    jwk["kid"] = key.kid.as_str().into();
    jwk["alg"] = key.algorithm.as_str().into();
    jwk["use"] = "sig".into();
    jwk
}

/// The signature keys of a set. Keys without `kid` or `alg`, of other algorithms or for other uses are passed over
/// (RFC 7517 section 5); a broken key of ours spoils the set.
pub(super) fn read(text: &str) -> Result<Vec<PublicKey>, JwksError> {
    if text.len() > MAX_BYTES {
        return Err(JwksError::TooLarge);
    }
    let set: Set = serde_json::from_str(text).map_err(|e| JwksError::Malformed(e.to_string()))?;
    if set.keys.len() > MAX_KEYS {
        return Err(JwksError::TooLarge);
    }
    let mut keys: Vec<PublicKey> = Vec::new();
    for jwk in &set.keys {
        let Some(key) = read_key(jwk)? else { continue };
        if keys.iter().any(|k| k.kid == key.kid) {
            return Err(JwksError::Duplicate(key.kid));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(JwksError::Empty) } else { Ok(keys) }
}

fn read_key(jwk: &Jwk) -> Result<Option<PublicKey>, JwksError> {
    let (Some(kid), Some(alg)) = (&jwk.kid, &jwk.alg) else { return Ok(None) };
    let Ok(algorithm) = alg.parse::<Algorithm>() else { return Ok(None) };
    if jwk.r#use.as_deref().is_some_and(|u| u != "sig") {
        return Ok(None);
    }
    if jwk.d.is_some() {
        return Err(JwksError::Private(kid.clone()));
    }
    let key = material(jwk, algorithm).and_then(|m| PublicKey::new(kid, m));
    key.map(Some).ok_or_else(|| JwksError::Key(kid.clone()))
}

fn material(jwk: &Jwk, algorithm: Algorithm) -> Option<Material> {
    let bytes = |text: &Option<String>| base64url(text.as_deref()?);
    let number = |text: &Option<String>| bytes(text)?.try_into().ok();
    match (algorithm, jwk.kty.as_str(), jwk.crv.as_deref()) {
        (Algorithm::ES256, "EC", Some("P-256")) => {
            Some(Material::P256 { x: number(&jwk.x)?, y: number(&jwk.y)? })
        }
        (Algorithm::EdDSA, "OKP", Some("Ed25519")) => Some(Material::Ed25519 { x: number(&jwk.x)? }),
        (Algorithm::RS256, "RSA", _) => Some(Material::Rsa { n: bytes(&jwk.n)?, e: bytes(&jwk.e)? }),
        _ => None,
    }
}
