//! A real gateway on a free port, made by the same constructor as the binary, in front of an upstream of ours.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use stagedoor::account::Accounts;
use stagedoor::app::{Gateway, KeyChange, KeyKeeper, Running, Surroundings};
use stagedoor::config::Settings;
use stagedoor::mail::Outgoing;
use stagedoor::model::{Clock, ManualClock, Timestamp};
use stagedoor::store::Store;
use tempfile::TempDir;

use super::people::PASSWORD;
use super::setup::CONFIG;
use super::wire::{Answer, RawClient, get};
use super::{Setup, Upstream, journal, until};

/// How often another free port is tried when somebody was faster.
const TRIES: usize = 5;

/// A gateway under test; every invariant is asserted once more when it is dropped.
pub struct TestApp {
    running: Option<Running>,
    upstream: Upstream,
    settings: Settings,
    clock: Arc<dyn Clock>,
    manual: Option<Arc<ManualClock>>,
    accounts: Arc<Accounts>,
    store: Store,
    keys: Arc<KeyKeeper>,
    tasks: tokio::runtime::Handle,
    canaries: Mutex<Vec<(&'static str, String)>>,
    /// Forwards that were never answered to the client, by the test's own doing.
    pub(super) unanswered: AtomicUsize,
    /// Whether other upstreams than the test's first one get requests, so that forwards cannot be counted there.
    pub(super) elsewhere: AtomicBool,
    /// What connections begin with.
    greeting: Vec<u8>,
    /// Whether other people's parsers read the upstream's bytes at the end as well.
    pub(super) outsiders: AtomicBool,
    folder: TempDir,
}

static PREPARED: Once = Once::new();
static WATCHED: Once = Once::new();
/// Panics of the product or its libraries, on whatever thread (INV-5): Tokio would swallow them.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn prepare() {
    PREPARED.call_once(|| {
        journal::keep();
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// From now on panics are remembered, and shown. After the product has set its own hook, which writes to its log.
fn watch_panics() {
    WATCHED.call_once(|| {
        let products = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = info.location().is_some_and(|l| l.file().starts_with("tests/"));
            if !ours {
                PANICS.lock().unwrap().push(info.to_string());
            }
            eprintln!("{info}\n{}", std::backtrace::Backtrace::capture());
            products(info);
        }));
    });
}

impl TestApp {
    /// With the sample policy and nothing else.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// With what `choose` changes.
    pub fn with(choose: impl Fn(&mut Setup)) -> Self {
        Self::in_front_of(Upstream::start(), choose)
    }

    /// With an upstream that was prepared before.
    pub fn in_front_of(upstream: Upstream, choose: impl Fn(&mut Setup)) -> Self {
        prepare();
        let mut upstream = Some(upstream);
        for _ in 1..TRIES {
            match Self::attempt(upstream.take().expect("kept"), &choose) {
                Ok(app) => return app,
                Err((back, problem)) => {
                    assert!(problem.contains("cannot listen"), "the gateway starts: {problem}");
                    upstream = Some(back);
                }
            }
        }
        panic!("no free port in {TRIES} tries");
    }

    fn attempt(upstream: Upstream, choose: &dyn Fn(&mut Setup)) -> Result<Self, (Upstream, String)> {
        let mut setup = Setup::default();
        choose(&mut setup);
        let ((clock, manual), entropy) = (setup.clock(), setup.entropy());
        let (folder, greeting) = (tempfile::tempdir().expect("a folder"), setup.greets_with());
        let settings = setup.settings(free_port(), upstream.address(), folder.path());
        let config = Some(folder.path().join(CONFIG));
        let around = Surroundings { clock: clock.clone(), entropy, config };
        let gateway = match Gateway::assemble(settings.clone(), &around) {
            Ok(gateway) => gateway,
            Err(e) => return Err((upstream, e.to_string())),
        };
        watch_panics();
        let (accounts, store) = (gateway.accounts().clone(), gateway.store().clone());
        let keys = gateway.keys().clone();
        let tasks = gateway.runtime().handle().clone();
        let running = match gateway.start() {
            Ok(running) => running,
            Err(e) => return Err((upstream, e.to_string())),
        };
        let app = Self {
            running: Some(running),
            upstream,
            clock,
            manual,
            accounts,
            store,
            keys,
            tasks,
            canaries: Mutex::default(),
            unanswered: AtomicUsize::new(0),
            elsewhere: AtomicBool::new(false),
            outsiders: AtomicBool::new(false),
            settings,
            greeting,
            folder,
        };
        app.canary("password", PASSWORD);
        app.canary("the operator's secret", app.settings.secret.load().expect("made at the start").expose());
        Ok(app)
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("runs until dropped")
    }

    /// Where people and programs connect.
    pub fn address(&self) -> SocketAddr {
        self.running().public()
    }

    /// Where the operator connects.
    pub fn admin_address(&self) -> SocketAddr {
        self.running().admin()
    }

    /// Scheme, host and port as people see them.
    pub fn public_url(&self) -> &str {
        &self.settings.gate.public_url
    }

    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Makes the next key, behind the gateway's back as the command line would. Its name.
    pub fn rotate_keys(&self) -> String {
        match self.wait_for(self.keys.rotate()).expect("the store answers") {
            KeyChange::Next { kid, .. } => kid,
            other => panic!("{other:?}"),
        }
    }

    /// Removes the only key, likewise. The name of the one that takes over.
    pub fn revoke_key(&self, kid: &str) -> String {
        match self.wait_for(self.keys.revoke(kid)).expect("the store answers") {
            KeyChange::Next { kid, .. } => kid,
            other => panic!("{other:?}"),
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the gateway's clock; only with [`Setup::manual_clock`].
    pub fn advance(&self, time: Duration) {
        self.manual.as_ref().expect("a manual clock").advance(time);
    }

    /// Waits for something of the account system or the store.
    pub fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.tasks.block_on(work)
    }

    /// A text that must never be seen outside again (INV-4).
    pub fn canary(&self, what: &'static str, text: &str) {
        assert!(text.len() >= 6, "too short for a canary: {what}");
        self.canaries.lock().unwrap().push((what, text.to_owned()));
    }

    pub(super) fn canaries(&self) -> Vec<(&'static str, String)> {
        self.canaries.lock().unwrap().clone()
    }

    /// A fresh connection to the public listener.
    pub fn connect(&self) -> RawClient {
        let mut client = RawClient::connect(self.address());
        client.send(&self.greeting);
        client
    }

    /// Waits until no connection is open any more, not even the one by which the start was seen; that one may still have
    /// to be accepted, but comes before another.
    pub fn await_no_connection(&self) {
        // Where places are few there may be none yet.
        until("an answer", || self.try_ask(get("/auth/.well-known/jwks.json", "Connection: close\r\n")).ok());
        until("all connections to end", || {
            (self.metric("stagedoor_connections_open", "") == 0).then_some(())
        });
    }

    /// Waits until every forwarded request has ended and its connection can be used again. Over HTTP/2 the answer may be
    /// with the client before.
    pub fn await_nothing_in_flight(&self) {
        until("all requests to end", || (self.metric("stagedoor_upstream_in_flight", "") == 0).then_some(()));
    }

    /// Sends a request on a fresh connection and returns the answer, without any judgement.
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> Answer {
        self.try_ask(bytes).unwrap_or_else(|silence| panic!("no answer: {silence:?}"))
    }

    /// The same where silence is an outcome too.
    pub fn try_ask(&self, bytes: impl AsRef<[u8]>) -> Result<Answer, super::wire::Silence> {
        let bytes = bytes.as_ref();
        let method = if bytes.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
        let mut client = self.connect();
        client.send(bytes);
        client.answer_to(method)
    }

    /// `POST` of a JSON document to one of our own endpoints (`/auth` is added).
    pub fn post_json(&self, path: &str, extra: &str, body: &serde_json::Value) -> Answer {
        let extra = format!("Content-Type: application/json\r\n{extra}");
        self.ask(super::wire::request("POST", &format!("/auth{path}"), &extra, body.to_string().as_bytes()))
    }

    /// The mails to one address, oldest first, as far as they have been sent.
    pub fn mails_to(&self, address: &str) -> Vec<Arc<Outgoing>> {
        let all = self.running().mailbox().expect("the mailbox transport").list();
        all.into_iter().filter(|m| m.to == address).collect()
    }

    /// The `n`-th mail to an address (from 0), waiting for it.
    pub fn mail_to(&self, address: &str, n: usize) -> Arc<Outgoing> {
        until("a mail", || self.mails_to(address).get(n).cloned())
    }

    /// Puts `to` in the place of `from` in the configuration file and has the gateway read it again.
    pub fn reload(&self, from: &str, to: &str) {
        let path = self.folder.path().join(CONFIG);
        let text = std::fs::read_to_string(&path).expect("the configuration");
        assert!(text.contains(from), "the configuration says {from:?}");
        std::fs::write(&path, text.replace(from, to)).expect("written");
        let host = self.admin_address();
        let mut client = RawClient::connect(host);
        client.send(format!("POST /reload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"));
        let answer = client.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The metrics page.
    pub fn metrics(&self) -> String {
        let mut client = RawClient::connect(self.admin_address());
        let host = self.admin_address();
        client.send(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        client.answer().expect("metrics").text()
    }

    /// The sum of a metric over the labels that contain `label`.
    pub fn metric(&self, name: &str, label: &str) -> usize {
        let text = self.metrics();
        let lines = text.lines().filter(|l| l.starts_with(name) && l.contains(label));
        let values =
            lines.map(|l| l.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok()).expect("a number"));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counters are small whole numbers"
        )]
        let sum = values.sum::<f64>() as usize;
        sum
    }

    /// One forwarded request was not answered, and the test knows why.
    pub fn expect_unanswered(&self, n: usize) {
        self.unanswered.fetch_add(n, Ordering::SeqCst);
    }

    /// Requests go to upstreams of the test's own as well; the test counts them itself.
    pub fn with_other_upstreams(self) -> Self {
        self.elsewhere.store(true, Ordering::SeqCst);
        self
    }

    /// Other people's parsers read what the upstream got as well, when this is dropped (INV-1).
    pub fn with_outside_judges(self) -> Self {
        self.outsiders.store(true, Ordering::SeqCst);
        self
    }

    /// One forwarded request went to another upstream than the one that is counted.
    pub fn expect_answered_elsewhere(&self, n: usize) {
        self.unanswered.fetch_sub(n, Ordering::SeqCst);
    }

    /// INV-5: it still serves, and nothing has panicked.
    pub fn assert_alive(&self) {
        let answer = self.ask(get("/auth/.well-known/jwks.json", ""));
        assert_eq!(answer.status, 200, "INV-5: {}", answer.text());
        let panics = PANICS.lock().unwrap();
        assert!(panics.is_empty(), "INV-5: {panics:?}");
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_invariants();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
