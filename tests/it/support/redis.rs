//! A Redis server of a test's own, to be killed, stopped and started empty. It keeps nothing on disk.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::wire::PATIENCE;
use crate::flows_process::{Ports, Server, eventually};

/// A server, running or not.
pub struct RedisServer {
    ports: Ports,
    folder: TempDir,
    process: Mutex<Option<Server>>,
}

impl RedisServer {
    /// An empty one, ready for commands.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Self { ports: Ports::lease(1), folder, process: Mutex::default() };
        server.start_again();
        server
    }

    pub fn address(&self) -> SocketAddr {
        self.ports.address(0)
    }

    /// `kill -9`: everything it held is lost.
    pub fn kill(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it runs").kill();
    }

    /// Starts it, empty, and waits until it answers.
    pub fn start_again(&self) {
        let program = std::env::var("STAGEDOOR_TEST_REDIS").unwrap_or_else(|_| "redis-server".into());
        let port = self.ports.first.to_string();
        let mut command = Command::new(program);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--enable-debug-command", "local"]);
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect("redis-server is installed (scripts/test does it)");
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(Server(child));
        eventually("Redis answers", || (self.try_ask(&["PING"]).as_deref() == Some("+PONG")).then_some(()));
    }

    /// Sends a signal such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).as_ref().expect("it runs").signal(name);
    }

    /// Lets it do nothing at all for so long (`DEBUG SLEEP`). Waits neither for that nor for an answer.
    pub fn sleep(&self, time: Duration) {
        let mut stream = TcpStream::connect(self.address()).expect("Redis listens");
        let command = format!("DEBUG SLEEP {}\r\n", time.as_secs_f64());
        stream.write_all(command.as_bytes()).expect("sent");
    }

    /// Waits until it does something again.
    pub fn await_awake(&self) {
        assert_eq!(self.ask(&["PING"]), "+PONG");
    }

    /// One command; the answer as it came, without the line end. Errors begin with `-`.
    pub fn ask(&self, words: &[&str]) -> String {
        self.try_ask(words).expect("Redis answers")
    }

    fn try_ask(&self, words: &[&str]) -> Option<String> {
        let stream = TcpStream::connect(self.address()).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
        let text = format!("*{}\r\n{}", words.len(), words.iter().map(bulk).collect::<String>());
        (&stream).write_all(text.as_bytes()).ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_owned();
        let Some(length) = line.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()) else {
            return Some(line).filter(|line| !line.is_empty());
        };
        let mut bulk = vec![0; length];
        reader.read_exact(&mut bulk).ok()?;
        String::from_utf8(bulk).ok()
    }
}
