//! Starting with a Redis that is there, away, or unfit.

use super::*;
use crate::config;
use crate::limiter::Quota;
use crate::model::{SystemClock, SystemEntropy};
use crate::shared::test_server::{Server, free_port};

const CONFIG: &str = r#"
server: { public_url: "http://localhost:8080" }
redis: { url: "URL" }
roles: { user: { registration: open, default: true } }
upstreams: { app: { servers: ["http://127.0.0.1:3000"] } }
routes: [{ path: /**, upstream: app }]
rules: [{ path: /**, allow: authenticated }]
"#;

fn around() -> Surroundings {
    Surroundings { clock: Arc::new(SystemClock::new()), entropy: Arc::new(SystemEntropy), config: None }
}

fn start(url: &str) -> Result<(Runtime, Counters), StartError> {
    let folder = tempfile::tempdir().unwrap();
    let (settings, report) =
        config::parse(&CONFIG.replace("URL", url), "test.yaml", folder.path(), &|_| None);
    let settings = settings.unwrap_or_else(|| panic!("{report}"));
    let metrics = Arc::new(Metrics::new());
    let runtime = Runtime::new().unwrap();
    let redis = redis(&settings, &around(), &metrics, &runtime)?;
    let counters = Counters::new(redis.as_ref(), &around(), &metrics);
    Ok((runtime, counters))
}

fn tries(counters: &Counters, runtime: &Runtime) -> usize {
    let quota = Quota { limit: 20, window: std::time::Duration::from_secs(60) };
    (0..30).filter(|_| runtime.block_on(counters.limiter.take("k", quota)).unwrap().allowed).count()
}

#[test]
fn nodes_over_one_redis_count_together() {
    let server = Server::start();
    let nodes = [start(&server.url()).unwrap(), start(&server.url()).unwrap()];
    let allowed: Vec<_> = nodes.iter().map(|(runtime, node)| tries(node, runtime)).collect();
    assert_eq!(allowed, [20, 0]);
}

#[test]
fn case_5_1_a_node_starts_without_its_redis_and_is_stricter() {
    let (runtime, node) = start(&format!("redis://127.0.0.1:{}", free_port())).unwrap();
    assert_eq!(tries(&node, &runtime), 2);
    assert!(runtime.block_on(node.turns.turn("k")).is_ok());
}

#[test]
fn case_5_4_a_redis_that_forgets_and_comes_later_is_not_trusted() {
    let port = free_port();
    let (runtime, node) = start(&format!("redis://127.0.0.1:{port}")).unwrap();
    let server = Server::on(port, &["--maxmemory-policy", "allkeys-lru"]).expect("the port is still free");
    assert_eq!(tries(&node, &runtime), 2, "counted on this node");
    assert_eq!(server.ask(&["DBSIZE"]), ":0\r\n");
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    for _ in 0..1000 {
        tries(&node, &runtime);
        if server.ask(&["DBSIZE"]) != ":0\r\n" {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("not found again by itself");
}

#[test]
fn case_5_4_a_redis_that_forgets_is_a_reason_not_to_start() {
    let server = Server::with(&["--maxmemory-policy", "allkeys-lru"]);
    let Err(refused) = start(&server.url()) else { panic!("it starts") };
    let text = refused.to_string();
    assert!(
        text.contains("`redis`") && text.contains("allkeys-lru") && text.contains("noeviction"),
        "{text}"
    );
}
