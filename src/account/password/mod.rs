//! Passwords: what one must be (`policy`) and how it is hashed (`hash`). Both work on the NFKC form, so that the
//! same key presses count as the same password on every device.

mod common;
mod hash;
mod policy;
mod workers;

pub use hash::{Hasher, Verified};
pub use policy::{About, check};

use unicode_normalization::UnicodeNormalization;

use crate::model::{Secret, constant_time_eq};

/// The form that is measured, compared and hashed; never cut.
fn nfkc(password: &Secret) -> Secret {
    Secret::new(password.expose().nfkc().collect::<String>())
}

/// Whether a password is longer than any that could have been set. Decided before it is normalised, because nothing
/// should be computed for a megabyte (NFKC shortens a text to a quarter at most, as far as letters go).
#[must_use]
pub fn is_oversize(password: &Secret, max_length: usize) -> bool {
    let text = password.expose();
    text.chars().nth(max_length.saturating_mul(4)).is_some() || text.nfkc().nth(max_length).is_some()
}

/// Whether two passwords are the same key presses.
#[must_use]
pub fn are_same(one: &Secret, other: &Secret) -> bool {
    constant_time_eq(nfkc(one).expose().as_bytes(), nfkc(other).expose().as_bytes())
}
