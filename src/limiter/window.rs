//! The way of counting, the same for every engine: a sliding log of the tries that were allowed. Tries that lie
//! within 1/32 of the window share an entry that counts as if all of them had come with its latest one. So a key
//! costs at most 33 entries, never more than `limit` tries fall into any span of `window`, and none waits more
//! than 1/32 longer than it must. Whole milliseconds only, so that a Lua script can do exactly the same.

use std::time::Duration;

use super::{Quota, Taken};

/// Into how many parts a window is divided at most.
const PARTS: u64 = 32;

/// Tries that came close to each other.
#[derive(Clone, Copy, Debug)]
struct Entry {
    first_ms: u64,
    last_ms: u64,
    count: u32,
}

/// The tries of one key, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    entries: Vec<Entry>,
}

impl Window {
    /// Takes one try at `now_ms`. Refused tries do not count, so that hammering does not prolong a refusal.
    pub(super) fn take(&mut self, now_ms: u64, quota: Quota) -> Taken {
        let window = millis(quota.window);
        let limit = quota.limit.max(1);
        self.entries.retain(|e| e.last_ms.saturating_add(window) > now_ms);
        let used = self.used();
        if used >= limit {
            let reset_after =
                Duration::from_millis(self.room_at(used - limit, window).saturating_sub(now_ms));
            return Taken { allowed: false, remaining: 0, reset_after, quota };
        }
        self.count(now_ms, window / PARTS);
        Taken {
            allowed: true,
            remaining: limit - used - 1,
            reset_after: Duration::from_millis(window),
            quota,
        }
    }

    /// When the last entry stops counting.
    pub(super) fn expires_ms(&self, quota: Quota) -> u64 {
        self.entries.last().map_or(0, |e| e.last_ms.saturating_add(millis(quota.window)))
    }

    fn used(&self) -> u32 {
        self.entries.iter().fold(0, |sum, e| sum.saturating_add(e.count))
    }

    /// When more than `surplus` tries have stopped counting.
    fn room_at(&self, surplus: u32, window: u64) -> u64 {
        let mut gone = 0u32;
        for e in &self.entries {
            gone = gone.saturating_add(e.count);
            if gone > surplus {
                return e.last_ms.saturating_add(window);
            }
        }
        0
    }

    fn count(&mut self, now_ms: u64, part: u64) {
        match self.entries.last_mut() {
            Some(e) if now_ms <= e.first_ms.saturating_add(part) => {
                e.last_ms = e.last_ms.max(now_ms);
                e.count = e.count.saturating_add(1);
            }
            _ => self.entries.push(Entry { first_ms: now_ms, last_ms: now_ms, count: 1 }),
        }
    }
}

/// At least one millisecond, so that no window is empty.
pub(super) fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX).max(1)
}
