//! The listening sockets: those of the process that is to be replaced where it has them, else new ones.

use std::net::{SocketAddr, TcpListener};

use super::StartError;
use super::hand_over::{Door, Held, Taken};
use crate::proxy::Settings;

/// Open, and accepting nothing yet.
pub(super) struct Listeners {
    /// For people and programs; the first is `server.listen`.
    pub(super) public: Vec<TcpListener>,
    /// For the operator.
    pub(super) admin: TcpListener,
}

impl Listeners {
    /// Opens all of them. Where they may be handed over later, `held` gets second handles.
    ///
    /// # Errors
    /// [`StartError::Listen`] when an address is taken.
    pub(super) fn open(
        settings: &Settings,
        taken: &mut Option<Taken>,
        held: &Held,
    ) -> Result<Self, StartError> {
        let mut open = |door, address| {
            let found = taken.as_mut().and_then(|taken| taken.listener(door, address));
            let listener = found.map_or_else(|| bind(address), Ok)?;
            if settings.upgrade_socket.is_some() {
                held.keep(door, &listener)?;
            }
            Ok::<_, StartError>(listener)
        };
        let admin = open(Door::Admin, settings.admin_listen)?;
        let mut public = vec![open(Door::Public, settings.listen)?];
        if let Some(tls) = &settings.tls {
            public.push(open(Door::Tls, tls.listen)?);
        }
        Ok(Self { public, admin })
    }

    /// The addresses of the first public listener and of the operator's.
    pub(super) fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public[0].local_addr()?, self.admin.local_addr()?))
    }
}

/// Bound here rather than by Pingora, which would retry for half a minute on a taken address and then go on without.
fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|cause| StartError::Listen { address, cause })
}
