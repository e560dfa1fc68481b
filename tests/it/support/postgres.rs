//! A PostgreSQL server of a test's own, to be stopped and started: its data lie in a folder that goes with it.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::flows_process::Ports;

/// A running server.
pub struct PostgresServer {
    bin: PathBuf,
    folder: TempDir,
    ports: Ports,
}

impl PostgresServer {
    /// An empty one.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Self { bin: programs(), folder, ports: Ports::lease(1) };
        give_away(server.folder.path());
        let data = server.data();
        server.call(
            "initdb",
            &["-D", &data, "-U", "stagedoor", "--auth=trust", "--locale=C", "-E", "UTF8", "-N"],
        );
        server.start_again();
        server
    }

    /// For `store.url`, without TLS.
    pub fn url(&self) -> String {
        format!("{}?sslmode=disable", self.secure_url())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.ports.address(0)
    }

    /// Sends a signal such as `STOP` or `CONT` to the server and to each process that serves a connection. The server
    /// comes first, so that it makes no new ones meanwhile.
    pub fn signal(&self, name: &str) {
        let file = std::fs::read_to_string(Path::new(&self.data()).join("postmaster.pid")).expect("it runs");
        let server = file.lines().next().expect("a process id").to_owned();
        send(name, std::slice::from_ref(&server));
        send(name, &children_of(&server));
    }

    /// A connection past everything that may be in between.
    pub fn connect(&self) -> Database {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await.expect("a connection");
            tokio::spawn(connection);
            client
        });
        Database { client, runtime }
    }

    /// For `store.url`, with TLS.
    pub fn secure_url(&self) -> String {
        format!("postgres://stagedoor@localhost:{}/postgres", self.ports.first)
    }

    /// From its next start on it shows the certificate called `name` in a folder.
    pub fn show(&self, certificates: &Path, name: &str) {
        for end in ["pem", "key"] {
            let to = self.folder.path().join(format!("server.{end}"));
            std::fs::copy(certificates.join(format!("{name}.{end}")), &to).expect("a copy");
            std::fs::set_permissions(&to, Permissions::from_mode(0o600)).expect("private");
            give_away(&to);
        }
    }

    /// Ends it at once: connections break, nothing is finished.
    pub fn stop_at_once(&self) {
        self.call("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    /// Starts it on the same data and waits until it answers.
    pub fn start_again(&self) {
        let (folder, port) = (self.folder.path().display(), self.ports.first);
        let mut options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        );
        if self.folder.path().join("server.key").exists() {
            options += &format!(
                " -c ssl=on -c ssl_cert_file={folder}/server.pem -c ssl_key_file={folder}/server.key"
            );
        }
        let log = format!("{folder}/log");
        self.call("pg_ctl", &["-D", &self.data(), "-l", &log, "-w", "-o", &options, "start"]);
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        let program = self.bin.join(program);
        let mut command = if as_root() {
            // It refuses to run as root.
            let mut other = Command::new("runuser");
            other.args(["-u", "postgres", "--"]).arg(program);
            other
        } else {
            Command::new(program)
        };
        // No pipes: the server would keep them open.
        let quiet = command.args(arguments).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        assert!(quiet.status().expect("it runs").success(), "{arguments:?}");
    }
}

/// A connection to look at the tables with.
pub struct Database {
    client: tokio_postgres::Client,
    runtime: tokio::runtime::Runtime,
}

impl Database {
    /// Statements, in one go.
    pub fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// How many rows there are `FROM …`.
    pub fn count(&self, from: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {from}");
        self.runtime
            .block_on(self.client.query_one(&sql, &[]))
            .unwrap_or_else(|e| panic!("{sql}: {e:?}"))
            .get(0)
    }

    /// The first column of each row, as text.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let rows =
            self.runtime.block_on(self.client.query(sql, &[])).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn send(signal: &str, to: &[String]) {
    if !to.is_empty() {
        // One of them may have ended a moment ago.
        let _ =
            Command::new("kill").args(["-s", signal]).args(to).stderr(Stdio::null()).status().expect("kill");
    }
}

/// The processes that this one has begun, by the system's list.
fn children_of(parent: &str) -> Vec<String> {
    let all =
        std::fs::read_dir("/proc").expect("processes").filter_map(|e| e.ok()?.file_name().into_string().ok());
    let is_child = |pid: &String| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|l| l.strip_prefix("PPid:").is_some_and(|p| p.trim() == parent))
    };
    all.filter(|name| name.bytes().all(|b| b.is_ascii_digit())).filter(is_child).collect()
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            // A stopped process would not hear it.
            self.signal("CONT");
            self.stop_at_once();
        }
    }
}

/// Makes a file the server's own.
fn give_away(path: &Path) {
    if as_root() {
        assert!(Command::new("chown").arg("postgres").arg(path).status().expect("chown").success());
    }
}

fn as_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout.trim_ascii() == b"0"
}

/// Where `initdb` and `pg_ctl` are: `STAGEDOOR_TEST_POSTGRES_BIN`, or where Debian puts them.
fn programs() -> PathBuf {
    let named = std::env::var_os("STAGEDOOR_TEST_POSTGRES_BIN").map(PathBuf::from);
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let usual = versions.map(|version| version.expect("readable").path().join("bin"));
    named.into_iter().chain(usual).find(|bin| bin.join("initdb").exists()).expect(
        "PostgreSQL's programs are missing: install the package postgresql (scripts/test does it), or name their \
         folder in STAGEDOOR_TEST_POSTGRES_BIN",
    )
}
