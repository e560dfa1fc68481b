//! The side that serves, and hands over when it is asked.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use super::{HELLO, HandOverError, Held, PATIENCE, READY, YOURS, hear, must_be_private, passing};
use crate::proxy::Drain;

/// After a conversation that could not even begin.
const PAUSE: Duration = Duration::from_secs(1);

/// From now on another process may ask at `socket` for what is held. The file that a former process has left there is
/// replaced.
///
/// # Errors
/// [`HandOverError::Open`] when others may enter the folder; [`HandOverError::System`].
pub(in crate::app) fn offer(socket: &Path, held: Held, drain: Arc<Drain>) -> Result<(), HandOverError> {
    must_be_private(socket)?;
    if socket.symlink_metadata().is_ok_and(|m| m.file_type().is_socket()) {
        std::fs::remove_file(socket)?;
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    thread::Builder::new().name("hand-over".into()).spawn(move || {
        for line in listener.incoming() {
            if line.is_err() {
                // No file is left, say: the same would come again at once.
                thread::sleep(PAUSE);
            }
            match line.map_err(|e| e.to_string()).and_then(|line| hand_over(line, &held, &drain)) {
                Ok(()) => return,
                Err(why) => tracing::warn!(why, "a process asked for the listeners and did not get them"),
            }
        }
    })?;
    Ok(())
}

/// One conversation. After it the other process accepts, or nothing has changed.
fn hand_over(mut line: UnixStream, held: &Held, drain: &Drain) -> Result<(), String> {
    let talk = |e: std::io::Error| e.to_string();
    line.set_read_timeout(Some(PATIENCE))
        .and_then(|()| line.set_write_timeout(Some(PATIENCE)))
        .map_err(talk)?;
    if hear(&line).map_err(talk)? != HELLO {
        let _ = line.write_all(b"this process is of another version\n");
        return Err("it is of another version".to_owned());
    }
    let sent = {
        let listeners = held.0.lock().unwrap_or_else(PoisonError::into_inner);
        if drain.is_leaving() || listeners.is_empty() {
            let _ = line.write_all(b"this process is stopping\n");
            return Err("this process is stopping".to_owned());
        }
        passing::send(&line, &listeners)
    };
    sent.map_err(talk)?;
    if !hear(&line).is_ok_and(|word| word == READY) {
        let _ = line.write_all(b"this process goes on\n");
        return Err("it was not ready".to_owned());
    }
    // If it has gone meanwhile this fails, and nothing has changed.
    line.write_all(format!("{YOURS}\n").as_bytes()).map_err(talk)?;
    drain.hand_over();
    tracing::info!("another process has taken over the listeners");
    // The end of this connection tells the other process that this one has ended.
    std::mem::forget(line);
    Ok(())
}
