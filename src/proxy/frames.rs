//! Looks over the shoulder of the HTTP/2 library at what a client sends, frame head by frame head. Frames that cost us
//! work and carry no request (PING, SETTINGS, PRIORITY, unknown kinds, and RST_STREAM for what was asked for a moment ago)
//! have an allowance; a block of fields that was begun has to end. The library bounds memory, this bounds work.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Result};
use tokio::sync::Notify;
use tokio::time::Sleep;

/// What one connection may have spent: a burst of so many PINGs (libraries that measure the way send many), or of a
/// fiftieth as many cancelled requests.
const ALLOWANCE: u64 = 10_000;
/// So much of it comes back in each second.
pub(super) const BACK: u64 = 2000;
/// A cancelled request costs more than a PING: it was on its way to an upstream.
const RESET_COST: u64 = 50;
const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;
/// How much of what a client still sends is thrown away after the last word, so that it gets to read that word.
const LINGER_BYTES: usize = 4 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_millis(500);

/// What was seen on one connection.
#[derive(Default)]
pub(super) struct Frames {
    /// Whether the other end speaks for many people, who may each change their mind.
    many: bool,
    spent: AtomicU64,
    /// Odd while a block of fields is open.
    blocks: AtomicU64,
    stirred: Notify,
}

impl Frames {
    /// Nothing yet; `many`: the connection carries the requests of many people.
    pub(super) fn of(many: bool) -> Self {
        Self { many, ..Self::default() }
    }

    /// Waits for something to look at.
    pub(super) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// Whether the allowance is used up.
    pub(super) fn flooded(&self) -> bool {
        self.spent.load(Ordering::Relaxed) > ALLOWANCE
    }

    /// Whether time has to be watched: something was spent, or a block of fields is open.
    pub(super) fn restless(&self) -> bool {
        self.spent.load(Ordering::Relaxed) > 0 || self.open_block().is_some()
    }

    /// The number of the block of fields that is open.
    pub(super) fn open_block(&self) -> Option<u64> {
        Some(self.blocks.load(Ordering::Relaxed)).filter(|n| n % 2 == 1)
    }

    /// Time has passed.
    pub(super) fn give_back(&self, amount: u64) {
        let less = |spent: u64| Some(spent.saturating_sub(amount));
        let _ = self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn spend(&self, cost: u64) {
        let before = self.spent.fetch_add(cost, Ordering::Relaxed);
        if before == 0 || before + cost > ALLOWANCE {
            self.stirred.notify_one();
        }
    }

    /// One frame was begun.
    fn note(&self, head: [u8; HEAD_BYTES]) {
        let (kind, flags) = (head[3], head[4]);
        let (ack, ends_block) = (flags & 1 != 0, flags & 4 != 0);
        match kind {
            // DATA and WINDOW_UPDATE: the library counts what is wrong with them.
            0 | 8 => {}
            // HEADERS and CONTINUATION
            1 | 9 => {
                if self.open_block().is_some() == ends_block {
                    self.blocks.fetch_add(1, Ordering::Relaxed);
                    self.stirred.notify_one();
                }
            }
            3 if self.many => {}
            3 => self.spend(RESET_COST),
            // The answers to our own SETTINGS and PING.
            4 | 6 if ack => {}
            _ => self.spend(1),
        }
    }
}

/// Where in the stream of frames the next byte is.
struct Reader {
    head: [u8; HEAD_BYTES],
    have: usize,
    skip: usize,
}

impl Reader {
    fn read(&mut self, mut bytes: &[u8], frames: &Frames) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                self.skip -= n;
                bytes = &bytes[n..];
                continue;
            }
            let n = (HEAD_BYTES - self.have).min(bytes.len());
            self.head[self.have..self.have + n].copy_from_slice(&bytes[..n]);
            self.have += n;
            bytes = &bytes[n..];
            if self.have == HEAD_BYTES {
                let [a, b, c, ..] = self.head;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.have = 0;
                frames.note(self.head);
            }
        }
    }
}

/// A connection whose frames are looked at.
pub(super) struct Watched {
    inner: Stream,
    reader: Reader,
    frames: Arc<Frames>,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Watched {
    /// From the first byte of the preface on.
    pub(super) fn new(inner: Stream, frames: Arc<Frames>) -> Self {
        let reader = Reader { head: [0; HEAD_BYTES], have: 0, skip: PREFACE_BYTES };
        Self { inner, reader, frames, lingering: None }
    }

    /// Closing on unread bytes would reset the connection, and our last word with it.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (time, bytes) =
            self.lingering.get_or_insert_with(|| (Box::pin(tokio::time::sleep(LINGER_TIME)), LINGER_BYTES));
        let mut sink = [0; 8192];
        loop {
            if time.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::new(&mut sink);
            let read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf));
            let n = buf.filled().len();
            *bytes = bytes.saturating_sub(n);
            if read.is_err() || n == 0 || *bytes == 0 {
                return Poll::Ready(());
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let me = self.get_mut();
        if me.frames.flooded() {
            // Whoever runs the connection has been told and ends it.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut me.inner).poll_read(cx, buf));
        me.reader.read(&buf.filled()[before..], &me.frames);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let me = self.get_mut();
        if me.lingering.is_none() {
            ready!(Pin::new(&mut me.inner).poll_shutdown(cx))?;
        }
        me.poll_linger(cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Watched {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl UniqueID for Watched {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Watched {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Watched {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for Watched {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for Watched {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl Peek for Watched {}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut out = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        out.resize(out.len() + payload, 0);
        out
    }

    fn seen(frames: &[Vec<u8>], piece: usize) -> Frames {
        let (seen, mut reader) = (Frames::default(), Reader { head: [0; 9], have: 0, skip: PREFACE_BYTES });
        let bytes: Vec<u8> =
            std::iter::once(vec![b'P'; PREFACE_BYTES]).chain(frames.iter().cloned()).flatten().collect();
        bytes.chunks(piece).for_each(|bytes| reader.read(bytes, &seen));
        seen
    }

    #[test]
    fn frames_are_counted_however_the_bytes_come() {
        let all = [
            frame(4, 0, 6),
            frame(1, 4, 300),
            frame(0, 0, 70_000),
            frame(6, 0, 8),
            frame(6, 1, 8),
            frame(3, 0, 4),
        ];
        for piece in [1, 2, 9, 10, 1000, 1 << 20] {
            assert_eq!(
                seen(&all, piece).spent.load(Ordering::Relaxed),
                1 + 1 + RESET_COST,
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn an_open_block_of_fields_is_noticed() {
        assert!(seen(&[frame(1, 0, 10)], 7).open_block().is_some());
        assert!(seen(&[frame(1, 0, 10), frame(9, 0, 10)], 7).open_block().is_some());
        assert!(seen(&[frame(1, 0, 10), frame(9, 4, 10)], 7).open_block().is_none());
        assert!(seen(&[frame(1, 5, 10), frame(1, 5, 10)], 7).open_block().is_none());
        assert_ne!(
            seen(&[frame(1, 0, 1)], 7).open_block(),
            seen(&[frame(1, 0, 1), frame(9, 4, 1), frame(1, 0, 1)], 7).open_block(),
            "another block is another number"
        );
    }

    #[test]
    fn what_was_spent_comes_back() {
        let frames = seen(&vec![frame(6, 0, 8); 10_001], 4096);
        assert!(frames.flooded());
        frames.give_back(BACK);
        assert!(!frames.flooded() && frames.restless());
        frames.give_back(ALLOWANCE);
        assert!(!frames.restless());
    }
}
