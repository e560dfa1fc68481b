//! The gateway, as `serve` puts it together, without its listeners; and the people who have an account there.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::ServerApp as _;
use pingora::server::configuration::ServerConf;
use stagedoor::account::{CreateUser, Login, Logout, Origin};
use stagedoor::app::{Gateway, Surroundings};
use stagedoor::config::{self, Settings};
use stagedoor::limiter::Quota;
use stagedoor::model::{
    ClientIp, Clock as _, ManualClock, RequestId, RoleName, Secret, SystemEntropy, Timestamp,
};
use stagedoor::proxy::{Drain, Guard};
use stagedoor::token::{AccessGrant, KeyRing, Mint, SigningKey, StoredKey, Vault};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::setup::RULES;
use super::stream::line;
use super::upstream::{Log, Upstream};
use super::{judge, wish_h2};

const PASSWORD: &str = "Curtain-Up-42!";
/// Where every client comes from.
pub const CLIENT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7)), 4711);
/// Nothing has moved for so long: whoever waits, waits for the client. The runtime's clock only goes on when nobody
/// has anything to do, so this takes no time.
const QUIET: Duration = Duration::from_millis(1);
/// More than a conversation can need; what is still under way then hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who signed in once.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub session: String,
    pub roles: Vec<String>,
    pub amr: Vec<String>,
    pub access: String,
    pub refresh: String,
    /// Whether the access token is good now.
    pub valid: bool,
    /// Whether the person has signed out.
    pub ended: bool,
}

impl Person {
    /// Whether the admin's rules let the person pass.
    pub fn is_admin(&self) -> bool {
        self.roles.iter().any(|r| r == "admin")
    }

    /// Whether a second factor was proved.
    pub fn has_mfa(&self) -> bool {
        self.amr.iter().any(|m| m == "mfa")
    }
}

/// What one conversation left behind.
pub struct Seen {
    /// All bytes that the client got.
    pub answers: Vec<u8>,
    pub upstream: Log,
}

/// One gateway for all inputs.
pub struct Stage {
    runtime: Runtime,
    guard: Arc<Guard>,
    /// Knows whether a request is under way.
    drain: Arc<Drain>,
    upstream: Upstream,
    people: Vec<Person>,
    shutdown: (watch::Sender<bool>, watch::Receiver<bool>),
}

impl Stage {
    /// Starts everything once.
    pub fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let (upstream, address) = runtime.block_on(Upstream::start());
        let folder = std::env::temp_dir().join(format!("stagedoor-fuzz-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let settings = settings(address, &folder);
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_795_000_000)));
        let around = Surroundings { clock: clock.clone(), entropy: Arc::new(SystemEntropy), config: None };
        let gateway = Gateway::assemble(settings.clone(), &around).expect("the gateway");
        let people = gateway.runtime().block_on(people(&gateway, &settings, clock.now()));
        let conf = Arc::new(ServerConf { max_retries: 2, ..ServerConf::default() });
        let drain = gateway.drain();
        let guard = Arc::new(gateway.into_guard(&conf));
        let stage = Self { runtime, guard, drain, upstream, people, shutdown: watch::channel(false) };
        stage.assert_works();
        stage
    }

    /// The people, good and bad tokens among them.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Sends the chunks one after the other on one connection, each when nothing moves any more.
    pub fn converse(&self, chunks: &[Vec<u8>]) -> Seen {
        let answers = self.runtime.block_on(async {
            let (mut client, server) = duplex(1 << 20);
            let waits = Arc::new(AtomicBool::new(false));
            let line = line(server, CLIENT, waits.clone());
            let (guard, shutdown) = (self.guard.clone(), self.shutdown.1.clone());
            let served = tokio::spawn(async move { drop(guard.process_new(line, &shutdown).await) });
            let mut answers = Vec::new();
            for chunk in chunks {
                // The gateway may have hung up; then there is only the rest to be read.
                let _ = timeout(QUIET, client.write_all(chunk)).await;
                self.listen(&mut client, &mut answers, &waits).await;
            }
            drop(client);
            self.finished(served).await;
            // The requests of HTTP/2 are served beside their connection.
            let requests = self.drain.clone();
            self.finished(tokio::spawn(async move { requests.finished().await })).await;
            // What is still in the upstream's sockets belongs to this conversation.
            tokio::time::sleep(QUIET).await;
            answers
        });
        Seen { answers, upstream: self.upstream.take() }
    }

    /// Reads until nothing moves any more.
    async fn listen(&self, client: &mut DuplexStream, answers: &mut Vec<u8>, waits: &AtomicBool) {
        let mut patience = 100;
        loop {
            match timeout(QUIET, client.read_buf(answers)).await {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return,
                // The kernel, or a thread of the store, needs a moment of real time.
                Err(_) if patience > 0 && !(self.upstream.is_idle() && waits.load(Ordering::SeqCst)) => {
                    patience -= 1;
                    std::thread::sleep(Duration::from_micros(50));
                }
                Err(_) => return,
            }
        }
    }

    /// INV-5: nothing goes on once the client has gone.
    async fn finished(&self, mut served: JoinHandle<()>) {
        #[expect(clippy::disallowed_methods, reason = "the gateway's clock stands still")]
        let begun = std::time::Instant::now();
        loop {
            match timeout(QUIET, &mut served).await {
                Ok(ended) => return ended.expect("INV-5: no panics"),
                Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_micros(20)),
                Err(_) => panic!("INV-5: a connection goes on without its client"),
            }
        }
    }

    /// The positive control: whoever may pass does, so that what is never forwarded says something.
    fn assert_works(&self) {
        let tokens = self.people.iter().map(|p| p.access.as_str());
        let asks: Vec<(&str, &str)> = ["/api/x", "/admin/x", "/mfa/x"].into_iter().zip(tokens).collect();
        for (path, token) in &asks {
            let ask =
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
            self.assert_pass(ask.into_bytes(), 1);
        }
        self.assert_pass(wish_h2::plain(&asks), asks.len());
    }

    fn assert_pass(&self, bytes: Vec<u8>, requests: usize) {
        let seen = self.converse(std::slice::from_ref(&bytes));
        let said = String::from_utf8_lossy(&seen.answers);
        assert_eq!(seen.upstream.requests.len(), requests, "{}: {said}", bytes.escape_ascii());
        judge::judge(&self.people, &bytes, &seen);
    }
}

fn settings(upstream: SocketAddr, folder: &Path) -> Settings {
    let rules: String =
        RULES.iter().map(|(path, allow)| format!("  - {{ path: {path}, allow: {allow} }}\n")).collect();
    let text = format!(
        "server:
  listen: 127.0.0.1:8080
  admin_listen: 127.0.0.1:9090
  public_url: http://localhost:8080
  h2c: true
  limits: {{ body_bytes: 64KiB, head_bytes: 32KiB }}
secret: file:stagedoor.secret
roles:
  admin: {{ permissions: [\"*\"] }}
  user: {{ permissions: [events.view], registration: open, default: true }}
upstreams:
  app: {{ servers: [\"http://{upstream}\"] }}
routes:
  - {{ path: /**, upstream: app }}
  - {{ path: /public/semi/**, upstream: app, allow_semicolon: true }}
rules:
{rules}"
    );
    let (settings, report) = config::parse(&text, "fuzz.yaml", folder, &|_| None);
    let mut settings = settings.unwrap_or_else(|| panic!("{report}"));
    let argon2 = &mut settings.account.password.argon2;
    (argon2.memory_kib, argon2.iterations, argon2.workers) = (64, 1, Some(1));
    let plenty = Quota { limit: 100_000, window: Duration::from_secs(60) };
    settings.account.rate_limits.login = plenty;
    settings
}

/// Valid: a user, an admin, somebody with a second factor. Not valid: expired, signed out.
async fn people(gateway: &Gateway, settings: &Settings, now: Timestamp) -> Vec<Person> {
    let mint = mint(gateway, settings).await;
    let hour_ago = now.before(Duration::from_secs(3600));
    let mut people = Vec::new();
    for (n, (role, mfa, at)) in [
        ("user", false, now),
        ("admin", false, now),
        ("user", true, now),
        ("admin", true, hour_ago),
        ("admin", true, now),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("p{n}@example.org");
        let (password, name) = (Secret::new(PASSWORD), "Ada Lovelace".to_owned());
        let wanted = CreateUser { email: email.clone(), name, roles: vec![role.into()], password };
        gateway.accounts().create_user(wanted).await.expect("an account");
        let login = Login { email, password: Secret::new(PASSWORD), keep: false, browser: false };
        let signed_in = gateway.accounts().login(login, &origin()).await.expect("a sign-in");
        let signed_in = signed_in.done().expect("no second factor");
        let user = &signed_in.user;
        let amr: &[&str] = if mfa { &["pwd", "otp", "mfa"] } else { &["pwd"] };
        let grant = AccessGrant {
            account: user.id,
            session: signed_in.session,
            email: user.email.clone(),
            email_verified: true,
            name: user.name.clone(),
            roles: vec![RoleName::parse(role).expect("a role")],
            permissions: user.permissions.clone(),
            amr: amr.iter().map(|a| (*a).to_owned()).collect(),
            auth_time: at,
        };
        people.push(Person {
            id: user.id.to_string(),
            session: signed_in.session.to_string(),
            roles: vec![role.into()],
            amr: grant.amr.clone(),
            access: mint.access(&grant, at).0,
            refresh: signed_in.refresh.expose().to_owned(),
            valid: n < 3,
            ended: n == 4,
        });
        if n == 4 {
            let what = Logout { session: Some((user.id, signed_in.session)), refresh: None, all: false };
            gateway.accounts().logout(what, &origin()).await.expect("signed out");
        }
    }
    people
}

async fn mint(gateway: &Gateway, settings: &Settings) -> Mint {
    let vault = Vault::new(&settings.secret.load().expect("the secret")).expect("a vault");
    let rows = gateway.store().signing_keys().await.expect("the keys");
    let keys = rows.into_iter().map(|r| {
        let stored = StoredKey {
            kid: r.kid,
            algorithm: r.algorithm,
            sealed_private: r.sealed_private,
            created_at: r.created_at,
            retired_at: r.retired_at,
        };
        SigningKey::open(&vault, &stored).expect("a key of this vault")
    });
    let ring = KeyRing::from_keys(keys.collect()).expect("a ring");
    Mint::new(Arc::new(ArcSwap::from_pointee(ring)), settings.token.clone(), Arc::new(SystemEntropy))
}

fn origin() -> Origin {
    Origin {
        ip: ClientIp::new([127, 0, 0, 1].into()),
        user_agent: "fuzz".into(),
        request_id: RequestId::random(&SystemEntropy),
        device: None,
    }
}
