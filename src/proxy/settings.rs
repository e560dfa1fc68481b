//! Listeners, limits and upstreams.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// What the proxy needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where people and programs connect.
    pub listen: SocketAddr,
    /// Where they connect by TLS; then `listen` only leads there. `None`: `listen` serves, and whoever stands in front
    /// of it does the TLS.
    pub tls: Option<TlsListener>,
    /// Where the operator connects: metrics, health, reload, local mailbox.
    pub admin_listen: SocketAddr,
    /// Who may say for whom a request or a connection is.
    pub trusted_proxies: Vec<IpNet>,
    /// In which fields they say it.
    pub forwarded: ForwardedFamily,
    /// Whether connections come from them alone, and begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Limits on what a client may send before any rule runs.
    pub limits: Limits,
    /// The applications behind the gateway.
    pub upstreams: Vec<Upstream>,
    /// Threads that serve requests; `None`: one for each core.
    pub threads: Option<usize>,
    /// Whether clients may speak HTTP/2 without TLS by prior knowledge (RFC 9113 section 3.3).
    pub h2c: bool,
    /// How long to serve on after SIGTERM while readiness already says that this process stops.
    pub drain_delay: Duration,
    /// How long requests in flight may take to finish on SIGTERM.
    pub grace: Duration,
    /// Where another process may ask for the listeners; `None`: nowhere.
    pub upgrade_socket: Option<PathBuf>,
}

/// The fields in which a proxy says where a request comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ForwardedFamily {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// A listener for TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsListener {
    /// Its address.
    pub listen: SocketAddr,
    /// PEM file: the certificate of this server, then those up to (not including) the root.
    pub certificate: PathBuf,
    /// PEM file: its private key.
    pub key: PathBuf,
}

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the request head.
    pub head_bytes: usize,
    /// Number of header fields.
    pub headers: usize,
    /// Time for the whole head, from its first byte (or from connecting).
    pub head_timeout: Duration,
    /// How long a kept-alive connection may be silent.
    pub idle_timeout: Duration,
    /// Bytes of a request body, unless the route says otherwise.
    pub body_bytes: u64,
    /// How long to wait for the next piece of a request body.
    pub body_timeout: Duration,
    /// Open connections from one address.
    pub connections_per_address: usize,
    /// Open connections from all addresses.
    pub connections: usize,
    /// Bytes per second of a request body, over its life so far; 0: no limit.
    pub min_request_rate: u64,
    /// Bytes per second of an answer that its client takes, while any wait for it; 0: no limit.
    pub min_response_rate: u64,
    /// How long either may be slower.
    pub rate_grace: Duration,
    /// How long nothing may pass over a WebSocket, in either direction.
    pub websocket_idle: Duration,
}

/// One application.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in the config; `aud` of its assertions.
    pub name: String,
    /// Its servers; none: another proxy reaches it.
    pub servers: Vec<Server>,
    /// Which server gets a request.
    pub balance: Balance,
    /// What is spoken to the servers.
    pub protocol: Protocol,
    /// How their certificates are checked.
    pub tls: UpstreamTls,
    /// Requests under way at most; more are refused at once.
    pub max_in_flight: usize,
    /// How often names of servers are resolved again.
    pub resolve_every: Duration,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time to wait for the next bytes of an answer.
    pub read_timeout: Duration,
    /// Time to wait for the upstream to take bytes.
    pub write_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Under which names identity is passed on.
    pub identity: crate::gate::IdentityNames,
    /// Whether and how the signed assertion is passed on.
    pub assertion: crate::gate::AssertionMode,
    /// Where to ask whether a server is well; `None`: not asked.
    pub health: Option<Health>,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether to speak TLS to it (certificate and name are always checked).
    pub tls: bool,
    /// Its share of the requests, compared to the other servers; at least 1.
    pub weight: u16,
}

/// Which server of an upstream gets a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest requests under way.
    LeastRequests,
    /// The same one for the same person, or the same address where nobody is signed in (Ketama).
    UserHash,
}

/// What is spoken to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 only: without TLS by prior knowledge (RFC 9113 section 3.3). Upgrades still go by HTTP/1.1.
    Http2,
    /// With TLS what the server prefers (ALPN), without TLS HTTP/1.1.
    Auto,
}

/// How the certificates of an upstream's servers are checked.
#[derive(Clone, Debug, Default)]
pub struct UpstreamTls {
    /// A PEM file with the only authorities that count; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// The name that certificates must carry; `None`: the host of the server.
    pub server_name: Option<String>,
}

/// An active health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The path to GET; 200 means well.
    pub path: String,
    /// How often.
    pub interval: Duration,
}

/// Limits for tests: those of the documentation.
#[cfg(test)]
pub(super) fn sample_limits() -> Limits {
    Limits {
        head_bytes: 32 * 1024,
        headers: 100,
        head_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        body_bytes: 1 << 20,
        body_timeout: Duration::from_secs(30),
        connections_per_address: 100,
        connections: 20_000,
        min_request_rate: 240,
        min_response_rate: 240,
        rate_grace: Duration::from_secs(5),
        websocket_idle: Duration::from_secs(600),
    }
}
