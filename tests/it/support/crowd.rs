//! Many connections at once from twenty addresses, held by one thread: idle ones, heads that never end, heads that are
//! far too large.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

use super::exchange::bytes;
use crate::flows_process::eventually;

/// Where they come from: 127.0.0.1 and so on.
const ADDRESSES: usize = 20;
/// How long somebody who was turned away waits before the next try.
const PAUSE: Duration = Duration::from_millis(200);

/// What each of them does, again and again.
#[derive(Clone, Debug)]
pub enum Habit {
    /// Asks once for this and stays, silent.
    Idle(Vec<u8>),
    /// Asks for the first (unless it is empty), then sends the second, then one byte at a time, each after so long.
    Trickle(Vec<u8>, Vec<u8>, Duration),
    /// Sends this, as far as the other side takes it, and reads what it has to say.
    Pour(Vec<u8>),
}

#[derive(Default)]
struct Counts {
    here: AtomicUsize,
    ended: AtomicUsize,
    over: AtomicBool,
}

/// Goes home when dropped.
pub struct Crowd {
    counts: Arc<Counts>,
    runtime: Option<Runtime>,
}

impl Crowd {
    /// `count` connections to `to`; whoever is thrown out comes again.
    pub fn gather(to: SocketAddr, count: usize, habit: &Habit) -> Self {
        let counts = Arc::new(Counts::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("crowd")
            .enable_all()
            .build()
            .expect("a runtime");
        for n in 0..count {
            runtime.spawn(live(to, n, habit.clone(), counts.clone()));
        }
        Self { counts, runtime: Some(runtime) }
    }

    /// How many have a connection now (and those that are idle their answer).
    pub fn here(&self) -> usize {
        self.counts.here.load(Ordering::SeqCst)
    }

    /// How many connections the other side has ended.
    pub fn ended(&self) -> usize {
        self.counts.ended.load(Ordering::SeqCst)
    }

    /// Waits until so many are here.
    pub fn await_here(&self, count: usize) {
        eventually("the crowd is here", || (self.here() >= count).then_some(()));
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.counts.over.store(true, Ordering::SeqCst);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn live(to: SocketAddr, n: usize, habit: Habit, counts: Arc<Counts>) {
    while !counts.over.load(Ordering::SeqCst) {
        let stayed = visit(to, n, &habit, &counts).await;
        if stayed.is_ok() {
            counts.ended.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Somebody who is here.
struct Guest<'a>(&'a Counts);

impl<'a> Guest<'a> {
    fn of(counts: &'a Counts) -> Self {
        counts.here.fetch_add(1, Ordering::SeqCst);
        Self(counts)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.here.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ends when the other side ends the connection; an error when it never was one.
async fn visit(to: SocketAddr, n: usize, habit: &Habit, counts: &Counts) -> io::Result<()> {
    let mut stream = connect(to, n).await?;
    let mut sink = vec![0; 2048];
    match habit {
        Habit::Idle(request) => {
            ask(&mut stream, request, &mut sink).await?;
            let _guest = Guest::of(counts);
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        }
        Habit::Trickle(request, first, every) => {
            if !request.is_empty() {
                ask(&mut stream, request, &mut sink).await?;
            }
            stream.write_all(first).await?;
            let _guest = Guest::of(counts);
            loop {
                tokio::select! {
                    read = stream.read(&mut sink) => if !read.is_ok_and(|n| n > 0) { break },
                    () = tokio::time::sleep(*every) => if stream.write_all(b"a").await.is_err() { break },
                }
            }
        }
        Habit::Pour(all) => {
            let _guest = Guest::of(counts);
            let _ = stream.write_all(all).await;
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        }
    }
    Ok(())
}

/// One request whose answer comes in one piece.
async fn ask(stream: &mut TcpStream, request: &[u8], sink: &mut [u8]) -> io::Result<()> {
    stream.write_all(request).await?;
    let n = stream.read(sink).await?;
    if sink[..n].starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn connect(to: SocketAddr, n: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let last = u8::try_from(1 + n % ADDRESSES).expect("few");
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    socket.connect(to).await
}

/// A request that keeps the connection.
pub fn kept_alive(path: &str) -> Vec<u8> {
    let closing = String::from_utf8(bytes("GET", path, "", None)).expect("text");
    closing.replace("Connection: close\r\n", "").into_bytes()
}
