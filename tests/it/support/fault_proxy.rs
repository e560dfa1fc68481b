//! A TCP proxy that fails in the way a test wants, between the gateway and what it depends on. The way can be changed
//! at any time; it holds for connections that are open as well as for new ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::flows_process::Ports;

/// What happens to bytes and connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: they pass.
    Pass,
    /// Nobody listens; open connections are reset.
    Refuse,
    /// Connections are accepted and nothing comes through; what was sent meanwhile comes through afterwards.
    Blackhole,
    /// Open connections are reset, new ones as soon as they are accepted.
    Reset,
    /// Each piece waits so long, in both directions.
    Latency(Duration),
    /// One byte a second.
    Trickle,
    /// Each connection is reset after so many bytes from the server.
    CutAfter(usize),
    /// A request that contains these bytes reaches the server, and its answer is lost: the connection is reset when
    /// the server has answered. Happens to each `every`-th such request.
    LoseAnswer { to: &'static [u8], every: usize },
    /// Each piece waits so long, and each `every`-th resets its connection.
    Flaky { delay: Duration, every: usize },
}

struct Shared {
    target: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Counts the times when all open connections had to go.
    cut: watch::Sender<usize>,
    pieces: AtomicUsize,
}

/// A running proxy; it and its connections end when it is dropped.
pub struct FaultProxy {
    ports: Ports,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl FaultProxy {
    /// In front of `target`; everything passes at first.
    pub fn to(target: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fault-proxy")
            .enable_all()
            .build()
            .expect("a runtime");
        let ports = Ports::lease(1);
        let shared = Arc::new(Shared {
            target,
            mode: watch::Sender::new(Mode::Pass),
            cut: watch::Sender::new(0),
            pieces: AtomicUsize::new(0),
        });
        let here = ports.address(0);
        let first = runtime.block_on(TcpListener::bind(here)).expect("a leased port");
        runtime.spawn(serve(here, first, shared.clone()));
        Self { ports, shared, runtime: Some(runtime) }
    }

    /// Where to connect instead of to the target.
    pub fn address(&self) -> SocketAddr {
        self.ports.address(0)
    }

    /// From now on this happens.
    pub fn set(&self, mode: Mode) {
        let cut = matches!(mode, Mode::Refuse | Mode::Reset);
        self.shared.mode.send_replace(mode);
        if cut {
            self.reset_all();
        }
    }

    /// Resets the connections that are open now; new ones are as the mode wants.
    pub fn reset_all(&self) {
        self.shared.cut.send_modify(|n| *n += 1);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Listens, except while connections are to be refused.
async fn serve(here: SocketAddr, first: TcpListener, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    let mut listener = Some(first);
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            drop(listener.take());
            let _ = mode.changed().await;
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(here).await.expect("the port is still ours"),
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(carry(client, shared.clone()));
                }
            }
            _ = mode.wait_for(|m| *m == Mode::Refuse) => {}
        }
        listener = Some(open);
    }
}

/// One connection from its beginning to its end.
async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    // Accepted at the last moment before nobody was to be let in any more.
    if matches!(*shared.mode.borrow(), Mode::Reset | Mode::Refuse) {
        let _ = client.set_zero_linger();
        return;
    }
    let Ok(mut server) = TcpStream::connect(shared.target).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let line =
        Line { shared: &shared, answer_is_lost: AtomicBool::new(false), answered: AtomicUsize::new(0) };
    let orderly = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let both = async {
            tokio::try_join!(
                line.pump(from_client, to_server, Way::ToServer),
                line.pump(from_server, to_client, Way::ToClient)
            )
        };
        tokio::select! {
            done = both => done.is_ok(),
            _ = cut.changed() => false,
        }
    };
    if !orderly {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

/// The connection is to be reset.
struct Cut;

struct Line<'a> {
    shared: &'a Shared,
    answer_is_lost: AtomicBool,
    answered: AtomicUsize,
}

impl Line<'_> {
    async fn pump(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, way: Way) -> Result<(), Cut> {
        let mut piece = vec![0; 32 * 1024];
        loop {
            let n = from.read(&mut piece).await.map_err(|_| Cut)?;
            if n == 0 {
                let _ = to.shutdown().await;
                return Ok(());
            }
            self.pass(&piece[..n], &mut to, way).await?;
        }
    }

    /// Hands one piece on, in the way that is in force.
    async fn pass(&self, piece: &[u8], to: &mut WriteHalf<'_>, way: Way) -> Result<(), Cut> {
        let mut mode = self.shared.mode.subscribe();
        // Whoever holds the piece back looks again when the mode changes.
        let now = mode.wait_for(|m| *m != Mode::Blackhole).await.map_err(|_| Cut)?.clone();
        match now {
            Mode::Latency(delay) => tokio::time::sleep(delay).await,
            Mode::Trickle => return trickle(piece, to, &mut mode).await,
            Mode::CutAfter(limit) if way == Way::ToClient => {
                let before = self.answered.fetch_add(piece.len(), Ordering::SeqCst);
                if before + piece.len() >= limit {
                    let _ = to.write_all(&piece[..limit.saturating_sub(before).min(piece.len())]).await;
                    return Err(Cut);
                }
            }
            Mode::LoseAnswer { to: request, every } => self.lose(piece, way, (request, every))?,
            Mode::Flaky { delay, every } => {
                tokio::time::sleep(delay).await;
                self.count(every)?;
            }
            _ => {}
        }
        to.write_all(piece).await.map_err(|_| Cut)
    }

    fn lose(&self, piece: &[u8], way: Way, (request, every): (&[u8], usize)) -> Result<(), Cut> {
        match way {
            Way::ToServer => {
                if piece.windows(request.len()).any(|w| w == request) {
                    self.answer_is_lost.store(self.count(every).is_err(), Ordering::SeqCst);
                }
                Ok(())
            }
            Way::ToClient if self.answer_is_lost.load(Ordering::SeqCst) => Err(Cut),
            Way::ToClient => Ok(()),
        }
    }

    /// `Cut` each `every`-th time.
    fn count(&self, every: usize) -> Result<(), Cut> {
        let n = self.shared.pieces.fetch_add(1, Ordering::SeqCst) + 1;
        if n.is_multiple_of(every) { Err(Cut) } else { Ok(()) }
    }
}

/// A byte a second until the mode is another; then the rest at once.
async fn trickle(piece: &[u8], to: &mut WriteHalf<'_>, mode: &mut watch::Receiver<Mode>) -> Result<(), Cut> {
    let mut sent = 0;
    while sent < piece.len() && *mode.borrow() == Mode::Trickle {
        to.write_all(&piece[sent..=sent]).await.map_err(|_| Cut)?;
        sent += 1;
        let other = mode.wait_for(|m| *m != Mode::Trickle);
        let _ = tokio::time::timeout(Duration::from_secs(1), other).await;
    }
    to.write_all(&piece[sent..]).await.map_err(|_| Cut)
}
