//! How to connect to a server. With TLS the certificate and its name are always checked; what differs between TLS
//! libraries stays in this file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pingora::lb::health_check::HttpHealthCheck;
use pingora::prelude::HttpPeer;
use pingora::protocols::TcpKeepalive;
use pingora::protocols::tls::CaType;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::BadAuthorities;
use crate::proxy::settings::{Health, Protocol, Server, Upstream};

/// Replaced by the address of the server.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1);
/// Requests at the same time on one HTTP/2 connection, unless the server wants fewer.
const STREAMS: usize = 100;
/// How much of an HTTP/2 answer may wait for a client that reads slowly (D-02). The connection takes as much of all of
/// them, so that none can keep the others waiting.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
/// How long an HTTP/2 connection may be without a sign of life, on the level of TCP: pings of HTTP/2 itself are counted
/// against us by gRPC servers.
const SILENCE: Duration = Duration::from_secs(30);

/// The authorities that count for an upstream; `None`: those of the system.
pub(super) fn authorities(settings: &Upstream) -> Result<Option<Arc<CaType>>, BadAuthorities> {
    let Some(path) = &settings.tls.ca else { return Ok(None) };
    read(path).map(Some).map_err(|cause| BadAuthorities {
        upstream: settings.name.clone(),
        path: path.display().to_string(),
        cause,
    })
}

fn read(path: &Path) -> Result<Arc<CaType>, String> {
    let pem = std::fs::read(path).map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let der = certificate.map_err(|e| e.to_string())?;
        rustls::RootCertStore::empty().add(der.clone()).map_err(|e| e.to_string())?;
        // The other parser panics on what it cannot read.
        let parsed = std::panic::catch_unwind(|| WrappedX509::new(der.to_vec(), parse_x509));
        all.push(parsed.map_err(|_| "a certificate cannot be read".to_owned())?);
    }
    if all.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(all.into()) }
}

/// The peer of a server without its address. `group` keeps upstreams apart: a connection that one has verified by its
/// own authorities is never used for another.
pub(super) fn template(
    settings: &Upstream,
    server: &Server,
    (group, ca): (usize, Option<&Arc<CaType>>),
) -> HttpPeer {
    // Never empty with TLS: an empty name would turn verification off in some libraries (N-13).
    let name = settings.tls.server_name.as_ref().unwrap_or(&server.host);
    let sni = if server.tls { name.clone() } else { String::new() };
    let mut peer = HttpPeer::new(NOWHERE, server.tls, sni);
    peer.group_key = group as u64;
    let o = &mut peer.options;
    o.connection_timeout = Some(settings.connect_timeout);
    o.total_connection_timeout = Some(settings.connect_timeout * 2);
    o.read_timeout = Some(settings.read_timeout);
    o.write_timeout = Some(settings.write_timeout);
    o.idle_timeout = Some(settings.idle_timeout);
    o.ca = ca.filter(|_| server.tls).cloned();
    match settings.protocol {
        Protocol::Http2 => o.set_http_version(2, 2),
        Protocol::Auto if server.tls => o.set_http_version(2, 1),
        Protocol::Auto | Protocol::Http1 => o.set_http_version(1, 1),
    }
    if settings.protocol != Protocol::Http1 {
        o.max_h2_streams = STREAMS;
        o.h2_stream_window_size = Some(STREAM_WINDOW);
        o.h2_connection_window_size = Some(CONNECTION_WINDOW);
        o.tcp_keepalive = Some(TcpKeepalive {
            idle: SILENCE,
            interval: SILENCE / 3,
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: SILENCE * 2,
        });
    }
    peer
}

/// The question whether a server is well, asked the way requests are.
pub(super) fn health_check(
    settings: &Upstream,
    health: &Health,
    (server, template): (&Server, &HttpPeer),
) -> HttpHealthCheck {
    let mut check = HttpHealthCheck::new(&server.host, server.tls);
    check.peer_template = template.clone();
    let o = &mut check.peer_template.options;
    o.read_timeout = Some(settings.connect_timeout * 2);
    let uri = if settings.protocol == Protocol::Http2 {
        check.req.set_version(http::Version::HTTP_2);
        check.req.remove_header(&http::header::HOST);
        let host = if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
        let scheme = if server.tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}{}", server.port, health.path)
    } else {
        // One protocol for every question: which one the server would rather speak does not matter here.
        o.set_http_version(1, 1);
        health.path.clone()
    };
    if let Ok(uri) = uri.parse() {
        check.req.set_uri(uri);
    }
    check
}
