//! Sockets sent through a socket (unix(7), `SCM_RIGHTS`).

use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::{Door, WORD};

const MOST: usize = Door::ALL.len();

/// Sends the listeners with their names in one message.
pub(super) fn send(line: &UnixStream, listeners: &[(Door, TcpListener)]) -> Result<()> {
    let names: Vec<&str> = listeners.iter().map(|(door, _)| door.word()).collect();
    let word = format!("{}\n", names.join(" "));
    let sockets: Vec<BorrowedFd<'_>> = listeners.iter().map(|(_, listener)| listener.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(line, &[IoSlice::new(word.as_bytes())], &mut rights, SendFlags::NOSIGNAL)?;
    if sent == word.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
}

/// The listeners that the other side has sent; an error with its words if it sent none.
pub(super) fn receive(line: &UnixStream) -> Result<Vec<(Door, TcpListener)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; WORD];
    // Not to be inherited by programs that this one starts.
    let message = recvmsg(line, &mut [IoSliceMut::new(&mut bytes)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let sockets: Vec<OwnedFd> = rights
        .drain()
        .filter_map(|part| match part {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        })
        .flatten()
        .collect();
    let word = String::from_utf8_lossy(&bytes[..message.bytes]).trim_end().to_owned();
    let doors: Option<Vec<Door>> = word.split(' ').map(Door::named).collect();
    match doors {
        Some(doors) if doors.len() == sockets.len() => {
            Ok(doors.into_iter().zip(sockets.into_iter().map(TcpListener::from)).collect())
        }
        _ => Err(Error::other(if word.is_empty() { "it has closed the connection".into() } else { word })),
    }
}
