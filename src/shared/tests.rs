//! One real server that dies, stops, forgets, refuses and comes back.

use std::time::Duration;

use super::test_server::{Server, client, free_port, open, settings};
use super::*;
use crate::limiter::{Limiter as _, Quota, RedisLimiter, RedisTurns, Turns as _};
use crate::model::{Clock as _, Secret, SystemClock, SystemEntropy};

const MS: Duration = Duration::from_millis(1);

/// Counts, so that it has to write.
pub(super) async fn count(redis: &Redis) -> Result<i64, Away> {
    let script = Script::new("return { redis.call('INCR', KEYS[1]) }");
    redis.run("test", &script, "n", &[]).await.map(|answer| answer[0])
}

/// Counts until Redis answers; how long that took.
pub(super) async fn until_it_counts(redis: &Redis) -> (i64, Duration) {
    let clock = SystemClock::new();
    let mut last = Ok(0);
    for _ in 0..1000 {
        last = count(redis).await;
        if let Ok(n) = last {
            return (n, clock.monotonic());
        }
        tokio::time::sleep(10 * MS).await;
    }
    panic!("Redis does not come back: {last:?}");
}

pub(super) async fn next(heard: &mut Subscription) -> Event {
    tokio::time::timeout(Duration::from_secs(10), heard.next()).await.expect("in time").expect("it goes on")
}

/// Says things until one is heard.
pub(super) async fn says_and_hears(redis: &Redis, heard: &mut Subscription, message: &[u8]) {
    redis.publish("news", message).await.unwrap();
    assert_eq!(next(heard).await, Event::Message(bytes::Bytes::copy_from_slice(message)));
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_without_redis_and_finds_it() {
    let port = free_port();
    let redis = client(&format!("redis://127.0.0.1:{port}"));
    let clock = SystemClock::new();
    assert!(matches!(count(&redis).await, Err(Away::Failed(_))));
    assert!(clock.monotonic() < 1_500 * MS, "a refusal is known at once: {:?}", clock.monotonic());
    let _server = Server::on(port, &[]).unwrap();
    assert_eq!(until_it_counts(&redis).await.0, 1);
}

/// Redis hangs: nobody waits longer than the time-out, soon nobody waits at all, and it is used again when it answers.
#[tokio::test(flavor = "multi_thread")]
async fn case_5_2_a_stopped_redis_is_left_alone() {
    let server = Server::start();
    let mut quick = settings(&server.url());
    quick.timeout = 300 * MS;
    let (redis, metrics) = open(&quick);
    until_it_counts(&redis).await;
    server.signal("STOP");
    let clock = SystemClock::new();
    for _ in 0..5 {
        assert_eq!(count(&redis).await, Err(Away::Slow));
    }
    let took = clock.monotonic();
    assert!(took >= 1_500 * MS, "five time-outs took {took:?}");
    assert!(metrics.render().contains("stagedoor_redis_breaker_open 1"));
    let (mut resting, mut probed) = (0, 0);
    while resting < 1_000 {
        match count(&redis).await {
            Err(Away::Resting) => resting += 1,
            other => {
                assert_eq!(other, Err(Away::Slow));
                probed += 1;
            }
        }
    }
    println!("1000 calls were not made, {probed} were probes");
    assert!(probed < 20, "nobody waits any more but a probe: {probed}");
    // Some probes later, so that connecting was tried as well.
    tokio::time::sleep(1_200 * MS).await;
    assert!(count(&redis).await.is_err());
    server.signal("CONT");
    let (_, back) = until_it_counts(&redis).await;
    println!("back after {back:?}");
    assert!(back < 4_000 * MS, "back after {back:?}");
    let page = metrics.render();
    assert!(page.contains("stagedoor_redis_breaker_open 0"), "{page}");
    let errors =
        page.lines().find(|l| l.starts_with("stagedoor_redis_errors_total{operation=\"test\"}")).unwrap();
    let errors: u32 = errors.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((6..40).contains(&errors), "what was not asked is no error: {errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_5_3_a_restarted_redis_is_used_again() {
    let mut server = Server::start();
    let redis = client(&server.url());
    assert_eq!((count(&redis).await, count(&redis).await), (Ok(1), Ok(2)));
    server.kill();
    assert!(count(&redis).await.is_err());
    server.restart();
    assert_eq!(until_it_counts(&redis).await.0, 1, "it is empty, and has the script again");
}

/// Each way in which a server refuses to write is the same as no server, and none is for ever.
#[tokio::test(flavor = "multi_thread")]
async fn case_5_4_a_redis_that_refuses_to_write_is_away() {
    let server = Server::start();
    let redis = client(&server.url());
    until_it_counts(&redis).await;
    let (follow, lead) = ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE");
    let silent = "CONFIG SET replica-serve-stale-data no";
    for (broken_by, word, mended_by) in [
        (vec![follow], "READONLY", vec![lead]),
        (vec![silent, follow], "MASTERDOWN", vec![lead]),
        (vec!["CONFIG SET maxmemory 1"], "OOM", vec!["CONFIG SET maxmemory 0"]),
        (
            vec!["CONFIG SET min-replicas-to-write 1"],
            "NOREPLICAS",
            vec!["CONFIG SET min-replicas-to-write 0"],
        ),
    ] {
        let run = |commands: Vec<&str>| {
            for command in commands {
                let words: Vec<_> = command.split(' ').collect();
                assert!(server.ask(&words).starts_with("+OK"), "{command}");
            }
        };
        run(broken_by);
        assert_eq!(count(&redis).await, Err(Away::Failed(word.into())));
        run(mended_by);
        until_it_counts(&redis).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_joined_again_whenever_it_is_lost() {
    let mut server = Server::start();
    let redis = client(&server.url());
    let mut heard = redis.subscribe("news");
    assert_eq!(next(&mut heard).await, Event::Connected);
    says_and_hears(&redis, &mut heard, b"one\0\xff").await;
    for n in 0..5_000u32 {
        redis.publish("other", &n.to_be_bytes()).await.unwrap();
    }
    says_and_hears(&redis, &mut heard, b"two").await;
    server.kill();
    assert_eq!(next(&mut heard).await, Event::Lost);
    server.restart();
    assert_eq!(next(&mut heard).await, Event::Connected);
    until_it_counts(&redis).await;
    says_and_hears(&redis, &mut heard, b"three").await;
    // A connection that has died in silence is noticed too.
    server.signal("STOP");
    assert_eq!(next(&mut heard).await, Event::Lost);
    server.signal("CONT");
    assert_eq!(next(&mut heard).await, Event::Connected);
    drop(heard);
    server.await_answer(&["PUBSUB", "NUMSUB", "test:news"], ":0");
}

/// A reader that falls behind is told, and the backlog has an end.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_keep_up_is_cut_off_and_told() {
    let server = Server::start();
    let redis = client(&server.url());
    let mut heard = redis.subscribe("news");
    assert_eq!(next(&mut heard).await, Event::Connected);
    for n in 0..5_000u32 {
        redis.publish("news", &n.to_be_bytes()).await.unwrap();
    }
    let mut messages = 0;
    while next(&mut heard).await != Event::Lost {
        messages += 1;
    }
    assert!((1_000..4_500).contains(&messages), "{messages} were kept");
    assert_eq!(next(&mut heard).await, Event::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_users() {
    let server = Server::with(&["--requirepass", "ca/n@ry"]);
    assert_eq!(count(&client(&format!("redis://:ca%2Fn%40ry@127.0.0.1:{}", server.port))).await, Ok(1));
    for login in ["", ":canary2@", "canary3:x@"] {
        let Err(Away::Failed(why)) =
            count(&client(&format!("redis://{login}127.0.0.1:{}", server.port))).await
        else {
            panic!("{login} gets in");
        };
        assert!(!why.contains("canary"), "{why}");
    }
}

/// The rights that the operator's guide names are enough for all that a node does.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_few_rights_is_enough() {
    let guide = include_str!("../../docs/operators.md");
    let rights = guide.split_once("the user needs `").unwrap().1.split_once('`').unwrap().0;
    assert!(rights.contains("-@all"), "{rights}");
    let server = Server::start();
    let mut user = vec!["ACL", "SETUSER", "door", "on", ">p"];
    user.extend(rights.split_whitespace());
    assert!(server.ask(&user).starts_with("+OK"));
    let url = format!("redis://door:p@127.0.0.1:{}/0", server.port);
    let redis = open(&Settings { prefix: "stagedoor:".into(), ..settings(&url) }).0;
    let quota = Quota { limit: 1, window: Duration::from_secs(1) };
    let limiter = RedisLimiter::new(redis.clone());
    assert!(
        limiter.take("k", quota).await.unwrap().allowed && !limiter.take("k", quota).await.unwrap().allowed
    );
    let turns = RedisTurns::new(redis.clone(), std::sync::Arc::new(SystemEntropy));
    drop(turns.turn("k").await.unwrap());
    assert_eq!(redis.eviction().await, Ok(Ok(())));
    let mut heard = redis.subscribe("news");
    assert_eq!(next(&mut heard).await, Event::Connected);
    says_and_hears(&redis, &mut heard, b"x").await;
    server.await_answer(&["ACL", "LOG"], "*0\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_5_4_a_redis_that_evicts_counters_is_refused() {
    for (policy, ok) in
        [("noeviction", true), ("volatile-ttl", false), ("allkeys-lru", false), ("allkeys-random", false)]
    {
        let server = Server::with(&["--maxmemory-policy", policy]);
        let found = client(&server.url()).eviction().await.unwrap();
        assert_eq!(found.is_ok(), ok, "{policy}");
        assert!(ok || found.unwrap_err().to_string().contains(policy));
    }
    assert!(client(&format!("redis://127.0.0.1:{}", free_port())).eviction().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_needs_an_authority_that_is_trusted_and_the_right_name() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (ours, theirs) = (certificates(), certificates());
    let file = |name: &str| ours.path().join(name).display().to_string();
    let serve = |name: &str| {
        let (pem, key, ca) = (file(&format!("{name}.pem")), file(&format!("{name}.key")), file("ca.pem"));
        Server::with(&[
            "--tls-cert-file",
            &pem,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "no",
            "--port",
            "0",
        ])
    };
    let (good, other_name) = (serve("good"), serve("wrong"));
    let trusting = |port: u16, ca: Option<std::path::PathBuf>| {
        let mut settings = settings(&format!("rediss://localhost:{port}"));
        settings.ca = ca;
        open(&settings).0
    };
    let redis = trusting(good.port, Some(ours.path().join("ca.pem")));
    assert_eq!(count(&redis).await, Ok(1));
    let mut heard = redis.subscribe("news");
    assert_eq!(next(&mut heard).await, Event::Connected);
    says_and_hears(&redis, &mut heard, b"x").await;
    for (redis, what) in [
        (trusting(good.port, Some(theirs.path().join("ca.pem"))), "another authority"),
        (trusting(good.port, None), "the system's authorities"),
        (trusting(other_name.port, Some(ours.path().join("ca.pem"))), "another name"),
        (client(&format!("redis://localhost:{}", good.port)), "no TLS"),
    ] {
        assert!(count(&redis).await.is_err(), "{what}");
    }
    let plain = Settings { ca: Some(ours.path().join("ca.pem")), ..settings("redis://h") };
    assert!(plain.check().unwrap_err().to_string().contains("rediss"));
    let empty = Settings { ca: Some(ours.path().join("good.key")), ..settings("rediss://h") };
    assert!(empty.check().unwrap_err().to_string().contains("no certificate"));
}

#[test]
fn settings_compare_the_url_and_do_not_show_it() {
    let (a, b) = (settings("redis://:canary@h"), settings("redis://:other@h"));
    assert!(a != b && a == a.clone() && !format!("{a:?}").contains("canary"));
    let bad = Settings { url: Secret::new("http://canary"), ..a };
    assert!(!bad.check().unwrap_err().to_string().contains("canary"));
}

/// What `tests/python/make_certificates.py` makes.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let python = std::env::var("STAGEDOOR_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/make_certificates.py");
    let made = std::process::Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    folder
}
