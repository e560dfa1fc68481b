//! The side that starts, and asks.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use super::{Door, HELLO, HandOverError, PATIENCE, READY, YOURS, hear, must_be_private, passing};

/// The listeners of the process that still serves.
pub(in crate::app) struct Taken {
    line: UnixStream,
    listeners: Vec<(Door, TcpListener)>,
}

impl Taken {
    /// Asks the running process. It goes on serving until [`Taken::finish`].
    ///
    /// # Errors
    /// [`HandOverError`]: nothing has changed then.
    pub(in crate::app) fn ask(socket: &Path) -> Result<Self, HandOverError> {
        must_be_private(socket)?;
        let mut line = UnixStream::connect(socket)
            .map_err(|e| HandOverError::Nobody(socket.display().to_string(), e))?;
        line.set_read_timeout(Some(PATIENCE))?;
        line.set_write_timeout(Some(PATIENCE))?;
        line.write_all(format!("{HELLO}\n").as_bytes())?;
        let listeners = passing::receive(&line).map_err(|e| HandOverError::Refused(e.to_string()))?;
        Ok(Self { line, listeners })
    }

    /// The listener for a door, if the running process has one on this address.
    pub(in crate::app) fn listener(&mut self, door: Door, wanted: SocketAddr) -> Option<TcpListener> {
        let fits = |(of, listener): &(Door, TcpListener)| {
            *of == door && listener.local_addr().is_ok_and(|address| address == wanted)
        };
        let at = self.listeners.iter().position(fits)?;
        Some(self.listeners.swap_remove(at).1)
    }

    /// Takes over: when this returns, the other process accepts nothing more. A line in the log tells when it has ended.
    ///
    /// # Errors
    /// [`HandOverError::Refused`] when it goes on instead.
    pub(in crate::app) fn finish(mut self) -> Result<(), HandOverError> {
        // If it has given up meanwhile it has said so; that is still to be read.
        let _ = self.line.write_all(format!("{READY}\n").as_bytes());
        match hear(&self.line) {
            Ok(word) if word == YOURS => {}
            Ok(other) => return Err(HandOverError::Refused(other)),
            // Without a word: it has died, and nobody else serves. With ours unread, that is a reset.
            Err(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                tracing::warn!("the former process has died while it handed over");
            }
            Err(e) => return Err(HandOverError::Refused(e.to_string())),
        }
        // From here on nothing may fail.
        let wait = move || {
            let _ = self.line.set_read_timeout(None);
            let _ = self.line.read(&mut [0]);
            tracing::info!("the former process has ended");
        };
        drop(thread::Builder::new().name("hand-over".into()).spawn(wait));
        Ok(())
    }
}
