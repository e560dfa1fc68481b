//! Two nodes, one Redis: one at a time, in fair order, and on without Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::model::{Clock as _, SystemClock, SystemEntropy};
use crate::shared::test_server::{Server, client};

fn node(server: &Server) -> Arc<RedisTurns> {
    Arc::new(RedisTurns::new(client(&server.url()), Arc::new(SystemEntropy)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_06_one_at_a_time_over_two_nodes_and_both_get_their_share() {
    let server = Server::start();
    let nodes = [node(&server), node(&server)];
    let inside = Arc::new(AtomicU32::new(0));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tries: Vec<_> = (0..100)
        .map(|n| {
            let (node, inside, order) = (nodes[n % 2].clone(), inside.clone(), order.clone());
            tokio::spawn(async move {
                let _turn = node.turn("ada@example.org").await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                order.lock().unwrap().push(n % 2);
                tokio::time::sleep(Duration::from_millis(2)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    for one in tries {
        one.await.unwrap();
    }
    let order = order.lock().unwrap();
    let first_half = order[..50].iter().filter(|node| **node == 0).count();
    assert_eq!(order.len(), 100);
    assert!((10..=40).contains(&first_half), "one node had {first_half} of the first 50 turns");
    server.await_answer(&["DBSIZE"], ":0\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn different_subjects_do_not_wait_for_each_other() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    let _first = a.turn("ada@example.org").await.unwrap();
    let _second = b.turn("bob@example.org").await.unwrap();
}

/// A node died in its turn: others give up after two seconds, and the lock has an end.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_nobody_gives_back_ends_by_itself() {
    let server = Server::start();
    let name = key("turn", "ada@example.org");
    let name = format!("test:{name}");
    server.ask(&["HSET", &name, "owner", "a dead node"]);
    server.ask(&["PEXPIRE", &name, "60000"]);
    let node = node(&server);
    let clock = SystemClock::new();
    assert!(matches!(node.turn("ada@example.org").await, Err(Busy)));
    let waited = clock.monotonic();
    assert!((1_900..10_000).contains(&waited.as_millis()), "{waited:?}");
    server.ask(&["PEXPIRE", &name, "600"]);
    assert!(node.turn("ada@example.org").await.is_ok());
    server.await_answer(&["EXISTS", &name], ":0\r\n");
}

/// Redis hangs while the lock is asked for, and takes it when it goes on: nobody waits for a turn that nobody has.
#[tokio::test(flavor = "multi_thread")]
async fn case_5_2_a_lock_that_was_taken_too_late_is_given_back() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    drop((a.turn("x").await.unwrap(), b.turn("y").await.unwrap()));
    server.await_answer(&["DBSIZE"], ":0\r\n");
    server.signal("STOP");
    drop(a.turn("x").await.unwrap());
    server.signal("CONT");
    // What hung is carried out now; the lock would stay for five seconds.
    assert!(b.turn("x").await.is_ok(), "within the two seconds that one waits");
    server.await_answer(&["DBSIZE"], ":0\r\n");
}

/// A caller that goes away while it waits, or while it has the turn, leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_gives_up_the_place() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    let turn = a.turn("x").await.unwrap();
    let waiting = tokio::spawn({
        let b = b.clone();
        async move { b.turn("x").await.map(drop) }
    });
    server.await_answer(&["HEXISTS", &format!("test:{}", key("turn", "x")), "waiting"], ":1");
    waiting.abort();
    assert!(waiting.await.is_err());
    drop(turn);
    server.await_answer(&["DBSIZE"], ":0\r\n");
    // Whoever had to wait for somebody would be sent away.
    drop(b.turn("x").await.unwrap());
}

/// Redis dies: the queue of the node is what is left, and nobody is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_5_1_without_redis_each_node_has_its_own_queue() {
    let mut server = Server::start();
    let node = node(&server);
    drop(node.turn("x").await.unwrap());
    server.kill();
    let inside = Arc::new(AtomicU32::new(0));
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (node, inside) = (node.clone(), inside.clone());
            tokio::spawn(async move {
                let _turn = node.turn("x").await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone on this node");
                tokio::time::sleep(Duration::from_millis(1)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    for one in tries {
        one.await.unwrap();
    }
}
