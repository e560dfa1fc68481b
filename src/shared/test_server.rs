//! Redis servers for tests: each a process of its own on a free port, gone at the end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{Redis, Settings};
use crate::metrics::Metrics;
use crate::model::{Secret, SystemClock};

/// A server without persistence. Killed, and its folder removed, when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    args: Vec<String>,
    pub(crate) folder: tempfile::TempDir,
}

/// redis-server is where `STAGEDOOR_TEST_REDIS` says, or on the path; scripts/test installs it.
pub(crate) fn program() -> Command {
    Command::new(std::env::var("STAGEDOOR_TEST_REDIS").unwrap_or_else(|_| "redis-server".into()))
}

/// A port nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    // Below those that the system gives to outgoing connections, and below those that tests/it leases. Every test is a
    // process of its own.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 800).unwrap() * 10;
    let mut ports = (0..8_000).map(|_| 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port is free")
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With further arguments, such as `--maxmemory-policy allkeys-lru`.
    pub(crate) fn with(args: &[&str]) -> Self {
        // Somebody may be faster at a port that was free.
        (0..5).find_map(|_| Self::on(free_port(), args)).expect("redis-server starts on one of five ports")
    }

    /// On this port; `None` if it does not come up.
    pub(crate) fn on(port: u16, args: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let child = Self::spawn(port, &args, folder.path());
        let mut server = Self { child, port, args, folder };
        server.is_up().then_some(server)
    }

    fn spawn(port: u16, args: &[String], folder: &Path) -> Child {
        let mut command = program();
        if !args.iter().any(|a| a == "--sentinel") {
            let listen = if args.iter().any(|a| a == "--tls-cert-file") { "--tls-port" } else { "--port" };
            command.args([listen, &port.to_string(), "--bind", "127.0.0.1"]);
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command.args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("redis-server is installed; scripts/test does that")
    }

    fn is_up(&mut self) -> bool {
        for _ in 0..1000 {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the same port, without the data of before.
    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(self.port, &self.args, self.folder.path());
        assert!(self.is_up(), "redis-server starts again on {}", self.port);
    }

    /// One command on a connection of its own; the answer as Redis writes it.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        Cli::new(self.port).ask(words)
    }

    /// Waits until the answer to a command contains `part`.
    pub(crate) fn await_answer(&self, words: &[&str], part: &str) {
        for _ in 0..1000 {
            if self.ask(words).contains(part) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no {part} in the answer to {words:?}: {}", self.ask(words));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that speaks the protocol by hand, without a runtime.
pub(crate) struct Cli(TcpStream);

impl Cli {
    pub(crate) fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(stream)
    }

    /// The whole answer if it comes at once, which short ones do.
    pub(crate) fn ask(&mut self, words: &[&str]) -> String {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.write_all(text.as_bytes()).unwrap();
        let mut answer = vec![0; 1 << 16];
        let n = self.0.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..n]).into_owned()
    }
}

/// Patient: what is tested with it is not the time-out.
pub(crate) fn settings(url: &str) -> Settings {
    Settings { url: Secret::new(url), ca: None, timeout: Duration::from_secs(2), prefix: "test:".into() }
}

pub(crate) fn client(url: &str) -> Redis {
    open(&settings(url)).0
}

pub(crate) fn open(settings: &Settings) -> (Redis, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    (Redis::open(settings, Arc::new(SystemClock::new()), metrics.clone()).unwrap(), metrics)
}
