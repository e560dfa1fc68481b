//! The runner, and what the jobs leave behind.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::model::{ManualClock, Timestamp};

enum Fate {
    Works,
    Fails,
    Panics,
}

struct Told(&'static str, Fate, Arc<AtomicUsize>);

#[async_trait]
impl Job for Told {
    fn name(&self) -> &'static str {
        self.0
    }

    fn period(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn scope(&self) -> Scope {
        Scope::Node
    }

    async fn run(&self) -> Result<u64, String> {
        self.2.fetch_add(1, Ordering::SeqCst);
        match self.1 {
            Fate::Works => Ok(3),
            Fate::Fails => Err("on purpose".into()),
            Fate::Panics => panic!("on purpose"),
        }
    }
}

#[tokio::test]
async fn a_job_that_panics_or_fails_is_counted_and_comes_again_and_stops_no_other() {
    let runs: [Arc<AtomicUsize>; 3] = Default::default();
    let [works, fails, panics] = runs.clone();
    let jobs = Jobs { list: Vec::new(), store: Store::scratch() }
        .and(Told("panics", Fate::Panics, panics))
        .and(Told("fails", Fate::Fails, fails))
        .and(Told("works", Fate::Works, works));
    let (metrics, (stop, stopped)) = (Arc::new(Metrics::new()), watch::channel(false));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_secs(1_800_000_000)));
    let all = tokio::spawn(jobs.run(stopped, metrics.clone(), clock));
    while !runs.iter().all(|r| r.load(Ordering::SeqCst) >= 3) {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.send(true).unwrap();
    all.await.unwrap();
    let page = metrics.render();
    for (job, outcome) in [("panics", "panicked"), ("fails", "failed"), ("works", "done")] {
        let line = format!("stagedoor_job_runs_total{{job=\"{job}\",outcome=\"{outcome}\"}} ");
        let count =
            page.lines().find_map(|l| l.strip_prefix(&line)).unwrap_or_else(|| panic!("{line}\n{page}"));
        assert!(count.parse::<u64>().unwrap() >= 3);
        assert!(!page.contains(&format!("job=\"{job}\",outcome=\"other\"")));
    }
}

async fn store_with(rows: &[&'static str]) -> Store {
    let store = Store::scratch();
    let account = "INSERT INTO accounts (id, email, name, password_hash, created_at, password_changed_at)
                   VALUES ('a', 'a@example.org', 'A', '', 0, 0)";
    store.write(account, Vec::new()).await.unwrap();
    for sql in rows {
        store.write(sql, Vec::new()).await.unwrap();
    }
    store
}

async fn ids(store: &Store, sql: &'static str) -> Vec<String> {
    store.read(sql, Vec::new()).await.unwrap().iter().map(|r| r.string(0).unwrap()).collect()
}

#[tokio::test]
async fn idle_sign_ins_are_marked_with_the_time_and_reason_and_live_ones_stay() {
    let store = store_with(&[
        "INSERT INTO sessions (id, account_id, amr, auth_time, keep, refresh_hash, rotated_at, generation,
             idle_expires, expires_at, created_at, last_seen_at, ip, user_agent)
         VALUES ('idle', 'a', 'pwd', 0, FALSE, '\\x01', 0, 0, 5000, 90000, 0, 0, '', ''),
                ('old', 'a', 'pwd', 0, FALSE, '\\x02', 0, 0, 80000, 9000, 0, 0, '', ''),
                ('live', 'a', 'pwd', 0, FALSE, '\\x03', 0, 0, 10001, 90000, 0, 0, '', '')",
    ])
    .await;
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(10_000)));
    let job = idle_sessions::IdleSessions { store: store.clone(), clock };
    assert_eq!(job.run().await, Ok(2));
    assert_eq!(job.run().await, Ok(0), "once");
    let ended = "SELECT id || ' ' || end_reason || ' ' || ended_at FROM sessions WHERE ended_at IS NOT NULL ORDER BY id";
    assert_eq!(ids(&store, ended).await, ["idle idle 5000", "old expired 9000"]);
    assert_eq!(store.count_sessions(Timestamp::from_millis(10_000)).await.unwrap(), 1);
}

#[tokio::test]
async fn challenges_and_devices_leave_when_their_time_is_over() {
    let store = store_with(&[
        "INSERT INTO challenges (id, account_id, session_id, token_hash, password_mac, browser_hash, keep, code_mac, code_expires,
             tries_left, created_at, expires_at)
         VALUES ('gone', 'a', '', '\\x01', '', '', FALSE, '', 0, 5, 0, 1000),
                ('late', 'a', '', '\\x02', '', '', FALSE, '', 0, 5, 0, 34560001000)",
        "INSERT INTO devices (device_id, account_id, trusted_until, ip, user_agent, created_at, last_seen_at)
         VALUES ('gone', 'a', 0, '', '', 0, 1000), ('seen', 'a', 0, '', '', 0, 34560001000)",
        "INSERT INTO recovery_codes (id, account_id, code_mac, created_at, used_at)
         VALUES ('gone', 'a', '\\x01', 0, 1000), ('free', 'a', '\\x02', 0, NULL)",
    ])
    .await;
    // 400 days and a bit after the first of each.
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_secs(400 * 24 * 3600 + 2)));
    let (s, c) = (|| store.clone(), || clock.clone());
    assert_eq!(challenges::Challenges { store: s(), clock: c() }.run().await, Ok(1));
    assert_eq!(devices::Devices { store: s(), clock: c() }.run().await, Ok(1));
    assert_eq!(used_codes::UsedCodes { store: s(), clock: c() }.run().await, Ok(1));
    assert_eq!(ids(&store, "SELECT id FROM challenges").await, ["late"]);
    assert_eq!(ids(&store, "SELECT device_id FROM devices").await, ["seen"]);
    assert_eq!(ids(&store, "SELECT id FROM recovery_codes").await, ["free"]);
}

/// A node whose clock is a day ahead takes nothing from those whose clock is right.
#[tokio::test]
async fn rows_of_ends_outlive_a_clock_that_is_ahead() {
    let store = Store::scratch();
    let now = Timestamp::from_secs(1_800_000_000);
    let mut tx = crate::store::Tx::new();
    let (session, until) =
        (crate::model::SessionId::from_bytes([7; 16]), now.after(Duration::from_secs(660)));
    tx.revoke(crate::store::Revocation::Session { session, until });
    store.commit(tx).await.unwrap();
    let job = |ahead: u64| revocations::Ended {
        store: store.clone(),
        clock: Arc::new(ManualClock::at(now.after(Duration::from_secs(ahead)))),
    };
    assert_eq!(job(24 * 3600).run().await, Ok(0));
    assert_eq!(store.live_revocations(now).await.unwrap().len(), 1);
    assert_eq!(job(26 * 3600).run().await, Ok(1));
    assert!(store.live_revocations(now).await.unwrap().is_empty());
}
