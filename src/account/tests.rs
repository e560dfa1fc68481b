//! Tests of the use cases over an empty store (SQLite in memory, or PostgreSQL: see `Store::scratch`), a clock that stands still, and hashes of the least cost. The limits
//! are wide unless a test narrows them.

mod admin;
mod admin_people;
mod bootstrap;
mod change_email;
mod change_password;
mod costs;
mod deletion;
mod devices;
mod elevating;
mod hands;
mod history;
mod limits;
mod locking;
mod passwords;
mod profile;
mod recovery_codes;
mod refreshing;
mod resetting;
mod second_factor;
mod second_factor_kit;
mod second_factor_totp;
mod sessions;
mod sign_in;
mod sign_out;
mod sign_up;
mod sign_up_rules;
mod unlocking;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::*;
use crate::limiter::{LocalTurns, MemoryLimiter, Quota, Turns};
use crate::model::{ClientIp, ManualClock, RequestId, RoleName, Secret, SystemEntropy, Timestamp};
use crate::token::{Algorithm, KeyRing, SigningKey};

const GOOD: &str = "Correct-Horse-7";
const MINE: &str = "ada@example.org";
const ACCESS_TTL: Duration = Duration::from_secs(600);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn settings() -> Settings {
    let role = |name: &str, permissions: &[&str], registration, default| RoleRegistration {
        name: RoleName::parse(name).unwrap(),
        permissions: permissions.iter().map(ToString::to_string).collect(),
        registration,
        default,
    };
    let wide = Quota { limit: 10_000, window: secs(60) };
    Settings {
        public_url: "https://gate.example".into(),
        auth_prefix: "/auth".into(),
        roles: vec![
            role("participant", &["events.view"], Registration::Open, true),
            role("speaker", &["talks.edit", "events.view"], Registration::Open, false),
            role("organizer", &["events.*"], Registration::Approval, false),
            role("admin", &["*"], Registration::Closed, false),
        ],
        session: SessionSettings {
            idle_timeout: secs(1800),
            keep_idle_timeout: secs(12 * 3600),
            absolute_timeout: secs(30 * 24 * 3600),
            refresh_reuse_window: secs(10),
            max_per_account: 20,
        },
        password: PasswordSettings {
            policy: PasswordPolicy::Classes,
            min_length: 8,
            max_length: 256,
            argon2: Argon2Settings {
                memory_kib: 8,
                iterations: 1,
                parallelism: 1,
                workers: Some(2),
                queue: 1000,
                queue_deadline: secs(5),
            },
        },
        lockout: LockoutSettings {
            failures: 5,
            within: secs(1800),
            duration: secs(900),
            max_duration: secs(24 * 3600),
        },
        rate_limits: RateLimits {
            login: wide,
            register: wide,
            password_reset: wide,
            password_reset_account: wide,
            otp: wide,
            refresh: wide,
            resend: Quota { limit: 1, window: secs(60) },
        },
        registration: RegistrationSettings { enabled: true, domains: vec![] },
        second_factor: SecondFactorSettings {
            required_roles: vec![],
            code_ttl: secs(600),
            tries: 5,
            remember_device: secs(30 * 24 * 3600),
            elevation: secs(600),
        },
        deletion_undo: secs(7 * 24 * 3600),
    }
}

/// An account system of its own.
struct House {
    accounts: Arc<Accounts>,
    store: Store,
    clock: Arc<ManualClock>,
    revocations: Arc<Revocations>,
}

impl House {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::over(Store::scratch(), Timestamp::from_secs(1_800_000_000), change)
    }

    fn at(path: PathBuf, now: Timestamp, change: impl FnOnce(&mut Settings)) -> Self {
        let store = Store::open(&crate::store::Settings::Sqlite { path }).unwrap();
        Self::over(store, now, change)
    }

    fn over(store: Store, now: Timestamp, change: impl FnOnce(&mut Settings)) -> Self {
        Self::taking_turns(store, now, Arc::new(LocalTurns::default()), change)
    }

    fn taking_turns(
        store: Store,
        now: Timestamp,
        turns: Arc<dyn Turns>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let clock = Arc::new(ManualClock::at(now));
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let revocations = Arc::new(Revocations::new());
        let key = SigningKey::generate(Algorithm::EdDSA, now.before(secs(60)), &*entropy).unwrap();
        let ring = Arc::new(ArcSwap::from_pointee(KeyRing::from_keys(vec![key]).unwrap()));
        let tokens = crate::token::Settings {
            algorithm: Algorithm::EdDSA,
            access_ttl: ACCESS_TTL,
            assertion_ttl: secs(60),
            issuer: "https://gate.example".into(),
            audience: "stagedoor".into(),
            leeway: secs(5),
            cache_entries: 10,
        };
        let parts = Parts {
            store: store.clone(),
            limiter: Arc::new(MemoryLimiter::new(Arc::clone(&clock) as Arc<dyn Clock>, 100_000)),
            turns,
            mint: Arc::new(Mint::new(ring, tokens, Arc::clone(&entropy))),
            access_ttl: ACCESS_TTL,
            clocks_apart: Duration::ZERO,
            vault: Arc::new(Vault::new(&Secret::new("k3Zr0v9YbQx1Lw7TnHs5Ud2Gf8JmPe6c")).unwrap()),
            revocations: Arc::clone(&revocations),
            post: Post::new("Stagedoor"),
            events: Arc::new(NoEvents),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy,
        };
        Self { accounts: Arc::new(Accounts::new(parts, settings)), store, clock, revocations }
    }

    /// One number from the store.
    async fn count(&self, sql: &'static str) -> i64 {
        self.store.read(sql, Vec::new()).await.unwrap()[0].int(0).unwrap()
    }

    async fn register(&self, email: &str, password: &str) -> Result<(), Error> {
        self.accounts.register(form(email, password), &origin()).await
    }

    async fn login(&self, email: &str, password: &str) -> Result<SignedIn, Error> {
        self.login_from(email, password, &origin()).await
    }

    async fn login_from(&self, email: &str, password: &str, origin: &Origin) -> Result<SignedIn, Error> {
        let typed =
            Login { email: email.into(), password: Secret::new(password), keep: false, browser: false };
        self.accounts.login(typed, origin).await.map(|s| s.done().expect("no second factor"))
    }

    async fn refresh(&self, token: &Secret) -> Result<SignedIn, Error> {
        self.accounts.refresh(token, &origin()).await
    }

    /// An account that may sign in.
    async fn member(&self, email: &str) -> AccountId {
        let wanted = CreateUser {
            email: email.into(),
            name: "Grace".into(),
            roles: vec![],
            password: Secret::new(GOOD),
        };
        self.accounts.create_user(wanted).await.unwrap()
    }

    /// The mails of one kind, oldest first: recipient and text.
    async fn mails(&self, kind: &'static str) -> Vec<(String, String)> {
        let sql = "SELECT recipient, body_text FROM outbox WHERE kind = $1 ORDER BY created_at";
        let rows = self.store.read(sql, vec![kind.into()]).await.unwrap();
        rows.iter().map(|r| (r.string(0).unwrap(), r.string(1).unwrap())).collect()
    }

    /// Every activation mail so far: uid, token and code, oldest first.
    async fn activations(&self) -> Vec<(String, String, String)> {
        let mails = self.mails("activation").await;
        mails.iter().map(|(_, text)| read_activation(text)).collect()
    }

    async fn verify(&self, mail: &(String, String, String)) -> Result<(), Error> {
        self.accounts.verify_by_link(&mail.0, &mail.1, &origin()).await.map(drop)
    }
}

fn read_activation(text: &str) -> (String, String, String) {
    let link = text.split_whitespace().find(|w| w.contains("/verify-email/")).unwrap();
    let mut parts = link.split('/').skip_while(|p| *p != "verify-email").skip(1);
    let (uid, token) = (parts.next().unwrap(), parts.next().unwrap());
    let is_code = |w: &&str| w.len() == 6 && w.bytes().all(|b| b.is_ascii_digit());
    let code = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').find(is_code).unwrap();
    (uid.into(), token.into(), code.into())
}

fn form(email: &str, password: &str) -> Register {
    Register {
        name: "Ada Lovelace".into(),
        email: email.into(),
        password: Secret::new(password),
        password_confirm: Secret::new(password),
        role: None,
    }
}

fn origin() -> Origin {
    from("203.0.113.7")
}

fn from(ip: &str) -> Origin {
    Origin {
        ip: ClientIp::new(ip.parse().unwrap()),
        user_agent: "Browser/1".into(),
        request_id: RequestId::from_bytes([7; 16]),
        device: None,
    }
}

/// The codes of the field errors, as `field:code`.
fn broken<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
    match result {
        Err(Error::Invalid(errors)) => errors.0.iter().map(|e| format!("{}:{}", e.field, e.code)).collect(),
        other => panic!("not refused by the form: {other:?}"),
    }
}

/// A short word for an outcome.
fn word<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::Invalid(_)) => "invalid",
        Err(Error::WrongCredentials) => "wrong",
        Err(Error::NotActivated) => "not activated",
        Err(Error::Deactivated) => "deactivated",
        Err(Error::RegistrationClosed) => "registration closed",
        Err(Error::Locked) => "locked",
        Err(Error::ResetRequired) => "reset required",
        Err(Error::Closed) => "closed",
        Err(Error::WrongCode) => "wrong code",
        Err(Error::InvalidChallenge) => "challenge",
        Err(Error::SignInFirst) => "sign in first",
        Err(Error::ElevationRequired { second_factor: false }) => "elevate",
        Err(Error::ElevationRequired { second_factor: true }) => "elevate with a second factor",
        Err(Error::Forbidden(_)) => "forbidden",
        Err(Error::BeyondYours) => "beyond",
        Err(Error::NotFound) => "not found",
        Err(Error::Conflict(..)) => "conflict",
        Err(Error::InvalidToken) => "token",
        Err(Error::Limited(_)) => "limited",
        Err(Error::Busy { .. }) => "busy",
        Err(Error::Unavailable(_)) => "unavailable",
    }
}

/// Runs `n` at the same time on several threads; their outcomes.
async fn parallel<T, F>(n: usize, make: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let running: Vec<_> = (0..n).map(|i| tokio::spawn(make(i))).collect();
    let mut done = Vec::with_capacity(n);
    for task in running {
        done.push(task.await.unwrap());
    }
    done
}
