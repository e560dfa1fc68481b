//! A clock that shows a time before this program was made is wrong, and everything here that expires would not.

use super::StartError;
use crate::model::{Clock, Timestamp};

/// Earlier than any build: 2026-11-01T00:00:00Z.
const EARLIEST: Timestamp = Timestamp::from_secs(1_793_491_200);

/// Refuses such a clock. A build that is given `SOURCE_DATE_EPOCH` (reproducible-builds.org) knows its date; the others know
/// when this was written.
///
/// # Errors
/// [`StartError::Clock`].
pub(super) fn before(clock: &dyn Clock) -> Result<(), StartError> {
    let built = option_env!("SOURCE_DATE_EPOCH").and_then(|secs| secs.parse().ok()).map(Timestamp::from_secs);
    let made = built.map_or(EARLIEST, |built| built.max(EARLIEST));
    let now = clock.now();
    if now < made { Err(StartError::Clock { now, made }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ManualClock;

    #[test]
    fn case_5_10_a_clock_before_the_build_is_refused() {
        assert_eq!(EARLIEST.to_string(), "2026-11-01T00:00:00Z");
        let refused = before(&ManualClock::at(Timestamp::from_secs(0))).expect_err("1970").to_string();
        assert!(refused.contains("the clock says 1970-01-01T00:00:00Z"), "{refused}");
        before(&ManualClock::at(Timestamp::from_secs(4_000_000_000))).expect("later");
    }
}
