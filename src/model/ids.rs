//! Identifiers: 128 random bits each, written as a UUID, never reused (J-23).

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::Entropy;

/// The text is not an identifier of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an identifier")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh identifier.
            #[must_use]
            pub fn random(entropy: &dyn Entropy) -> Self {
                Self(uuid::Builder::from_random_bytes(entropy.bytes()).into_uuid())
            }

            /// The 16 bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// From the 16 bytes of [`Self::as_bytes`].
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            /// Only the hyphenated lower-case form that `Display` writes.
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                if s.len() != 36 || s.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(InvalidId);
                }
                Uuid::try_parse(s).map(Self).map_err(|_| InvalidId)
            }
        }
    )+};
}

id! {
    /// A person's account; the `sub` of every token.
    AccountId,
    /// One sign-in on one device; the `sid` of every token.
    SessionId,
    /// One browser, or one program that keeps its cookie.
    DeviceId,
    /// One access token or assertion; its `jti`.
    TokenId,
    /// One mailed code or link.
    CodeId,
    /// One request, for logs and `X-Request-Id`.
    RequestId,
}
