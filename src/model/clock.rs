//! Time as an argument: parts take a [`Clock`], tests turn its hands.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// From seconds since the Unix epoch (JWT `NumericDate`, RFC 7519 section 2).
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch; the form kept in the store.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads RFC 3339 with any offset: `2026-11-21T05:44:19Z`; `None` for other texts.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// This time plus `d`, saturating.
    #[must_use]
    pub fn after(self, d: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time minus `d`, saturating.
    #[must_use]
    pub fn before(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was, zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// RFC 3339 in UTC with seconds: `2026-11-21T05:44:19Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.secs()) {
            Ok(t) => t.fmt(f),
            Err(_) => write!(f, "@{}", self.secs()),
        }
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time, for everything that is stored or put into a token.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point that never goes back, for limits and time-outs.
    fn monotonic(&self) -> Duration;

    /// How far [`Clock::now`] is ahead of the machine's clock, because that was set back.
    fn ahead(&self) -> Duration {
        Duration::ZERO
    }
}

/// How far the time may go back. Tokens are read with the same leeway, so nothing that was over begins anew.
const BACK_MS: i64 = 5_000;
/// The time approaches a clock that was set back by one part in so many: it goes on, a little slower.
const SLOWER: i64 = 1_000;

/// Wall-clock time that goes on when the machine's clock is set back: what has expired stays expired. It follows every
/// clock that is set forward, because sleep and pauses look the same.
#[derive(Debug)]
struct Steady {
    /// The highest that wall clock minus monotonic clock has been, in ms, plus what has been approached since the start.
    highest: AtomicI64,
}

impl Steady {
    const fn new() -> Self {
        Self { highest: AtomicI64::new(i64::MIN) }
    }

    /// The time, when the machine's two clocks show this many ms.
    fn show(&self, wall: i64, mono: i64) -> i64 {
        let approached = mono / SLOWER;
        let here = wall - mono + approached;
        let mut highest = self.highest.load(Ordering::Relaxed);
        if here > highest {
            highest = self.highest.fetch_max(here, Ordering::Relaxed).max(here);
        }
        wall.max(highest - approached + mono - BACK_MS)
    }
}

/// The machine's clock. The one place that may read it.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    steady: Steady,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    #[expect(clippy::disallowed_methods, reason = "the one home of the system clock")]
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), steady: Steady::new() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

/// What the machine's clock shows, in ms since 1970.
#[expect(clippy::disallowed_methods, reason = "the one home of the system clock")]
fn wall() -> i64 {
    let d = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mono = i64::try_from(self.monotonic().as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.steady.show(wall(), mono))
    }

    fn ahead(&self) -> Duration {
        self.now().since(Timestamp(wall()))
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of the system clock")]
    fn monotonic(&self) -> Duration {
        Instant::now().duration_since(self.start)
    }
}

/// A clock that stands still until it is moved. For tests of everything that lasts.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    mono_ms: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { wall_ms: AtomicI64::new(start.0), mono_ms: AtomicI64::new(0) }
    }

    /// Moves both hands forward.
    pub fn advance(&self, d: Duration) {
        let ms = i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
        self.mono_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall_ms.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.mono_ms.load(Ordering::SeqCst)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const START: i64 = 1_795_000_000_000;

    #[test]
    fn the_time_follows_a_clock_that_goes_right_or_is_set_forward() {
        let steady = Steady::new();
        for s in 0..10_000 {
            assert_eq!(steady.show(START + s * 1000, s * 1000), START + s * 1000);
        }
        assert_eq!(steady.show(START + DAY, 10_000_000), START + DAY, "it slept");
    }

    #[test]
    fn case_5_10_a_clock_that_is_set_back_revives_nothing() {
        let steady = Steady::new();
        assert_eq!(steady.show(START, 0), START);
        assert_eq!(steady.show(START - 2_000, 0), START - 2_000, "within what tokens are read with");
        assert_eq!(steady.show(START - DAY, 0), START - BACK_MS, "it was a day");
        let mut before = START - BACK_MS;
        for s in 1..100_000 {
            let now = steady.show(START - DAY + s * 1000, s * 1000);
            assert!((999..=1000).contains(&(now - before)), "it goes on: {s}");
            before = now;
        }
        let ahead = before - (START - DAY + 99_999_000);
        assert_eq!(ahead, DAY - BACK_MS - 99_999, "and comes nearer by a thousandth");
        let right = START + 100_000_000;
        assert_eq!(steady.show(right, 100_000_000), right, "the clock is right again");
    }

    #[test]
    fn the_system_clock_is_not_ahead_of_itself() {
        let clock = SystemClock::new();
        assert!(clock.now() > Timestamp::from_millis(START) && clock.ahead() < Duration::from_secs(1));
    }
}
