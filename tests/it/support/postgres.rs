//! A PostgreSQL server of a test's own, to be stopped and started: its data lie in a folder that goes with it.

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
        if as_root() {
            let path = server.folder.path();
            assert!(Command::new("chown").arg("postgres").arg(path).status().expect("chown").success());
        }
        let data = server.data();
        server.call(
            "initdb",
            &["-D", &data, "-U", "stagedoor", "--auth=trust", "--locale=C", "-E", "UTF8", "-N"],
        );
        server.start_again();
        server
    }

    /// For `store.url`.
    pub fn url(&self) -> String {
        format!("postgres://stagedoor@{}/postgres?sslmode=disable", self.ports.address(0))
    }

    /// Ends it at once: connections break, nothing is finished.
    pub fn stop_at_once(&self) {
        self.call("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    /// Starts it on the same data and waits until it answers.
    pub fn start_again(&self) {
        let (folder, port) = (self.folder.path().display(), self.ports.first);
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        );
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

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.stop_at_once();
        }
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
