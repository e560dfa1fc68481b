//! The contract on a real server, and what only there can go wrong.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::limiter::contract::{self, Subject};
use crate::limiter::{Fallback, MemoryLimiter};
use crate::model::SystemClock;
use crate::shared::test_server::{Cli, Server, client, open, settings};

/// The same script with a clock that tests turn.
fn with_a_manual_clock(redis: Redis) -> RedisLimiter {
    let now = "local now = tonumber(redis.call('GET', 'clock') or '1000000')\n";
    RedisLimiter { redis, script: Script::new(format!("{now}{WINDOW}")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let server = Server::start();
    let (clock, cli) = (AtomicU64::new(1_000_000), Mutex::new(Cli::new(server.port)));
    let pass = Box::new(move |d: Duration| {
        let step = u64::try_from(d.as_millis()).unwrap();
        let now = clock.fetch_add(step, Ordering::Relaxed) + step;
        assert_eq!(cli.lock().unwrap().ask(&["SET", "clock", &now.to_string()]), "+OK\r\n");
    });
    let limiter = Arc::new(with_a_manual_clock(client(&server.url())));
    contract::run(&Subject { limiter, pass }).await;
}

/// With the clock of Redis: the window is as long as it says, and what it left goes away by itself.
#[tokio::test(flavor = "multi_thread")]
async fn counts_by_the_time_of_redis_and_leaves_nothing_behind() {
    let server = Server::start();
    let limiter = RedisLimiter::new(client(&server.url()));
    let quota = Quota { limit: 2, window: Duration::from_secs(2) };
    for left in [1, 0] {
        let taken = limiter.take("k", quota).await.unwrap();
        assert_eq!((taken.allowed, taken.remaining, taken.reset_after), (true, left, quota.window));
    }
    let refused = limiter.take("k", quota).await.unwrap();
    assert!(!refused.allowed && refused.reset_after <= quota.window, "{refused:?}");
    assert!(refused.reset_after > Duration::from_millis(100), "{refused:?}");
    tokio::time::sleep(refused.reset_after + Duration::from_millis(2)).await;
    assert!(limiter.take("k", quota).await.unwrap().allowed);
    // Redis counts what has expired until it comes by, ten times a second.
    tokio::time::sleep(quota.window).await;
    nothing_but(&server, 0).await;
}

/// Two nodes, one quota.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_tries_on_two_nodes_share_the_quota() {
    let server = Server::start();
    let nodes = [0, 1].map(|_| Arc::new(RedisLimiter::new(client(&server.url()))));
    let quota = Quota { limit: 7, window: Duration::from_secs(60) };
    let tries: Vec<_> = (0..200)
        .map(|n| {
            let node = nodes[n % 2].clone();
            tokio::spawn(async move { node.take("shared", quota).await.unwrap().allowed })
        })
        .collect();
    let mut allowed = 0;
    for one in tries {
        allowed += u32::from(one.await.unwrap());
    }
    assert_eq!(allowed, 7);
}

/// Whatever is typed, a key is short, has an end, and goes. A million of them cost what their number says.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d_10_keys_are_short_and_each_has_an_end() {
    const KEYS: usize = 5_000;
    let server = Server::start();
    let limiter = Arc::new(RedisLimiter::new(client(&server.url())));
    let used = || {
        let info = server.ask(&["INFO", "memory"]);
        info.lines().find_map(|l| l.strip_prefix("used_memory:")).unwrap().trim().parse::<usize>().unwrap()
    };
    limiter.take("first", Quota { limit: 5, window: Duration::from_secs(60) }).await.unwrap();
    let before = used();
    let quota = Quota { limit: 5, window: Duration::from_secs(3) };
    let workers: Vec<_> = (0..10)
        .map(|worker| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                for n in 0..KEYS / 10 {
                    let name = format!("{worker} {n} {}", "x{}\r\n\0".repeat(500));
                    limiter.take(&name, quota).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let each = used().saturating_sub(before) / KEYS;
    println!("{each} bytes a key");
    assert!(each < 400, "{each} bytes a key");
    let script = "local endless = 0 for _, k in ipairs(redis.call('KEYS', '*')) do \
                  if redis.call('PTTL', k) < 0 or #k > 48 then endless = endless + 1 end end return endless";
    assert_eq!(server.ask(&["EVAL", script, "0"]), ":0\r\n");
    // The one with the long window is left.
    nothing_but(&server, 1).await;
}

async fn nothing_but(server: &Server, keys: usize) {
    for _ in 0..100 {
        if server.ask(&["DBSIZE"]) == format!(":{keys}\r\n") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} keys are left", server.ask(&["DBSIZE"]));
}

/// The script is gone with the server's memory; the next call brings it again.
#[tokio::test(flavor = "multi_thread")]
async fn case_5_3_an_empty_redis_works_at_once() {
    let mut server = Server::start();
    let limiter = RedisLimiter::new(client(&server.url()));
    let quota = Quota { limit: 1, window: Duration::from_secs(60) };
    assert!(limiter.take("k", quota).await.unwrap().allowed);
    assert!(
        server.ask(&["FLUSHALL"]).starts_with("+OK") && server.ask(&["SCRIPT", "FLUSH"]).starts_with("+OK")
    );
    assert!(limiter.take("k", quota).await.unwrap().allowed, "the count is gone, the script is back");
    server.kill();
    assert!(limiter.take("k", quota).await.is_err());
    server.restart();
    let taken = loop {
        if let Ok(taken) = limiter.take("k", quota).await {
            break taken;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(taken.allowed);
}

/// Redis dies in the middle of guessing: what is left is what one node allows by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_10_killed_in_the_middle_of_a_brute_force() {
    let mut server = Server::start();
    let (redis, metrics) = open(&settings(&server.url()));
    let local = MemoryLimiter::new(Arc::new(SystemClock::new()), 1000);
    let limiter = Arc::new(Fallback { shared: RedisLimiter::new(redis), local, metrics: metrics.clone() });
    let quota = Quota { limit: 30, window: Duration::from_secs(60) };
    let mut shared = 0;
    for _ in 0..20 {
        shared += u32::from(limiter.take("victim", quota).await.unwrap().allowed);
    }
    assert_eq!(shared, 20);
    server.kill();
    let tries: Vec<_> = (0..300)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.take("victim", quota).await.unwrap().allowed })
        })
        .collect();
    let mut alone = 0;
    for one in tries {
        alone += u32::from(one.await.unwrap());
    }
    assert_eq!(alone, 3, "a tenth");
    let page = metrics.render();
    assert!(page.contains("stagedoor_limiter_fallback_total 300"), "{page}");
    assert!(page.contains("stagedoor_redis_breaker_open 1"), "{page}");
}
