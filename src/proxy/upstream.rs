//! The peers of each upstream. [`Upstreams::peer`] wants a `Permit`, so that nothing reaches an application that
//! the gate has not let through.

use std::sync::Arc;
use std::time::Duration;

use pingora::lb::LoadBalancer;
use pingora::lb::health_check::HttpHealthCheck;
use pingora::lb::selection::RoundRobin;
use pingora::prelude::HttpPeer;
use pingora::services::background::{GenBackgroundService, background_service};

use super::settings::{Health, Upstream};
use crate::gate::Permit;

/// An upstream's server cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the server {server} of upstream '{upstream}' cannot be resolved: {cause}")]
pub struct Unresolvable {
    upstream: String,
    server: String,
    cause: String,
}

/// How long an upgraded connection may be silent.
const UPGRADED_IDLE: Duration = Duration::from_secs(3600);

/// All upstreams, by their place in the configuration.
pub struct Upstreams(Vec<Pool>);

struct Pool {
    name: String,
    peers: Vec<HttpPeer>,
    /// Absent for a single server without a health check, the usual case.
    balancer: Option<Arc<LoadBalancer<RoundRobin>>>,
}

/// A task that watches the servers of one upstream.
pub type HealthService = GenBackgroundService<LoadBalancer<RoundRobin>>;

impl Upstreams {
    /// Prepares peers and balancers, and the tasks that watch them.
    ///
    /// # Errors
    /// [`Unresolvable`] when a server's name has no address.
    pub fn new(settings: &[Upstream]) -> Result<(Self, Vec<HealthService>), Unresolvable> {
        let mut services = Vec::new();
        let pools = settings.iter().map(|u| Pool::new(u, &mut services)).collect::<Result<_, _>>()?;
        Ok((Self(pools), services))
    }

    /// Where the request goes; `None` when no server of the upstream is well.
    pub(super) fn peer(&self, permit: &Permit, upgrade: bool) -> Option<Box<HttpPeer>> {
        let pool = &self.0[permit.upstream()];
        let mut peer = match &pool.balancer {
            None => Box::new(pool.peers.first()?.clone()),
            Some(balancer) => {
                let chosen = balancer.select(b"", 32)?;
                Box::new(pool.peers.iter().find(|p| p._address == chosen.addr)?.clone())
            }
        };
        if upgrade {
            peer.options.read_timeout = Some(UPGRADED_IDLE);
        }
        Some(peer)
    }

    /// How many servers of each upstream are well, by its name; without a health check all count as well. Upstreams
    /// that another proxy reaches are left out.
    pub fn well(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().filter(|pool| !pool.peers.is_empty()).map(|pool| (pool.name.as_str(), pool.well()))
    }

    /// Whether another proxy reaches this one, and we never do.
    pub(super) fn is_elsewhere(&self, at: usize) -> bool {
        self.0[at].peers.is_empty()
    }

    /// The name of an upstream, for logs and metrics.
    pub(super) fn name(&self, at: usize) -> &str {
        &self.0[at].name
    }
}

impl Pool {
    fn new(settings: &Upstream, services: &mut Vec<HealthService>) -> Result<Self, Unresolvable> {
        let peers: Vec<HttpPeer> =
            settings.servers.iter().map(|s| peer(settings, s)).collect::<Result<_, _>>()?;
        let balancer = (peers.len() > 1 || settings.health.is_some())
            .then(|| balancer(settings, &peers, services))
            .transpose()?;
        Ok(Self { name: settings.name.clone(), peers, balancer })
    }

    fn well(&self) -> usize {
        let Some(balancer) = &self.balancer else { return self.peers.len() };
        let backends = balancer.backends();
        backends.get_backend().iter().filter(|b| backends.ready(b)).count()
    }
}

fn peer(settings: &Upstream, server: &super::settings::Server) -> Result<HttpPeer, Unresolvable> {
    let address = (server.host.as_str(), server.port);
    let sni = if server.tls { server.host.clone() } else { String::new() };
    let mut peer = HttpPeer::new_from_sockaddr_or(address, server.tls, sni).map_err(|e| Unresolvable {
        upstream: settings.name.clone(),
        server: format!("{}:{}", server.host, server.port),
        cause: e,
    })?;
    let o = &mut peer.options;
    o.connection_timeout = Some(settings.connect_timeout);
    o.total_connection_timeout = Some(settings.connect_timeout * 2);
    o.read_timeout = Some(settings.read_timeout);
    o.write_timeout = Some(settings.write_timeout);
    o.idle_timeout = Some(settings.idle_timeout);
    Ok(peer)
}

/// Resolving as a function of its own, so that a bad name is an error and not a panic.
trait Resolve: Sized {
    fn new_from_sockaddr_or(address: (&str, u16), tls: bool, sni: String) -> Result<Self, String>;
}

impl Resolve for HttpPeer {
    fn new_from_sockaddr_or(address: (&str, u16), tls: bool, sni: String) -> Result<Self, String> {
        use std::net::ToSocketAddrs;
        let mut found = address.to_socket_addrs().map_err(|e| e.to_string())?;
        let addr = found.next().ok_or_else(|| "no address".to_owned())?;
        Ok(Self::new(addr, tls, sni))
    }
}

fn balancer(
    settings: &Upstream,
    peers: &[HttpPeer],
    services: &mut Vec<HealthService>,
) -> Result<Arc<LoadBalancer<RoundRobin>>, Unresolvable> {
    let addresses: Vec<String> = peers.iter().map(|p| p._address.to_string()).collect();
    let mut balancer = LoadBalancer::<RoundRobin>::try_from_iter(&addresses).map_err(|e| Unresolvable {
        upstream: settings.name.clone(),
        server: addresses.join(", "),
        cause: e.to_string(),
    })?;
    let Some(health) = &settings.health else { return Ok(Arc::new(balancer)) };
    balancer.set_health_check(health_check(settings, health));
    balancer.health_check_frequency = Some(health.interval);
    let service = background_service(&format!("health of {}", settings.name), balancer);
    let task = service.task();
    services.push(service);
    Ok(task)
}

fn health_check(settings: &Upstream, health: &Health) -> Box<HttpHealthCheck> {
    let first = &settings.servers[0];
    let mut check = HttpHealthCheck::new(&first.host, first.tls);
    if let Ok(path) = health.path.parse() {
        check.req.set_uri(path);
    }
    check.peer_template.options.connection_timeout = Some(settings.connect_timeout);
    check.peer_template.options.read_timeout = Some(settings.connect_timeout * 2);
    Box::new(check)
}
