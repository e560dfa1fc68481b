//! What every limiter must do; one body of tests for all of them.

use std::sync::Arc;
use std::time::Duration;

use super::{Limiter, Quota, Taken};

/// A limiter, and how to let time pass for it.
pub(super) struct Subject {
    pub(super) limiter: Arc<dyn Limiter>,
    pub(super) pass: Box<dyn Fn(Duration) + Send + Sync>,
}

const MINUTE: Duration = Duration::from_secs(60);
const FIVE: Quota = Quota { limit: 5, window: MINUTE };

impl Subject {
    async fn take(&self, key: &str, quota: Quota) -> Taken {
        self.limiter.take(key, quota).await.unwrap()
    }
}

/// Runs everything; each part uses keys of its own.
pub(super) async fn run(subject: &Subject) {
    counts_down_and_refuses(subject).await;
    keys_do_not_touch_each_other(subject).await;
    exactly_the_limit_in_parallel(subject).await;
    never_more_than_the_limit_in_any_window(subject).await;
    tries_that_share_an_entry_leave_with_the_last(subject).await;
    refused_tries_do_not_count(subject).await;
    the_reset_is_true(subject).await;
    a_smaller_quota_holds_at_once(subject).await;
}

async fn counts_down_and_refuses(s: &Subject) {
    for left in (0..5).rev() {
        let taken = s.take("count", FIVE).await;
        assert!(taken.allowed);
        assert_eq!((taken.remaining, taken.quota, taken.reset_after), (left, FIVE, MINUTE));
    }
    let refused = s.take("count", FIVE).await;
    assert_eq!((refused.allowed, refused.remaining), (false, 0));
    assert_eq!(refused.reset_after, MINUTE);
}

async fn keys_do_not_touch_each_other(s: &Subject) {
    let once = Quota { limit: 1, window: MINUTE };
    assert!(s.take("a", once).await.allowed);
    assert!(s.take("b", once).await.allowed);
    assert!(!s.take("a", once).await.allowed);
}

/// L-06: 200 at once.
async fn exactly_the_limit_in_parallel(s: &Subject) {
    for limit in [1, 5, 50] {
        let quota = Quota { limit, window: MINUTE };
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let limiter = Arc::clone(&s.limiter);
                tokio::spawn(async move {
                    limiter.take(&format!("parallel{limit}"), quota).await.unwrap().allowed
                })
            })
            .collect();
        let mut allowed = 0;
        for task in tasks {
            allowed += u32::from(task.await.unwrap());
        }
        assert_eq!(allowed, limit);
    }
}

/// Also where tries share entries: 300 a minute, tried each 50 ms over five minutes.
async fn never_more_than_the_limit_in_any_window(s: &Subject) {
    let quota = Quota { limit: 300, window: MINUTE };
    let mut allowed_at = Vec::new();
    for step in 0..6_000u64 {
        if s.take("sliding", quota).await.allowed {
            allowed_at.push(step * 50);
        }
        (s.pass)(Duration::from_millis(50));
    }
    for (i, start) in allowed_at.iter().enumerate() {
        let within = allowed_at[i..].iter().take_while(|t| **t < start + 60_000).count();
        assert!(within <= 300, "{within} within a minute from {start} ms");
    }
    // Merged entries may hold a try back by 1/32 of the window, no more.
    assert!(allowed_at.len() >= 1_400, "only {} in five minutes", allowed_at.len());
}

async fn tries_that_share_an_entry_leave_with_the_last(s: &Subject) {
    assert!(s.take("shared", FIVE).await.allowed);
    (s.pass)(Duration::from_millis(1_500));
    for _ in 0..4 {
        assert!(s.take("shared", FIVE).await.allowed);
    }
    (s.pass)(Duration::from_millis(58_500));
    let refused = s.take("shared", FIVE).await;
    assert_eq!((refused.allowed, refused.reset_after), (false, Duration::from_millis(1_500)));
    (s.pass)(Duration::from_millis(1_500));
    assert_eq!(s.take("shared", FIVE).await.remaining, 4);
}

async fn refused_tries_do_not_count(s: &Subject) {
    let quota = Quota { limit: 1, window: MINUTE };
    assert!(s.take("hammer", quota).await.allowed);
    for _ in 0..59 {
        (s.pass)(Duration::from_secs(1));
        assert!(!s.take("hammer", quota).await.allowed);
    }
    (s.pass)(Duration::from_secs(1));
    assert!(s.take("hammer", quota).await.allowed);
}

async fn the_reset_is_true(s: &Subject) {
    let quota = Quota { limit: 2, window: MINUTE };
    s.take("reset", quota).await;
    (s.pass)(Duration::from_secs(20));
    s.take("reset", quota).await;
    (s.pass)(Duration::from_secs(10));
    let refused = s.take("reset", quota).await;
    assert_eq!(refused.reset_after, Duration::from_secs(30));
    (s.pass)(refused.reset_after.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(!s.take("reset", quota).await.allowed);
    (s.pass)(Duration::from_millis(1));
    assert!(s.take("reset", quota).await.allowed);
    // The second try still counts.
    assert_eq!(s.take("reset", quota).await.reset_after, Duration::from_secs(20));
}

async fn a_smaller_quota_holds_at_once(s: &Subject) {
    for _ in 0..5 {
        assert!(s.take("reload", FIVE).await.allowed);
    }
    assert!(!s.take("reload", Quota { limit: 3, window: MINUTE }).await.allowed);
    assert!(s.take("reload", Quota { limit: 6, window: MINUTE }).await.allowed);
}
