//! One server as it was written: a name or an address, and the addresses that are known for it. A name that cannot be
//! resolved keeps its last good addresses (5.30).

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pingora::lb::health_check::{HealthCheck as _, HttpHealthCheck};
use pingora::prelude::HttpPeer;

use super::peer;
use super::pool::backend;
use crate::proxy::settings::{Server, Upstream};

/// How long a name server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// One server as written.
pub(super) struct Origin {
    server: Server,
    template: HttpPeer,
    check: Option<HttpHealthCheck>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// Whether the name meant this machine when it was resolved first.
    here: bool,
    /// Whether it could not be resolved last time; one line in the log is enough.
    failing: bool,
}

impl Origin {
    pub(super) fn new(settings: &Upstream, server: &Server, template: HttpPeer) -> Self {
        let check = settings.health.as_ref().map(|h| peer::health_check(settings, h, (server, &template)));
        Self { server: server.clone(), template, check, known: Mutex::default() }
    }

    pub(super) fn weight(&self) -> u16 {
        self.server.weight
    }

    pub(super) fn is_name(&self) -> bool {
        self.server.host.parse::<IpAddr>().is_err()
    }

    /// The addresses, as far as they are known, in a fixed order.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).addresses.clone()
    }

    /// How to connect to one of them.
    pub(super) fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = self.template.clone();
        peer._address = address.into();
        peer
    }

    /// Resolves on this thread; for the start.
    pub(super) fn resolve_now(&self, upstream: &str) {
        let found = (self.server.host.as_str(), self.server.port).to_socket_addrs();
        self.learn(found.map(Iterator::collect).map_err(|e| e.to_string()), upstream);
    }

    /// Resolves again.
    pub(super) async fn resolve(&self, upstream: &str) {
        if !self.is_name() {
            return;
        }
        let lookup = tokio::net::lookup_host((self.server.host.as_str(), self.server.port));
        let found = match tokio::time::timeout(PATIENCE, lookup).await {
            Ok(found) => found.map(Iterator::collect).map_err(|e| e.to_string()),
            Err(_) => Err("the name server does not answer".to_owned()),
        };
        self.learn(found, upstream);
    }

    fn learn(&self, found: Result<Vec<SocketAddr>, String>, upstream: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = found.and_then(|found| self.admitted(found, &known));
        let server = self.server.host.as_str();
        match fresh {
            Ok(addresses) => {
                if known.addresses.is_empty() {
                    known.here = addresses.iter().any(|a| a.ip().is_loopback());
                } else if known.addresses != addresses {
                    tracing::info!(upstream, server, ?addresses, "a server has other addresses");
                }
                if known.failing {
                    tracing::info!(upstream, server, "the name of a server is resolved again");
                }
                known.addresses = addresses;
                known.failing = false;
            }
            Err(cause) => {
                let kept = known.addresses.len();
                if !known.failing {
                    tracing::warn!(upstream, server, cause, kept, "the name of a server cannot be resolved");
                }
                known.failing = true;
            }
        }
    }

    /// Only addresses that a name may lead to: never this network's own services (`169.254.169.254` hands out
    /// credentials), and this machine only if the name has meant it from the start.
    fn admitted(&self, mut found: Vec<SocketAddr>, known: &Known) -> Result<Vec<SocketAddr>, String> {
        if self.is_name() {
            let first = known.addresses.is_empty();
            found.retain(|a| !is_special(a.ip()) && (first || known.here || !a.ip().is_loopback()));
        }
        found.sort_unstable();
        found.dedup();
        if found.is_empty() { Err("it has no address that may be used".to_owned()) } else { Ok(found) }
    }

    /// Asks the server at this address whether it is well. `Err` says why not.
    pub(super) async fn check(&self, address: SocketAddr) -> Result<(), String> {
        let (Some(check), Some(backend)) = (&self.check, backend(address, 1)) else { return Ok(()) };
        check.check(&backend).await.map_err(|e| e.to_string())
    }
}

fn is_special(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast(),
    }
}

#[cfg(test)]
impl Origin {
    /// As if a name server had said so.
    pub(super) fn told(&self, found: Result<Vec<SocketAddr>, String>) {
        self.learn(found, "test");
    }
}
