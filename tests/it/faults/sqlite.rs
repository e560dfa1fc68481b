//! One gateway on one file (5.23): another process holds the write lock, and the file is damaged.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Map, json};
use tempfile::TempDir;

use super::row::{print, violations};
use super::stage::{ask, email};
use crate::flows_process::eventually;
use crate::support::exchange::bytes;
use crate::support::{Class, Load, Node, Outcome, PASSWORD, Tokens, Upstream, tokens_in};

const CONFIG: &str = r#"
server:
  listen: 127.0.0.1:PUBLIC
  admin_listen: 127.0.0.1:ADMIN
  public_url: http://localhost:PUBLIC
  threads: 1
store: { url: "sqlite:site.db" }
password: { argon2: { memory: 7MiB, iterations: 5 } }
rate_limits: { login: 100000/1m, refresh: 100000/1m }
session: { max_per_account: 100 }
roles:
  admin: { permissions: ["*"] }
  user: { permissions: [], registration: open, default: true }
upstreams:
  app: { servers: ["http://UPSTREAM"] }
routes:
  - { path: /**, upstream: app }
rules:
  - { path: /api/**, allow: authenticated }
  - { path: /secure/**, allow: { max_age: 1h } }
  - { path: /admin/**, allow: { role: admin } }
"#;

/// What a change may take: five seconds that it waits for the lock, and what a busy machine adds.
const PATIENCE: Duration = Duration::from_secs(8);

/// The line of it about passwords.
const PASSWORDS: &str = "password: { argon2: { memory: 7MiB, iterations: 5 } }";

/// A gateway with one person in its file.
pub(super) struct House {
    pub(super) node: Node,
    pub(super) upstream: Upstream,
    folder: TempDir,
}

impl House {
    fn new() -> Self {
        Self::with("", "", Node::new)
    }

    /// With more lines of `server`, another line for `password`, and a process that starts in another way.
    pub(super) fn with(server: &str, password: &str, node: impl Fn(&Path, &str, &str) -> Node) -> Self {
        let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::start());
        let mut config = CONFIG.replace("UPSTREAM", &upstream.address().to_string());
        config = config.replace("  threads: 1\n", &format!("  threads: 1\n{server}"));
        if !password.is_empty() {
            config = config.replace(PASSWORDS, password);
        }
        let house = Self { node: node(folder.path(), "house", &config), upstream, folder };
        let (address, name) = (email(0), "Robin Roe");
        let args =
            ["user", "create", "--email", &address, "--name", name, "--role", "user", "--password-stdin"];
        let made = house.node.run(&args, PASSWORD);
        assert!(made.status.success(), "{made:?}");
        house
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> Connection {
        Connection::open(self.file("site.db")).expect("the file")
    }

    /// The tables of the file, and on which page each begins.
    fn tables(&self) -> Vec<(String, u32)> {
        let db = self.open();
        let sql = "SELECT name, rootpage FROM sqlite_master WHERE type = 'table'";
        let mut all = db.prepare(sql).expect("a store");
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("tables");
        rows.map(|row| row.expect("a table")).collect()
    }

    pub(super) fn sign_in(&self) -> Option<Tokens> {
        let body = json!({ "email": email(0), "password": PASSWORD });
        tokens_in(&ask(self.node.public(), &bytes("POST", "/auth/token/", "", Some(&body))).ok()?)
    }

    /// Runs it until there is something in its write-ahead log, and kills it.
    fn live_and_die(&self) {
        self.node.start();
        self.sign_in().expect("signed in");
        self.node.kill();
    }

    /// Writes noise over a part of a file.
    fn damage(&self, name: &str, from: u64, bytes: usize) {
        let mut file = std::fs::OpenOptions::new().write(true).open(self.file(name)).expect("there");
        file.seek(SeekFrom::Start(from)).expect("a place");
        let noise: Vec<u8> = (0..bytes).map(|n| u8::try_from(n * 37 % 251).expect("small")).collect();
        file.write_all(&noise).expect("written");
    }

    /// It does not start, and says what is wrong with which file.
    #[track_caller]
    fn assert_refuses(&self, why: &str) {
        self.node.launch();
        assert_eq!(self.node.exit_code(), Some(2), "{why}: {}", self.node.log());
        let log = self.node.log();
        let last = log.lines().last().unwrap_or_default();
        assert!(last.contains("the store is damaged"), "{why}: {log}");
    }
}

#[test]
fn case_5_23_another_process_holds_the_write_lock() {
    let house = House::new();
    house.node.start();
    let people: Vec<_> = (0..4).map(|_| (email(0), house.sign_in().expect("signed in"))).collect();
    let load = Load::start(vec![house.node.public()], people, Vec::new());
    load.run_for(super::WARM);
    let other = house.open();
    let injected = load.now();
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    // Twice as long as a statement waits for it.
    load.run_for(Duration::from_secs(10));
    other.execute_batch("COMMIT").expect("given back");
    let healed = load.now();
    eventually("all is well again", || {
        let report = load.report();
        report.is_well_since(healed + report.well_after(healed), 1).then_some(())
    });
    let (report, _) = load.finish();
    let violations = violations(&report, &house.upstream);
    print("5.23 SQLite locked by another process", &report, (injected, healed), violations.len(), Map::new());
    assert_eq!(violations, Vec::<String>::new());
    assert_eq!(report.wrong(), Vec::<String>::new());
    assert!((report.good_percent(Class::Proxied) - 100.0).abs() < 0.01, "proxying goes on");
    let later = report.of(Class::Refresh).filter(|e| e.outcome == Outcome::Later).count();
    assert!(later > 0, "the fault was felt");
    // Sign-ins of one address also wait for their turn.
    let longest = report.within(Class::Refresh, 100);
    assert!(longest < PATIENCE, "nobody waits behind others as well: {longest:?}");
    let whole: String =
        house.open().query_row("PRAGMA integrity_check", [], |r| r.get(0)).expect("an answer");
    assert_eq!(whole, "ok");
    house.node.assert_sound(&[("a password", PASSWORD.to_owned())]);
}

#[test]
fn case_5_23_a_torn_log_loses_no_more_than_its_end() {
    let house = House::new();
    house.live_and_die();
    let log = house.file("site.db-wal");
    let length = std::fs::metadata(&log).expect("a log").len();
    assert!(length > 8192, "the sign-in is in it: {length}");
    std::fs::OpenOptions::new().write(true).open(&log).expect("there").set_len(length - 2000).expect("cut");
    house.node.start();
    assert!(house.sign_in().is_some(), "the account is there");
    house.node.kill();
    // Noise in place of the log: what was in it is gone, and nothing else.
    house.damage("site.db-wal", 0, 8192);
    house.node.start();
    assert!(house.sign_in().is_some(), "the account is there");
}

#[test]
fn case_5_23_a_damaged_file_is_refused_and_never_replaced() {
    let house = House::new();
    house.live_and_die();
    // Everything into the one file.
    house.open().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("done");
    let good = std::fs::read(house.file("site.db")).expect("there");
    for (why, from, bytes) in
        [("the head", 0, 4096), ("a page", 4096, 4096), ("the rest", 4096, good.len() - 4096)]
    {
        std::fs::write(house.file("site.db"), &good).expect("as it was");
        house.damage("site.db", from, bytes);
        let damaged = std::fs::read(house.file("site.db")).expect("there");
        house.assert_refuses(why);
        let now = std::fs::read(house.file("site.db")).expect("there");
        assert!(now == damaged, "{why}: the file was changed");
    }
    // Each table, also those that no start reads.
    std::fs::write(house.file("site.db"), &good).expect("as it was");
    for (table, page) in house.tables() {
        std::fs::write(house.file("site.db"), &good).expect("as it was");
        house.damage("site.db", u64::from(page - 1) * 4096, 4096);
        house.assert_refuses(&table);
    }
    for name in ["site.db-wal", "site.db-shm"] {
        let _ = std::fs::remove_file(house.file(name));
    }
    std::fs::write(house.file("site.db"), &good).expect("as it was");
    house.node.start();
    assert!(house.sign_in().is_some(), "the account is there");
}
