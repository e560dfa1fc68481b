//! The same time for known and unknown addresses (L-02, L-03). What is done for both is alike, but a mail to be rendered
//! and a row more take some tenths of a millisecond that can be measured by asking often. So answers that must not tell
//! are not given before a fixed moment, which lies well behind all of that.

use std::time::Duration;

/// Well beyond what the slower case needs on an idle machine; nobody who waits for a mail notices it. On a busy machine
/// the noise of the work hides the rest.
const MOMENT: Duration = Duration::from_millis(25);

/// Does the work and gives its answer no earlier than the moment after now.
pub(super) async fn paced<T>(work: impl Future<Output = T>) -> T {
    let moment = tokio::time::sleep(MOMENT);
    let done = work.await;
    moment.await;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock as _, SystemClock};

    #[tokio::test]
    async fn l_03_no_answer_comes_before_the_moment() {
        for work in [Duration::ZERO, MOMENT / 5] {
            let clock = SystemClock::new();
            let answer = paced(async {
                tokio::time::sleep(work).await;
                7
            });
            assert_eq!(answer.await, 7);
            assert!(clock.monotonic() >= MOMENT, "after {work:?} of work");
        }
    }
}
