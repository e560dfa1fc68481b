//! The listeners. Pingora accepts; when it has to stop, what the system has already accepted for us and still holds in a
//! listener's queue is let in before the listener closes: closing would reset those connections.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::listeners::{L4BufferSettings, ListenerConfig, TcpSocketOptions};
use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::stream::Stream as Plain;
use pingora::protocols::{GetSocketDigest as _, SocketDigest, Stream};
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::{Service, listening};

use super::drain::Drain;
use super::guard::Guard;
use super::settings::Limits;

/// How long the doors stay on record after they have closed: by then whoever came in last is on record instead.
const SETTLE: Duration = Duration::from_millis(50);

/// How many signs of life of a client may be missing.
const PROBES: usize = 3;

/// The public listeners and the guard behind them, as a service of Pingora's server.
pub struct Doors {
    service: listening::Service<Entrance>,
    guard: Arc<Guard>,
    drain: Arc<Drain>,
    /// Seen from the beginning, so that Pingora notices the change.
    closing: ShutdownWatch,
    fds: ListenFds,
    /// The same sockets once more, for what is left in their queues.
    listeners: Vec<TcpListener>,
}

impl Doors {
    /// Doors that open when Pingora's server runs. The listeners must not block.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new(
        guard: Guard,
        drain: Arc<Drain>,
        listeners: Vec<TcpListener>,
        limits: &Limits,
    ) -> std::io::Result<Self> {
        let guard = Arc::new(guard);
        let mut service = listening::Service::new("stagedoor".into(), Entrance(guard.clone(), drain.clone()));
        let mut fds = Fds::new();
        for listener in &listeners {
            let address = listener.local_addr()?;
            service.add_listener(listening_on(address, limits));
            fds.add(address.to_string(), listener.try_clone()?.into_raw_fd());
        }
        let closing = drain.watch();
        Ok(Self { service, guard, drain, closing, fds: Arc::new(fds.into()), listeners })
    }

    /// Lets in whoever waits before this listener.
    fn let_in_the_rest(&self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            let (guard, shutdown) = (self.guard.clone(), self.closing.clone());
            let served = self.drain.enter();
            let Ok(stream) = plain(stream) else { continue };
            tokio::spawn(async move {
                guard.process_new(stream, &shutdown).await;
                drop(served);
            });
        }
    }
}

/// An address to listen on. Nothing is buffered for reading before the guard, which has a buffer of its own: so an idle
/// connection holds none. A client that has vanished, or takes nothing of what was sent, is found out by TCP itself: also
/// while an answer's head is written, for which the library has no time limit.
fn listening_on(address: SocketAddr, limits: &Limits) -> ListenerConfig {
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

/// As Pingora makes them.
fn plain(stream: std::net::TcpStream) -> std::io::Result<Stream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let mut stream = Plain::from(tokio::net::TcpStream::from_std(stream)?);
    stream.set_socket_digest(SocketDigest::from_raw_fd(stream.as_raw_fd()));
    Ok(Box::new(stream))
}

#[async_trait]
impl Service for Doors {
    async fn start_service(&mut self, _: Option<ListenFds>, _: ShutdownWatch, per_listener: usize) {
        let _open = self.drain.enter();
        self.service.start_service(Some(self.fds.clone()), self.closing.clone(), per_listener).await;
        let listeners = std::mem::take(&mut self.listeners);
        if !self.drain.was_handed_over() {
            for listener in &listeners {
                self.let_in_the_rest(listener);
            }
        }
        drop(listeners);
        tokio::time::sleep(SETTLE).await;
    }

    fn name(&self) -> &'static str {
        "stagedoor"
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}

/// What Pingora hands connections to. Its own clean-up would drop connections that are about to ask; nothing is cleaned
/// up here.
struct Entrance(Arc<Guard>, Arc<Drain>);

#[async_trait]
impl ServerApp for Entrance {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _served = self.1.enter();
        self.0.process_new(stream, shutdown).await
    }
}
