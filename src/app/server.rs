//! Listeners, start and stop. The proxy runs in Pingora's server; mail, jobs and the operators' listener in a runtime of
//! their own, so that neither can starve the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::feed::Feed;
use super::hand_over::{self, HandOverError, Held, Taken};
use super::listeners::Listeners;
use super::signals::{Signals, Stop};
use super::{Gateway, StartError, operator, room, watch as files};
use crate::gate::Gate;
use crate::mail::Mailbox;
use crate::metrics::Metrics;
use crate::proxy::{Doors, Exchanges, Guard, Settings};
use crate::web::AdminState;

/// How long runtimes may take to end after the grace period.
const WIND_DOWN_SECS: u64 = 2;
/// How long the feed of revocations may take to say good-bye.
const LAST_WORD: Duration = Duration::from_millis(500);

/// A gateway that listens in the background; stops when dropped.
pub struct Running {
    public: SocketAddr,
    admin: SocketAddr,
    mailbox: Option<Arc<Mailbox>>,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    /// Where people and programs connect.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where the operator connects.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The kept mails.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Arc<Mailbox>> {
        self.mailbox.as_ref()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Gateway {
    /// Serves until SIGTERM (finishing requests in flight, within the grace period), SIGINT (at once), or until another
    /// process has taken over.
    ///
    /// # Errors
    /// [`StartError::Listen`] when an address is taken.
    pub fn run(self, ready: impl FnOnce(SocketAddr, SocketAddr)) -> Result<(), StartError> {
        self.serve(None, ready)
    }

    /// The same on the listeners of the running process, which then finishes what it has begun and ends. Until that
    /// moment it serves, whatever happens here.
    ///
    /// # Errors
    /// [`StartError::HandOver`] when the running process does not hand over; [`StartError::Listen`] as before. If nobody
    /// runs, there is nothing to take over, and this begins as [`Gateway::run`] does.
    pub fn take_over(self, ready: impl FnOnce(SocketAddr, SocketAddr)) -> Result<(), StartError> {
        let socket = self.settings.proxy.upgrade_socket.as_deref().ok_or(HandOverError::NoSocket)?;
        let taken = match Taken::ask(socket) {
            Ok(taken) => Some(taken),
            Err(e @ HandOverError::Nobody(..)) => {
                tracing::warn!(error = %e, "there is nobody to take over from, this process begins by itself");
                None
            }
            Err(e) => return Err(e.into()),
        };
        self.serve(taken, ready)
    }

    fn serve(
        self,
        mut taken: Option<Taken>,
        ready: impl FnOnce(SocketAddr, SocketAddr),
    ) -> Result<(), StartError> {
        let (stop, stopped) = watch::channel(false);
        let (drain, held) = (self.drain.clone(), Held::default());
        let Settings { grace, drain_delay: delay, ref upgrade_socket, .. } = self.settings.proxy;
        let signals = Signals { drain: drain.clone(), held: held.clone(), delay, grace };
        let (socket, reloader, catch_up) =
            (upgrade_socket.clone(), self.reloader.clone(), self.feed.as_ref().map(Feed::catch_up));
        let (server, public, admin, gateway) = self.listen(&stopped, &mut taken, &held)?;
        if let Some(taken) = taken {
            taken.finish()?;
            // What the other process has ended since ours read everything.
            if let Some(catch_up) = catch_up {
                gateway.runtime.block_on(catch_up);
            }
            // There is no way back any more: whatever fails from here on must not end this process.
            if let Some(Err(e)) = socket.map(|socket| hand_over::offer(&socket, held, drain)) {
                tracing::error!(error = %e, "the listeners cannot be handed over to the next process");
            }
        } else if let Some(socket) = socket {
            hand_over::offer(&socket, held, drain)?;
        }
        if let Some(reloader) = reloader {
            gateway.runtime.spawn(files::on_hangup(reloader));
        }
        ready(public, admin);
        server.run(RunArgs { shutdown_signal: Box::new(signals) });
        let _ = stop.send(true);
        gateway.end();
        Ok(())
    }

    /// Serves on a thread of its own until the result is dropped.
    ///
    /// # Errors
    /// [`StartError::Listen`] when an address is taken.
    pub fn start(self) -> Result<Running, StartError> {
        let (stop, stopped) = watch::channel(false);
        let mailbox = self.mailbox().cloned();
        let (server, public, admin, gateway) = self.listen(&stopped, &mut None, &Held::default())?;
        let thread = thread::Builder::new().name("stagedoor".into()).spawn(move || {
            server.run(RunArgs { shutdown_signal: Box::new(Stop(stopped)) });
            gateway.end();
        })?;
        wait_until_open(public)?;
        Ok(Running { public, admin, mailbox, stop, thread: Some(thread) })
    }

    fn listen(
        self,
        stopped: &watch::Receiver<bool>,
        taken: &mut Option<Taken>,
        held: &Held,
    ) -> Result<(Server, SocketAddr, SocketAddr, Background), StartError> {
        let listeners = Listeners::open(&self.settings.proxy, taken, held)?;
        let (public, admin) = listeners.addresses()?;
        let state = self.admin_state(admin);
        let mut server = server(&self.settings.proxy);
        let conf = server.configuration.clone();
        let limits = self.settings.proxy.limits;
        let room = room::for_connections(limits.connections);
        let guard = Guard::new(&conf, self.front, self.settings.proxy.h2c, room);
        server.add_service(Doors::new(guard, self.drain.clone(), listeners.public, &limits)?);
        if let Some(watch) = self.watch {
            server.add_service(watch);
        }
        self.runtime.spawn(sweep(self.exchanges, self.gate, self.metrics.clone(), stopped.clone()));
        self.runtime.spawn(operator::serve(listeners.admin, state, self.drain.clone(), stopped.clone()));
        let (worker, jobs, metrics, clock) = (self.worker, self.jobs, self.metrics, self.clock);
        let feed = self.feed.map(|feed| self.runtime.spawn(feed.run(stopped.clone())));
        let (for_worker, for_jobs) = (stopped.clone(), stopped.clone());
        self.runtime.spawn(async move { worker.run(for_worker).await });
        self.runtime.spawn(async move { jobs.run(for_jobs, metrics, clock).await });
        Ok((server, public, admin, Background { runtime: self.runtime, feed }))
    }

    fn admin_state(&self, listen: SocketAddr) -> AdminState {
        let reloader = self.reloader.clone();
        let reload = Arc::new(move || match &reloader {
            Some(reloader) => reloader.reload(),
            None => Err("this gateway was not started from a configuration file".to_owned()),
        });
        let metrics = self.metrics.clone();
        let store = self.store().clone();
        let mut settings = self.settings.web.clone();
        settings.auth_prefix = String::new();
        AdminState {
            settings: Arc::new(settings),
            listen,
            hosts: Vec::new(),
            mailbox: self.mailbox().map(|m| {
                let from = self.settings.mail.from.clone();
                Arc::new(operator::Kept { mails: m.clone(), from }) as _
            }),
            metrics: operator::figures(store.clone(), metrics),
            ready: operator::proxies(self.drain.clone()),
            accounts_ready: operator::serves_accounts(store, self.drain.clone(), &self.runtime),
            reload,
        }
    }
}

/// Watches over answers under way until `stopped` turns true. It begins again if it panics: nobody else would notice
/// that nothing is cut any more.
async fn sweep(
    exchanges: Arc<Exchanges>,
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    stopped: watch::Receiver<bool>,
) {
    loop {
        let task = exchanges.clone().watch(gate.clone(), metrics.clone(), stopped.clone());
        match tokio::spawn(task).await {
            Err(e) if e.is_panic() => {
                tracing::error!(error = %e, "the sweep of open answers panicked, it begins again");
            }
            _ => return,
        }
    }
}

/// What keeps running until the proxy has stopped.
struct Background {
    runtime: tokio::runtime::Runtime,
    feed: Option<JoinHandle<()>>,
}

impl Background {
    fn end(self) {
        // It has a last word for the other nodes, and keeps it short.
        if let Some(feed) = self.feed {
            let _ = self.runtime.block_on(async { timeout(LAST_WORD, feed).await });
        }
        self.runtime.shutdown_timeout(Duration::from_secs(WIND_DOWN_SECS));
    }
}

fn server(settings: &Settings) -> Server {
    let threads = settings
        .threads
        .or_else(|| thread::available_parallelism().ok().map(std::num::NonZero::get))
        .unwrap_or(1);
    let pid = std::process::id();
    let temp = std::env::temp_dir();
    let conf = ServerConf {
        threads,
        // The grace period is over when Pingora hears of the stop; by itself it would always sleep for all of it.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(WIND_DOWN_SECS),
        // One more try, where `proxy/forward` allows it.
        max_retries: 2,
        pid_file: temp.join(format!("stagedoor-{pid}.pid")).display().to_string(),
        upgrade_sock: temp.join(format!("stagedoor-{pid}.sock")).display().to_string(),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    server
}

/// Pingora does not tell when it listens; connecting does.
fn wait_until_open(address: SocketAddr) -> Result<(), StartError> {
    let mut last = None;
    for _ in 0..500 {
        match std::net::TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(e) => last = Some(e),
        }
        thread::sleep(Duration::from_millis(10));
    }
    let cause = last.unwrap_or_else(|| std::io::ErrorKind::TimedOut.into());
    Err(StartError::Listen { address, cause })
}
