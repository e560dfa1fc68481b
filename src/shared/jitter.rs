//! Waiting for unequal times, so that nodes that lost the same thing do not come back for it together.

use std::time::Duration;

/// Between half of `whole` and `whole`. Nothing secret hangs on it: a fresh hash is random enough.
#[must_use]
pub fn jitter(whole: Duration) -> Duration {
    let draw = ahash::RandomState::new().hash_one(()) % 1024;
    let part = u32::try_from(draw).unwrap_or(0);
    whole / 2 + whole / 2 * part / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_bounds_and_varies() {
        let whole = Duration::from_secs(1);
        let drawn: std::collections::BTreeSet<_> = (0..100).map(|_| jitter(whole)).collect();
        assert!(drawn.iter().all(|d| *d >= whole / 2 && *d < whole) && drawn.len() > 10, "{drawn:?}");
    }
}
