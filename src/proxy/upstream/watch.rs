//! The task that watches all servers: asks them whether they are well, and names for their addresses. Requests only read
//! what it has found.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::task::JoinSet;

use super::pool::Pool;
use super::server::Server;

/// Watches the servers of some upstreams.
pub struct Watch(Vec<Arc<Pool>>);

impl Watch {
    pub(super) fn new(pools: Vec<Arc<Pool>>) -> Self {
        Self(pools)
    }
}

#[async_trait]
impl BackgroundService for Watch {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut tasks = JoinSet::new();
        for pool in &self.0 {
            if let Some(health) = pool.health() {
                tasks.spawn(check_for_ever(pool.clone(), health.interval));
            }
            if let Some(period) = pool.resolve_every() {
                tasks.spawn(resolve_for_ever(pool.clone(), period));
            }
        }
        // The set ends its tasks when it goes.
        let _ = shutdown.wait_for(|stop| *stop).await;
    }
}

async fn check_for_ever(pool: Arc<Pool>, period: Duration) {
    loop {
        let mut checks = JoinSet::new();
        for server in pool.all() {
            checks.spawn(check(pool.clone(), server));
        }
        while checks.join_next().await.is_some() {}
        tokio::time::sleep(period).await;
    }
}

async fn check(pool: Arc<Pool>, server: Arc<Server>) {
    let outcome = pool.origins()[server.origin].check(server.address).await;
    if !server.found(outcome.is_ok()) {
        return;
    }
    let (upstream, address) = (pool.name(), server.address);
    match outcome {
        Ok(()) => tracing::info!(upstream, server = %address, "a server is well again"),
        Err(cause) => tracing::warn!(upstream, server = %address, cause, "a server is not well"),
    }
}

async fn resolve_for_ever(pool: Arc<Pool>, period: Duration) {
    loop {
        let pause = if pool.all().is_empty() { Duration::from_secs(1).min(period) } else { period };
        tokio::time::sleep(pause).await;
        for origin in pool.origins() {
            origin.resolve(pool.name()).await;
        }
        pool.renew();
    }
}
