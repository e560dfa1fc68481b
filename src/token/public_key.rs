//! The public side of a key, prepared once for checking signatures.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use jsonwebtoken::DecodingKey;

use super::{Algorithm, Rejection};

/// The numbers of a public key, big endian, as a JWK has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Material {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// One key for one algorithm (J-03).
#[derive(Clone)]
pub(super) struct PublicKey {
    pub kid: String,
    pub algorithm: Algorithm,
    pub material: Material,
    prepared: DecodingKey,
    /// Every algorithm of ours has signatures of one length (bytes).
    signature_len: usize,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.kid, self.algorithm)
    }
}

impl PublicKey {
    /// `None` when the numbers are no key: a point off the curve, a modulus below 2048 or above 8192 bits.
    pub fn new(kid: &str, material: Material) -> Option<Self> {
        let (algorithm, prepared, signature_len) = match &material {
            Material::P256 { x, y } => {
                let point = [&[4u8][..], x, y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).ok()?;
                (Algorithm::ES256, DecodingKey::from_ec_der(&point), 64)
            }
            Material::Ed25519 { x } => {
                ParsedPublicKey::new(&ED25519, x).ok()?;
                (Algorithm::EdDSA, DecodingKey::from_ed_der(x), 64)
            }
            Material::Rsa { n, e } => {
                let len = n.len();
                if !(256..=1024).contains(&len) || n[0] == 0 || e.last().is_none_or(|b| b % 2 == 0) {
                    return None;
                }
                let numbers = RsaPublicKeyComponents { n, e };
                numbers.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
                (Algorithm::RS256, DecodingKey::from_rsa_raw_components(n, e), len)
            }
        };
        Some(Self { kid: kid.to_owned(), algorithm, material, prepared, signature_len })
    }

    /// Checks a base64url signature over `signed`; `len` is its length when decoded.
    pub fn check(&self, signed: &[u8], signature: &str, len: usize) -> Result<(), Rejection> {
        let fits = len == self.signature_len
            && jsonwebtoken::crypto::verify(signature, signed, &self.prepared, self.algorithm.jws())
                .is_ok_and(|fits| fits);
        if fits { Ok(()) } else { Err(Rejection::Signature) }
    }
}
