//! What to ask the store for: everything while that is little, else mostly what was decided a moment ago.
//!
//! Rows carry the moment when the last token they are about has expired. It lies a fixed *life* after the decision, so
//! "decided after T" is "expires after T + life", and there is an index for that. T lies [`MARGIN`] before the last good
//! look, however long ago that was: the row shows the clock of the node that decided, which may be behind ours by what
//! clocks may differ, and it can be read only once its transaction has committed, which takes seconds when the database
//! is slow. Whatever that does not cover (a node with another `access_ttl`, a clock that is wrong) is found by the next
//! full look: at once where not many have ended, else within [`FULL`].

use std::time::Duration;

use crate::model::Timestamp;

/// So many entries are looked at whole each time; it takes some milliseconds.
const FEW: usize = 2000;
/// How far before the last good look a look goes back. Clocks may differ by 5 s (`token.leeway`), a transaction may take
/// 8 s.
pub(super) const MARGIN: Duration = Duration::from_secs(30);
/// How long after a full look the next one follows at the latest.
const FULL: Duration = Duration::from_secs(60);
/// Wall clock and monotonic clock may drift apart by so much between two looks; more is a clock that was set.
const SET: Duration = Duration::from_secs(1);

/// When a look begins, and over what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// By the wall clock.
    pub(super) wall: Timestamp,
    /// By the monotonic clock.
    pub(super) mono: Duration,
    /// How many entries are in memory.
    pub(super) held: usize,
}

/// One look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Look {
    /// When it began, by the wall clock.
    pub(super) wall: Timestamp,
    /// When it began, by the monotonic clock.
    pub(super) mono: Duration,
    /// Only what expires after this.
    pub(super) from: Timestamp,
    /// Whether that is everything.
    pub(super) all: bool,
}

/// The looks so far.
#[derive(Default)]
pub(super) struct Looks {
    /// The last good one.
    last: Option<Look>,
    last_full: Option<Duration>,
    /// Whether one has failed since.
    failed: bool,
}

impl Looks {
    /// What to ask for now. `life` is how long after a decision its row expires. After a failure what is new comes
    /// first: that is quick, and with it everything is known again.
    pub(super) fn next(&self, now: Now, life: Duration) -> Look {
        let Now { wall, mono, held } = now;
        let due = !self.failed && self.last_full.is_none_or(|at| mono >= at + FULL);
        let last = self.last.filter(|last| held > FEW && !due && is_steady(*last, now));
        let from = last.map_or(wall, |last| last.wall.after(life).before(MARGIN).max(wall));
        Look { wall, mono, from, all: from == wall }
    }

    /// It was answered.
    pub(super) fn done(&mut self, look: Look) {
        (self.last, self.failed) = (Some(look), false);
        if look.all {
            self.last_full = Some(look.mono);
        }
    }

    /// It was not, or not to the end.
    pub(super) fn failed(&mut self) {
        self.failed = true;
    }
}

fn is_steady(last: Look, now: Now) -> bool {
    let passed = now.mono.saturating_sub(last.mono);
    let shown = i128::from(now.wall.millis()) - i128::from(last.wall.millis());
    let apart = shown - i128::try_from(passed.as_millis()).unwrap_or(i128::MAX);
    apart.unsigned_abs() <= SET.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(660);
    const START: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn after(secs: u64) -> Timestamp {
        START.after(Duration::from_secs(secs))
    }

    /// A look over many entries; the wall clock was set by `jump` ms.
    fn at(looks: &Looks, secs: u64, jump: i64) -> Look {
        let wall = Timestamp::from_millis(after(secs).millis() + jump);
        looks.next(Now { wall, mono: Duration::from_secs(secs), held: FEW + 1 }, LIFE)
    }

    fn begun() -> Looks {
        let mut looks = Looks::default();
        looks.done(at(&looks, 0, 0));
        looks
    }

    #[test]
    fn the_first_look_sees_everything_and_the_next_what_is_new_since() {
        let mut looks = Looks::default();
        let first = at(&looks, 0, 0);
        assert_eq!((first.all, first.from), (true, START));
        looks.done(first);
        let next = at(&looks, 1, 0);
        assert_eq!((next.all, next.from), (false, after(660 - 30)));
        looks.done(next);
        assert_eq!(at(&looks, 17, 0).from, after(1 + 660 - 30), "a look that comes late");
    }

    #[test]
    fn a_few_are_looked_at_whole_each_time() {
        let few = Now { wall: after(1), mono: Duration::from_secs(1), held: FEW };
        let look = begun().next(few, LIFE);
        assert_eq!((look.all, look.from), (true, after(1)));
    }

    #[test]
    fn after_a_jump_of_the_clock_and_each_minute_everything_is_looked_at() {
        let mut looks = Looks::default();
        for second in 0..60 {
            let look = at(&looks, second, 0);
            assert_eq!(look.all, second == 0, "{second}");
            looks.done(look);
        }
        let look = at(&looks, 60, 0);
        assert!(look.all);
        looks.done(look);
        assert!(!at(&looks, 61, 900).all);
        assert!(at(&looks, 61, 1_001).all && at(&looks, 61, -120_000).all);
        looks.failed();
        assert!(at(&looks, 61, 1_001).all && at(&looks, 61, -120_000).all, "nothing shows what was missed");
    }

    #[test]
    fn after_failures_it_goes_on_from_the_last_good_look_and_then_looks_at_everything() {
        let mut looks = begun();
        for second in [1, 60, 300, 600] {
            looks.failed();
            let look = at(&looks, second, 0);
            assert_eq!((look.all, look.from), (false, after(660 - 30)), "{second}");
        }
        looks.done(at(&looks, 600, 0));
        assert!(at(&looks, 601, 0).all, "it is due");
        looks.failed();
        assert_eq!(
            at(&looks, 602, 0).from,
            after(600 + 660 - 30),
            "the full look failed: what is new is known"
        );
    }

    #[test]
    fn after_an_outage_longer_than_a_life_everything_is_looked_at() {
        let mut looks = begun();
        looks.failed();
        assert!(!at(&looks, 629, 0).all);
        let look = at(&looks, 631, 0);
        assert_eq!((look.all, look.from), (true, after(631)));
    }

    #[test]
    fn lives_shorter_than_the_margin_are_looked_at_whole() {
        let now = Now { wall: START, mono: Duration::from_secs(0), held: FEW + 1 };
        let look = begun().next(now, Duration::from_secs(10));
        assert_eq!((look.all, look.from), (true, START));
    }
}
