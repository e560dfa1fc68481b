//! One process hands its listeners to the next, so that no connection is ever refused: the sockets stay open, only who
//! accepts on them changes. The new process has loaded and checked everything before it asks; until it says that it is
//! ready, the old one serves as if nobody had asked.
//!
//! new: [`HELLO`] · old: the names of its listeners, and the sockets · new: [`READY`] · old: [`YOURS`], and from then on
//! it only finishes what it has begun.
//!
//! Whoever reaches the socket file gets the listeners. So its folder must be one that only this user may enter.
//!
//! - `giver`: the side that serves · `taker`: the side that starts · `passing`: sockets through a socket

mod giver;
mod passing;
mod taker;
#[cfg(test)]
mod tests;

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(super) use giver::offer;
pub(super) use taker::Taken;

/// The first word of the process that starts; the number changes when the talk does.
const HELLO: &str = "stagedoor hand-over 1";
/// It is about to accept.
const READY: &str = "ready";
/// From now on it is the only one to accept.
const YOURS: &str = "yours";
/// How long each side waits for the next word of the other. There is nothing to do in between.
const PATIENCE: Duration = Duration::from_secs(10);
/// No word is longer.
const WORD: usize = 128;

/// Which listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Door {
    /// For people and programs.
    Public,
    /// The same by TLS.
    Tls,
    /// For the operator.
    Admin,
}

impl Door {
    const ALL: [Self; 3] = [Self::Public, Self::Tls, Self::Admin];

    fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Tls => "tls",
            Self::Admin => "admin",
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.word() == word)
    }
}

/// Why listeners were not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// `server.upgrade_socket` is not set.
    #[error("there is no `server.upgrade_socket`; set it, restart once, and hand over from then on")]
    NoSocket,
    /// Others could get at the listeners.
    #[error(
        "{0}: others may enter this folder, and whoever reaches the socket in it gets the listeners; run: chmod 700 {0}"
    )]
    Open(String),
    /// Nobody is there.
    #[error("no process hands over at {0}: {1}")]
    Nobody(String, std::io::Error),
    /// The other process did not do it.
    #[error("the running process has not handed over: {0}; it goes on")]
    Refused(String),
    /// The system did not.
    #[error("hand-over: {0}")]
    System(#[from] std::io::Error),
}

/// The listeners of this process once more, for as long as they may be handed over. Clones share.
#[derive(Clone, Default)]
pub(super) struct Held(Arc<Mutex<Vec<(Door, TcpListener)>>>);

impl Held {
    /// Keeps a second handle to a listener.
    pub(super) fn keep(&self, door: Door, listener: &TcpListener) -> std::io::Result<()> {
        let again = listener.try_clone()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((door, again));
        Ok(())
    }

    /// Gives all up: a listener closes when its last handle does.
    pub(super) fn let_go(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Refuses a folder that others may enter, or that is another user's.
fn must_be_private(socket: &Path) -> Result<(), HandOverError> {
    let folder = socket.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = folder.metadata()?;
    let others = found.permissions().mode() & 0o077;
    if others == 0 && found.uid() == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(HandOverError::Open(folder.display().to_string()))
    }
}

/// The next line of the other side, without its end.
fn hear(line: &UnixStream) -> std::io::Result<String> {
    let mut word = String::new();
    BufReader::with_capacity(1, line).take(WORD as u64).read_line(&mut word)?;
    match word.strip_suffix('\n') {
        Some(word) => Ok(word.to_owned()),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}
