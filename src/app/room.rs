//! Sockets are files, and of those a process may open so many. The limit that is in force is raised as far as it may be;
//! a quarter stays free for connections to applications, for the store and for files.

use std::net::SocketAddr;
use std::time::Duration;

use pingora::listeners::{L4BufferSettings, ListenerConfig, TcpSocketOptions};
use pingora::protocols::TcpKeepalive;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::proxy::Limits;

/// How many signs of life of a client may be missing.
const PROBES: usize = 3;

/// So many connections of clients there is room for.
pub(super) fn for_connections(wanted: usize) -> usize {
    let files = raise();
    let room = files.map_or(usize::MAX, |files| files - files / 4);
    let cap = room.min(wanted);
    if cap < wanted {
        tracing::warn!(wanted, cap, files, "fewer connections than configured: too few files may be open");
    } else {
        tracing::info!(cap, files, "connections of clients at most");
    }
    cap
}

/// The limit that is now in force; `None`: there is none.
fn raise() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised =
        current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current };
    files.and_then(|n| usize::try_from(n).ok())
}

/// An address to listen on. Nothing is buffered for reading before the guard, which has a buffer of its own: so an idle
/// connection holds none. A client that has vanished, or takes nothing of what was sent, is found out by TCP itself: also
/// while an answer's head is written, for which the library has no time limit.
pub(super) fn listener(address: SocketAddr, limits: &Limits) -> ListenerConfig {
    let patience = limits.body_timeout.max(Duration::from_secs(1));
    let alive = TcpKeepalive {
        idle: patience,
        interval: (patience / 3).max(Duration::from_secs(1)),
        count: PROBES,
        #[cfg(target_os = "linux")]
        user_timeout: limits.body_timeout * 2,
    };
    let mut options = TcpSocketOptions::default();
    options.tcp_keepalive = Some(alive);
    ListenerConfig::tcp(address.to_string())
        .tcp_socket_options(options)
        .l4_buffer(L4BufferSettings::default().read(0))
}
