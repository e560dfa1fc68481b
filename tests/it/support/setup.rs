//! The settings a test runs with: the sample policy of the security cases and whatever the test wants on top.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use stagedoor::config::{self, Settings};
use stagedoor::limiter::Quota;
use stagedoor::model::{Clock, Entropy, ManualClock, SystemClock, SystemEntropy, Timestamp};

/// Default deny; `/public/**` anonymous, `/api/**` authenticated, `/admin/**` role admin, `/mfa/**` a second factor,
/// `/ws` authenticated.
pub const RULES: &[(&str, &str)] = &[
    ("/public/**", "public"),
    ("/api/**", "authenticated"),
    ("/admin/**", "{ role: admin }"),
    ("/mfa/**", "{ mfa: true }"),
    ("/ws", "authenticated"),
];

/// What a manual clock shows at first: some afternoon.
const START: i64 = 1_795_000_000;

/// The configuration file, in the folder of the test.
pub const CONFIG: &str = "test.yaml";

type Tweak = Box<dyn FnOnce(&mut Settings)>;

/// What a test may choose; see [`TestApp::with`](super::TestApp::with).
#[derive(Default)]
pub struct Setup {
    manual: bool,
    surroundings: Option<(Arc<dyn Clock>, Arc<dyn Entropy>)>,
    rules: String,
    routes: String,
    upstreams: String,
    upstream_options: String,
    server: String,
    top: String,
    upstream: Option<SocketAddr>,
    greeting: Vec<u8>,
    tweaks: Vec<Tweak>,
}

impl Setup {
    /// The gateway's clock stands still until the test moves it ([`TestApp::advance`](super::TestApp::advance)).
    pub fn manual_clock(&mut self) -> &mut Self {
        self.manual = true;
        self
    }

    /// The gateway gets this clock and this randomness.
    pub fn surroundings(&mut self, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> &mut Self {
        self.surroundings = Some((clock, entropy));
        self
    }

    /// One more rule, as a YAML flow table: `{ path: /x, allow: public }`.
    pub fn rule(&mut self, yaml: &str) -> &mut Self {
        self.rules += &format!("  - {yaml}\n");
        self
    }

    /// One more route, as a YAML flow table.
    pub fn route(&mut self, yaml: &str) -> &mut Self {
        self.routes += &format!("  - {yaml}\n");
        self
    }

    /// One more upstream: its name, and a YAML flow table.
    pub fn upstream(&mut self, name: &str, yaml: &str) -> &mut Self {
        self.upstreams += &format!("  {name}: {yaml}\n");
        self
    }

    /// One more key of the upstream `app`, such as `timeouts: { read: 200ms }`.
    pub fn upstream_option(&mut self, line: &str) -> &mut Self {
        self.upstream_options += &format!("    {line}\n");
        self
    }

    /// The upstream `app` is somewhere else than the test's own.
    pub fn upstream_at(&mut self, address: SocketAddr) -> &mut Self {
        self.upstream = Some(address);
        self
    }

    /// One more key of `server`, such as `trusted_proxies: [127.0.0.1]`.
    pub fn server(&mut self, line: &str) -> &mut Self {
        self.server += &format!("  {line}\n");
        self
    }

    /// What every connection of [`TestApp::connect`](super::TestApp::connect) begins with.
    pub fn greeting(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.greeting = bytes.as_ref().to_vec();
        self
    }

    /// One more top-level line, such as `lockout: { failures: 3 }`.
    pub fn top(&mut self, line: &str) -> &mut Self {
        self.top += &format!("{line}\n");
        self
    }

    /// Changes the settings after they were read; also for values shorter than an operator may write.
    pub fn tweak(&mut self, change: impl FnOnce(&mut Settings) + 'static) -> &mut Self {
        self.tweaks.push(Box::new(change));
        self
    }

    pub(super) fn clock(&self) -> (Arc<dyn Clock>, Option<Arc<ManualClock>>) {
        if let Some((clock, _)) = &self.surroundings {
            return (clock.clone(), None);
        }
        if !self.manual {
            return (Arc::new(SystemClock::new()), None);
        }
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
        (clock.clone(), Some(clock))
    }

    pub(super) fn greets_with(&self) -> Vec<u8> {
        self.greeting.clone()
    }

    pub(super) fn entropy(&self) -> Arc<dyn Entropy> {
        self.surroundings
            .as_ref()
            .map_or_else(|| Arc::new(SystemEntropy) as _, |(_, entropy)| entropy.clone())
    }

    pub(super) fn settings(self, port: u16, own_upstream: SocketAddr, folder: &Path) -> Settings {
        let text = self.yaml(port, self.upstream.unwrap_or(own_upstream));
        std::fs::write(folder.join(CONFIG), &text).expect("the configuration is written");
        let (settings, report) = config::parse(&text, CONFIG, folder, &|_| None);
        let mut settings = settings.unwrap_or_else(|| panic!("{report}\n{text}"));
        cheapen(&mut settings);
        for tweak in self.tweaks {
            tweak(&mut settings);
        }
        settings
    }

    fn yaml(&self, port: u16, upstream: SocketAddr) -> String {
        let rules: String =
            RULES.iter().map(|(path, allow)| format!("  - {{ path: {path}, allow: {allow} }}\n")).collect();
        let Self { rules: more, routes, upstreams, upstream_options, server, top, .. } = self;
        format!(
            "server:
  listen: 127.0.0.1:{port}
  admin_listen: 127.0.0.1:0
  public_url: http://localhost:{port}
  threads: 2
  h2c: true
  limits: {{ body_bytes: 1MiB, head_bytes: 32KiB }}
{server}{top}
roles:
  admin: {{ permissions: [\"*\"] }}
  staff: {{ permissions: [events.edit, events.view], registration: approval }}
  user: {{ permissions: [events.view], registration: open, default: true }}
upstreams:
  app:
    servers: [\"http://{upstream}\"]
{upstream_options}{upstreams}
routes:
  - {{ path: /**, upstream: app }}
{routes}
rules:
{rules}{more}"
        )
    }
}

/// Hashing and quotas that no test but those about them should wait for.
fn cheapen(settings: &mut Settings) {
    let argon2 = &mut settings.account.password.argon2;
    (argon2.memory_kib, argon2.iterations, argon2.workers) = (64, 1, Some(1));
    let plenty = Quota { limit: 100_000, window: std::time::Duration::from_secs(60) };
    let limits = &mut settings.account.rate_limits;
    (limits.login, limits.register, limits.refresh) = (plenty, plenty, plenty);
}
