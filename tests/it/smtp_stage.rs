//! A real SMTP server in Python, and an outbox with its worker in front of it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use stagedoor::mail::{Delivery, Message, Post, Settings, SmtpSettings, TransportSettings, Worker};
use stagedoor::metrics::Metrics;
use stagedoor::model::{Clock, Email, ManualClock, Secret, SystemEntropy, Timestamp};
use stagedoor::store::{self, Store, Tx};
use tempfile::TempDir;

use crate::flows_process::{Server, eventually};

/// The interpreter, with what the scripts need.
fn python() -> String {
    let python = std::env::var("STAGEDOOR_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import aiosmtpd, cryptography"]).output();
    let there = probe.as_ref().is_ok_and(|o| o.status.success());
    assert!(
        there,
        "{python} has no aiosmtpd. Make an environment with `python3 -m venv DIR && DIR/bin/pip install -r \
         tests/python/requirements.txt` and set STAGEDOOR_TEST_PYTHON=DIR/bin/python (scripts/test does it): {probe:?}"
    );
    python
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name)
}

/// `tests/python/smtp_server.py`, killed at the end.
pub struct SmtpServer {
    pub port: u16,
    lines: Arc<Mutex<Vec<Value>>>,
    process: Server,
}

impl SmtpServer {
    /// On some free port.
    pub fn start(args: &[&str]) -> Self {
        Self::at(0, args)
    }

    /// On this port; 0: a free one.
    pub fn at(port: u16, args: &[&str]) -> Self {
        let mut command = Command::new(python());
        command.arg(script("smtp_server.py")).arg(port.to_string()).args(args);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut process = Server(child);
        let port = process.first_line().parse().expect("the port it listens on");
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let (output, seen) = (process.0.stdout.take().expect("piped"), lines.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                seen.lock().unwrap().push(serde_json::from_str(&line).expect("a JSON line"));
            }
        });
        Self { port, lines, process }
    }

    /// Everything it said.
    pub fn said(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Every mail that came whole, whatever became of it, oldest first.
    pub fn mails(&self) -> Vec<Received> {
        self.said().into_iter().filter(|line| line["raw"].is_string()).map(Received).collect()
    }

    /// The texts of the mails to somebody with this in the subject, newest first.
    pub fn texts(&self, to: &str, subject: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let about = |line: &&Value| {
            let pairs = line["headers"].as_array();
            let is_about =
                |p: &Value| p[0] == "Subject" && p[1].as_str().is_some_and(|s| s.contains(subject));
            line["to"][0] == to && pairs.is_some_and(|pairs| pairs.iter().any(is_about))
        };
        lines.iter().rev().filter(about).map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Every mail, once there are `n`.
    pub fn wait_for(&self, n: usize) -> Vec<Received> {
        eventually("a mail arrives", || Some(self.mails()).filter(|mails| mails.len() >= n))
    }

    /// Stops it; its port is free again.
    pub fn stop(self) -> u16 {
        self.process.kill();
        self.port
    }
}

/// A mail as an independent reader understands it.
#[derive(Clone, Debug)]
pub struct Received(pub Value);

impl Received {
    pub fn str(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    /// The recipients of the envelope.
    pub fn to(&self) -> Vec<&str> {
        self.0["to"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
    }

    /// All values of a header, decoded.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let pairs = self.0["headers"].as_array().unwrap().iter();
        pairs
            .filter(|p| p[0].as_str().unwrap().eq_ignore_ascii_case(name))
            .map(|p| p[1].as_str().unwrap())
            .collect()
    }

    pub fn id(&self) -> &str {
        self.headers("Message-ID")[0]
    }
}

/// An outbox and its worker, at a time that the test moves.
pub struct PostOffice {
    pub clock: Arc<ManualClock>,
    pub metrics: Arc<Metrics>,
    store: Store,
    worker: Worker,
    runtime: tokio::runtime::Runtime,
    folder: TempDir,
}

impl PostOffice {
    /// Sends to `url`, in which `PORT` becomes `port`; `certificates` has the authority to trust.
    pub fn new(url: &str, port: u16, certificates: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let _inside = runtime.enter();
        let store = Store::open(&store::Settings::Sqlite { path: folder.path().join("post.db") }).unwrap();
        let server = SmtpSettings {
            url: Secret::new(url.replace("PORT", &port.to_string())),
            ca: certificates.map(|dir| dir.join("ca.pem")),
            timeout: Duration::from_secs(2),
        };
        let transport = Delivery::new(&settings(server)).unwrap().transport;
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_795_000_000)));
        let metrics = Arc::new(Metrics::new());
        let worker =
            Worker::new(store.clone(), transport, clock.clone(), Arc::new(SystemEntropy), metrics.clone());
        Self { clock, metrics, store, worker, runtime, folder }
    }

    /// Writes a mail into the outbox.
    pub fn post(&self, to: &str, message: &Message) {
        let mut tx = Tx::new();
        let to = Email::parse(to).unwrap();
        Post::new("Door").enqueue(&mut tx, &to, message, self.clock.now(), &SystemEntropy);
        self.runtime.block_on(self.store.commit(tx)).unwrap().unwrap();
    }

    /// Hands over what is due; how many were tried.
    pub fn drain(&self) -> usize {
        self.runtime.block_on(self.worker.drain()).unwrap()
    }

    /// The next pause passes.
    pub fn wait(&self) {
        let due = self.runtime.block_on(self.store.next_mail_due()).unwrap().expect("a mail waits");
        self.clock.advance(due.since(self.clock.now()));
    }

    /// State and last error of each mail, oldest first.
    pub fn states(&self) -> Vec<(String, String)> {
        self.ask("SELECT state, last_error FROM outbox ORDER BY created_at, rowid")
    }

    /// State and last error of the only mail.
    pub fn state(&self) -> (String, String) {
        let [state] = self.states().try_into().expect("one mail");
        state
    }

    /// Whether any body is left in the outbox.
    pub fn has_bodies(&self) -> bool {
        self.ask("SELECT body_text, body_html FROM outbox")
            .iter()
            .any(|(text, html)| !text.is_empty() || !html.is_empty())
    }

    fn ask(&self, sql: &str) -> Vec<(String, String)> {
        let db = rusqlite::Connection::open(self.folder.path().join("post.db")).unwrap();
        let mut rows = db.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

fn settings(server: SmtpSettings) -> Settings {
    let from = "Döör <no-reply@door.example>".into();
    Settings { transport: TransportSettings::Smtp(server), from, brand: "Door".into() }
}

/// A folder with what `make_certificates.py` makes.
pub fn certificates() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new(python()).arg(script("make_certificates.py")).arg(dir.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    dir
}
