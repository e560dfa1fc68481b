//! Sentinels that change the master, and a cluster.

use std::process::Command;
use std::time::Duration;

use super::test_server::{Server, client, free_port};
use super::tests::{count, next, says_and_hears, until_it_counts};
use super::*;
use crate::model::{Clock as _, SystemClock};

/// A sentinel that watches `master`, started when the master knows its replica.
fn sentinel(master: &Server) -> Server {
    (0..5)
        .find_map(|_| {
            let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
            let file = folder.path().join("sentinel.conf");
            let text = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\n\
                 sentinel down-after-milliseconds main 1500\nsentinel failover-timeout main 2000\n",
                master.port
            );
            std::fs::write(&file, text).unwrap();
            let mut server = Server::on(port, &[&file.display().to_string(), "--sentinel"])?;
            server.folder = folder;
            Some(server)
        })
        .expect("a sentinel")
}

/// The master dies; the replica takes over, and everything goes on there.
#[tokio::test(flavor = "multi_thread")]
async fn case_5_4_a_sentinel_names_the_new_master() {
    let mut master = Server::with(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::with(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    master.await_answer(&["INFO", "replication"], "state=online");
    let sentinel = sentinel(&master);
    sentinel.await_answer(&["SENTINEL", "REPLICAS", "main"], &replica.port.to_string());

    // One that is dead beside it does no harm.
    let url = format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main", free_port(), sentinel.port);
    let redis = client(&url);
    assert_eq!(until_it_counts(&redis).await.0, 1);
    assert_eq!(redis.eviction().await, Ok(Ok(())));
    let mut heard = redis.subscribe("news");
    assert_eq!(next(&mut heard).await, Event::Connected);
    says_and_hears(&redis, &mut heard, b"before").await;
    replica.await_answer(&["GET", "test:n"], "\r\n1\r\n");

    master.kill();
    assert!(count(&redis).await.is_err());
    let (n, took) = until_it_counts(&redis).await;
    println!("a new master after {took:?}");
    assert_eq!(n, 2, "what the replica knew is still known");
    assert!(replica.ask(&["ROLE"]).contains("master"));
    assert_eq!(next(&mut heard).await, Event::Lost);
    assert_eq!(next(&mut heard).await, Event::Connected);
    says_and_hears(&redis, &mut heard, b"after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_no_sentinel_knows_is_away() {
    let master = Server::start();
    let sentinel = sentinel(&master);
    let redis = client(&format!("redis+sentinel://127.0.0.1:{}/other", sentinel.port));
    assert!(matches!(count(&redis).await, Err(Away::Failed(_))));
}

/// Three masters that share the slots, and a replica of each.
struct Cluster(Vec<Server>);

impl Cluster {
    fn start() -> Self {
        let node = |_| {
            let bus = free_port().to_string();
            let timing = ["--cluster-node-timeout", "3000", "--repl-diskless-sync-delay", "0"];
            Server::with(&[&["--cluster-enabled", "yes", "--cluster-port", &bus][..], &timing].concat())
        };
        let nodes: Vec<_> = (0..6).map(node).collect();
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "create"]);
        command.args(nodes.iter().map(|n| format!("127.0.0.1:{}", n.port)));
        command.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let made = command.output().expect("redis-cli is installed; scripts/test does that");
        assert!(made.status.success(), "{made:?}");
        for node in &nodes {
            node.await_answer(&["CLUSTER", "INFO"], "cluster_state:ok");
        }
        for replica in &nodes[3..] {
            replica.await_answer(&["INFO", "replication"], "master_link_status:up");
        }
        Self(nodes)
    }

    fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.0[0].port, self.0[1].port)
    }
}

/// Keys lie on all nodes, a channel is heard on any, and a dead master is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn case_5_4_a_cluster_goes_on_when_a_master_dies() {
    let mut cluster = Cluster::start();
    let redis = client(&cluster.url());
    until_it_counts(&redis).await;
    let script = Script::new("return { redis.call('INCR', KEYS[1]) }");
    for n in 0..60 {
        assert_eq!(redis.run("test", &script, &format!("k{n}"), &[]).await, Ok(vec![1]));
    }
    for master in &cluster.0[..3] {
        assert_ne!(master.ask(&["DBSIZE"]), ":0\r\n", "each has some");
    }
    let mut heard = redis.subscribe("news");
    assert_eq!(next(&mut heard).await, Event::Connected);
    says_and_hears(&redis, &mut heard, b"to all").await;
    assert!(redis.eviction().await.unwrap().is_ok());
    assert!(cluster.0[2].ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]).starts_with("+OK"));
    assert!(redis.eviction().await.unwrap().is_err(), "one node that forgets is enough");
    cluster.0[2].ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);

    // The node on which the channel is heard dies: another one is listened to.
    let clock = SystemClock::new();
    cluster.0[0].kill();
    assert_eq!(next(&mut heard).await, Event::Lost);
    assert_eq!(next(&mut heard).await, Event::Connected);
    // What it held comes back with its replica; what others hold was not away for long.
    let mut failed = 0;
    for n in 0..60 {
        while redis.run("test", &script, &format!("k{n}"), &[]).await.is_err() {
            failed += 1;
            assert!(clock.monotonic() < Duration::from_secs(30), "k{n} does not come back");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    println!("all keys are there after {:?}, {failed} calls failed", clock.monotonic());
    says_and_hears(&redis, &mut heard, b"to those left").await;
}
