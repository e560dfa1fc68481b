//! The real binary: a configuration in a folder of its own, commands and servers started from it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::flows_client::Client;
use crate::support::RawClient;

/// Long enough for a busy machine; nobody waits that long on success.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let pause = Duration::from_millis(15);
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(pause);
    }
    panic!("{what}: still not so after {PATIENCE:?}");
}

/// Writes to the standard input of a command, which need not read it: it may have ended already.
pub fn feed(child: &mut Child, input: &str) {
    if let Err(e) = child.stdin.take().expect("piped").write_all(input.as_bytes()) {
        assert_eq!(e.kind(), std::io::ErrorKind::BrokenPipe);
    }
}

/// Ports in a row that no other test of this machine takes while this lives: each is held by a lock on a file, below
/// the range from which the system draws ports for outgoing connections.
pub struct Ports {
    pub first: u16,
    _locks: Vec<File>,
}

impl Ports {
    pub fn lease(count: u16) -> Self {
        let start = u16::try_from(std::process::id() % 1000).unwrap() * 12;
        let firsts = (0..1000u16).map(|n| 18_000 + (start + n * 12) % 12_000);
        firsts.into_iter().find_map(|first| Self::take(first, count)).expect("some ports are free")
    }

    fn take(first: u16, count: u16) -> Option<Self> {
        let dir = std::env::temp_dir().join("stagedoor-test-ports");
        std::fs::create_dir_all(&dir).unwrap();
        let mut locks = Vec::new();
        for port in first..first + count {
            let file = File::create(dir.join(port.to_string())).unwrap();
            file.try_lock().ok()?;
            TcpListener::bind(("127.0.0.1", port)).ok()?;
            locks.push(file);
        }
        Some(Self { first, _locks: locks })
    }

    pub fn address(&self, n: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.first + n))
    }
}

/// A folder with `config.yaml`: public listener, operators' listener and upstream on three ports in a row.
pub struct Site {
    pub ports: Ports,
    dir: TempDir,
}

const CONFIG: &str = r#"
server:
  listen: 127.0.0.1:PUBLIC
  admin_listen: 127.0.0.1:ADMIN
  public_url: http://localhost:PUBLIC
  threads: 1
store: { url: "sqlite:site.db" }
mail: { transport: file, dir: mails, from: "Site <no-reply@localhost>" }
rate_limits: { login: 1000/1m, register: 1000/1h, resend: 1000/1m }
roles:
  admin: { permissions: ["*"] }
  user: { permissions: [things.view], registration: open, default: true }
upstreams:
  things: { servers: ["http://127.0.0.1:UPSTREAM"] }
routes:
  - { path: /**, upstream: things }
rules:
  - { path: /public/**, allow: public }
  - path: /api/**
    allow: authenticated
    tests:
      - { as: anonymous, path: /api/x, expect: deny }
      - { as: user, path: /api/x, expect: allow }
  - { path: /admin/**, allow: { role: admin } }
"#;

impl Site {
    pub fn new() -> Self {
        Self::with(CONFIG)
    }

    /// `PUBLIC`, `ADMIN` and `UPSTREAM` in `config` become ports.
    pub fn with(config: &str) -> Self {
        let site = Self { ports: Ports::lease(3), dir: tempfile::tempdir().unwrap() };
        site.configure(config);
        site
    }

    /// The usual configuration with one part of it replaced.
    pub fn changed(from: &str, to: &str) -> Self {
        assert!(CONFIG.contains(from), "{from}");
        Self::with(&CONFIG.replace(from, to))
    }

    fn configure(&self, config: &str) {
        let port = |n| self.ports.address(n).port().to_string();
        let names = [("PUBLIC", port(0)), ("ADMIN", port(1)), ("UPSTREAM", port(2))];
        let text = names.iter().fold(config.to_owned(), |text, (name, port)| text.replace(name, port));
        std::fs::write(self.path("config.yaml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn public(&self) -> SocketAddr {
        self.ports.address(0)
    }

    /// Where the operator connects.
    pub fn admin(&self) -> SocketAddr {
        self.ports.address(1)
    }

    pub fn upstream(&self) -> SocketAddr {
        self.ports.address(2)
    }

    /// The public URL as people see it.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.public().port())
    }

    pub fn client(&self) -> Client {
        Client::new(self.public())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagedoor"));
        command.args(args).current_dir(self.dir.path()).env_remove("RUST_LOG").env_remove("STAGEDOOR_CONFIG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = self.command(args).spawn().unwrap();
        feed(&mut child, input);
        child.wait_with_output().unwrap()
    }

    /// Makes an account; its id.
    pub fn create_user(&self, email: &str, role: &str) -> String {
        let args =
            ["user", "create", "--email", email, "--name", "Robin Roe", "--role", role, "--password-stdin"];
        let output = self.run(&args, PASSWORD);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts `serve` and waits until it answers.
    pub fn serve(&self) -> Server {
        let log = File::create(self.path("log")).unwrap();
        let mut command = self.command(&["serve"]);
        let mut server = Server(command.stderr(log).spawn().unwrap());
        eventually("the gateway answers", || {
            if let Some(status) = server.0.try_wait().unwrap() {
                panic!("it stopped with {status}: {}", std::fs::read_to_string(self.path("log")).unwrap());
            }
            answers(self.public()).then_some(())
        });
        server
    }

    /// Whole mails, oldest first.
    pub fn mails(&self) -> Vec<String> {
        mails_in(&self.path("mails"))
    }
}

/// What every account in these tests has.
pub const PASSWORD: &str = "Curtain-Up-42!";

fn answers(at: SocketAddr) -> bool {
    if std::net::TcpStream::connect(at).is_err() {
        return false;
    }
    let mut client = RawClient::connect(at);
    client.send("GET /auth/login/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    client.answer().is_ok_and(|a| a.status == 200)
}

fn mails_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "eml"));
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    paths.iter().map(|p| std::fs::read_to_string(p).unwrap()).collect()
}

/// A running process, killed at the end.
pub struct Server(pub Child);

impl Server {
    /// `kill -9`, and gone.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end; the exit code.
    pub fn exit_code(mut self) -> Option<i32> {
        eventually("the process ends", || self.0.try_wait().unwrap()).code()
    }

    /// The first line of its standard output.
    pub fn first_line(&mut self) -> String {
        let mut output = self.0.stdout.take().expect("piped");
        let mut line = Vec::new();
        let mut byte = [0];
        while output.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        // Kept open, so that later output does not break the pipe.
        self.0.stdout = Some(output);
        String::from_utf8(line).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
