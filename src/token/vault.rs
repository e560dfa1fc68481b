//! The operator's secret and everything derived from it.

use std::collections::HashSet;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};

use crate::model::{Entropy, Secret};

/// Least length of the secret in bytes.
const MIN_BYTES: usize = 32;
/// A secret of fewer different bytes was typed, not drawn (32 hex digits have 8 or more all but always).
const MIN_DISTINCT: usize = 8;
/// First byte of everything sealed; another construction gets another number.
const VERSION: u8 = 1;
/// Makes our derivations differ from those of any other program given the same secret.
const SALT: &[u8] = b"stagedoor/vault/1";

/// The secret would not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WeakSecret {
    /// Fewer than 32 bytes.
    #[error("the secret has {0} bytes, at least 32 are needed (for example from: openssl rand -base64 32)")]
    TooShort(usize),
    /// Hardly any different bytes in it.
    #[error("the secret repeats itself; draw one at random (for example with: openssl rand -base64 32)")]
    Repetitive,
}

/// The operator's secret. Every use gets a key of its own, derived by label (HKDF-SHA256), so that no two uses can be
/// played against each other.
pub struct Vault {
    root: hkdf::Prk,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// Takes the secret's bytes as they are written (no trimming, no decoding): at least 32.
    ///
    /// # Errors
    /// [`WeakSecret`] when it is short or repeats itself.
    pub fn new(secret: &Secret) -> Result<Self, WeakSecret> {
        let material = secret.expose().as_bytes();
        if material.len() < MIN_BYTES {
            return Err(WeakSecret::TooShort(material.len()));
        }
        if material.iter().collect::<HashSet<_>>().len() < MIN_DISTINCT {
            return Err(WeakSecret::Repetitive);
        }
        Ok(Self { root: hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(material) })
    }

    /// Encrypts `plain` with AES-256-GCM under the key of `label`. `aad` is not in the result but must be given again
    /// to open it: name there what the value belongs to. Shape: version (1), nonce (12), ciphertext, tag (16).
    #[must_use]
    pub fn seal(&self, label: &str, aad: &[u8], plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = entropy.bytes();
        let mut body = plain.to_vec();
        self.cipher(label)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
            .expect("AES-GCM takes any text below 64 GiB");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        sealed
    }

    /// Decrypts what [`Self::seal`] made. `None` when secret, label, `aad` or a single bit differs.
    #[must_use]
    pub fn open(&self, label: &str, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (&version, rest) = sealed.split_first()?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        if version != VERSION {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let plain = self.cipher(label).open_in_place(nonce, Aad::from(aad), &mut body).ok()?.len();
        body.truncate(plain);
        Some(body)
    }

    /// HMAC-SHA256 over `parts` under the key of `label`. Each part is preceded by its length (8 bytes, big endian),
    /// so `["ab", "c"]` and `["a", "bc"]` differ. Compare results with `model::constant_time_eq`.
    #[must_use]
    pub fn mac(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.derive("mac", label));
        let mut mac = hmac::Context::with_key(&key);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(mac.sign().as_ref());
        tag
    }

    fn cipher(&self, label: &str) -> LessSafeKey {
        let key = self.derive("seal", label);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("AES-256 takes 32 bytes"))
    }

    /// `kind` is a fixed word without a colon, so kind and label cannot run into each other.
    fn derive(&self, kind: &str, label: &str) -> [u8; 32] {
        let mut key = [0; 32];
        self.root
            .expand(&[kind.as_bytes(), b":", label.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("HKDF-SHA256 gives 32 bytes");
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SystemEntropy;

    fn vault(text: &str) -> Vault {
        Vault::new(&Secret::new(text)).unwrap()
    }

    const A: &str = "k3Zr0v9YbQx1Lw7TnHs5Ud2Gf8JmPe6c";
    const B: &str = "k3Zr0v9YbQx1Lw7TnHs5Ud2Gf8JmPe6d";

    #[test]
    fn what_is_sealed_opens_only_with_the_same_secret_label_and_context() {
        let v = vault(A);
        let sealed = v.seal("totp", b"account-1", b"seed", &SystemEntropy);
        assert_eq!(v.open("totp", b"account-1", &sealed).as_deref(), Some(&b"seed"[..]));
        assert_eq!(vault(A).open("totp", b"account-1", &sealed).as_deref(), Some(&b"seed"[..]));
        assert_eq!(v.open("totp", b"account-2", &sealed), None);
        assert_eq!(v.open("keys", b"account-1", &sealed), None);
        assert_eq!(vault(B).open("totp", b"account-1", &sealed), None);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(v.open("totp", b"account-1", &bent), None, "byte {at}");
            assert_eq!(v.open("totp", b"account-1", &sealed[..at]), None, "cut at {at}");
        }
        assert_ne!(sealed, v.seal("totp", b"account-1", b"seed", &SystemEntropy), "a fresh nonce each time");
    }

    #[test]
    fn a_mac_depends_on_secret_label_and_every_border() {
        let v = vault(A);
        let mac = v.mac("refresh", &[b"ab", b"c"]);
        assert_eq!(mac, vault(A).mac("refresh", &[b"ab", b"c"]));
        assert_ne!(mac, vault(B).mac("refresh", &[b"ab", b"c"]));
        assert_ne!(mac, v.mac("reset", &[b"ab", b"c"]));
        assert_ne!(mac, v.mac("refresh", &[b"a", b"bc"]));
        assert_ne!(mac, v.mac("refresh", &[b"abc"]));
        assert_ne!(mac, v.mac("refresh", &[b"ab", b"c", b""]));
    }

    #[test]
    fn weak_secrets_are_refused() {
        assert_eq!(Vault::new(&Secret::new(&A[1..])).unwrap_err(), WeakSecret::TooShort(31));
        assert_eq!(Vault::new(&Secret::new("changeme".repeat(8))).unwrap_err(), WeakSecret::Repetitive);
        assert!(!format!("{:?}", vault(A)).contains("k3Z"));
    }
}
