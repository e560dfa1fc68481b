//! A connection in memory that stands where Pingora has a socket.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use pingora::protocols::l4::stream::Stream as Plain;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::protocols::{GetSocketDigest as _, SocketDigest, Stream};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// The gateway's end of `inner`, with `peer` at the other one. Says in `waits` whether the gateway waits for more bytes
/// from there. It is what a listener without TLS takes in: the guard asks for no less before it speaks HTTP/2.
pub fn line(inner: DuplexStream, peer: SocketAddr, waits: Arc<AtomicBool>) -> Stream {
    let mut plain = Plain::from(VirtualSocketStream::new(Box::new(Line { inner, waits })));
    // No descriptor stands behind it; only the address is ever asked for.
    let digest = SocketDigest::from_raw_fd(-1);
    let _ = digest.peer_addr.set(Some(peer.into()));
    let _ = digest.local_addr.set(None);
    plain.set_socket_digest(digest);
    Box::new(plain)
}

#[derive(Debug)]
struct Line {
    inner: DuplexStream,
    waits: Arc<AtomicBool>,
}

impl VirtualSocket for Line {
    fn set_socket_option(&self, _opt: VirtualSockOpt) -> std::io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.waits.store(read.is_pending(), Ordering::SeqCst);
        read
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
