//! What the router's tests stand on.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::Request;

use super::*;
use crate::account::{
    self, Argon2Settings, CreateUser, LockoutSettings, NoEvents, Parts, PasswordPolicy, RateLimits,
    Registration, RegistrationSettings, RoleRegistration, SecondFactorSettings, SessionSettings,
};
use crate::gate::{CrossSite, Principal};
use crate::limiter::{LocalTurns, MemoryLimiter, Quota};
use crate::mail::Post;
use crate::model::{
    AccountId, ClientIp, Clock, Entropy, ManualClock, RequestId, RoleName, Secret, SessionId, SystemEntropy,
    Timestamp,
};
use crate::store::Store;
use crate::token::{self, Algorithm, KeyRing, Mint, Revocations, SigningKey, Vault};

const NOW: Timestamp = Timestamp::from_secs(1_795_239_859);
const MINUTE: Duration = Duration::from_mins(1);

/// Mia's password.
pub const RIGHT: &str = "Correct-Horse-7";

/// A deployment at `/auth` on https; return targets are good when their mac is `good`.
pub fn state() -> WebState {
    WebState {
        accounts: accounts(),
        settings: Arc::new(Settings {
            public_url: "https://events.example".into(),
            auth_prefix: "/auth".into(),
            brand: "Lantern Events".into(),
            home_links: vec![],
        }),
        password: password(),
        cookies: CookieNames::new(true),
        jwks: Arc::new(|| serde_json::json!({"keys": []})),
        verify_return: Arc::new(|_, mac| mac == "good"),
        rules: Arc::new(NoRules),
    }
}

struct NoRules;

impl Rules for NoRules {
    fn list(&self) -> Vec<RunningRule> {
        Vec::new()
    }

    fn explain(&self, question: &crate::policy::Question<'_>) -> crate::policy::Explanation {
        crate::policy::Explanation {
            path: Some(question.path.to_owned()),
            upstream: None,
            unknown_roles: Vec::new(),
            candidates: Vec::new(),
            when_unknown: None,
            verdict: crate::policy::Verdict::NoRoute,
        }
    }
}

fn password() -> PasswordSettings {
    PasswordSettings {
        policy: PasswordPolicy::Classes,
        min_length: 8,
        max_length: 256,
        argon2: Argon2Settings {
            memory_kib: 64,
            iterations: 1,
            parallelism: 1,
            workers: Some(1),
            queue: 8,
            queue_deadline: Duration::from_secs(5),
        },
    }
}

/// The real use cases over a store in memory that ends with the test.
fn accounts() -> Arc<Accounts> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let key = SigningKey::generate(Algorithm::EdDSA, NOW.before(MINUTE), &*entropy).unwrap();
    let ring = Arc::new(ArcSwap::from_pointee(KeyRing::from_keys(vec![key]).unwrap()));
    let tokens = token::Settings {
        algorithm: Algorithm::EdDSA,
        access_ttl: MINUTE * 10,
        assertion_ttl: MINUTE,
        issuer: "https://events.example".into(),
        audience: "stagedoor".into(),
        leeway: Duration::from_secs(5),
        cache_entries: 10,
    };
    let parts = Parts {
        store: Store::scratch(),
        limiter: Arc::new(MemoryLimiter::new(Arc::clone(&clock), 1000)),
        turns: Arc::new(LocalTurns::default()),
        mint: Arc::new(Mint::new(ring, tokens, Arc::clone(&entropy))),
        access_ttl: MINUTE * 10,
        clocks_apart: Duration::ZERO,
        vault: Arc::new(Vault::new(&Secret::new("k3Zr0v9YbQx1Lw7TnHs5Ud2Gf8JmPe6c")).unwrap()),
        revocations: Arc::new(Revocations::new()),
        post: Post::new("Lantern Events"),
        events: Arc::new(NoEvents),
        clock,
        entropy,
    };
    Arc::new(Accounts::new(parts, account_settings()))
}

fn account_settings() -> account::Settings {
    let role = |name, registration, default| RoleRegistration {
        name: RoleName::parse(name).unwrap(),
        permissions: vec!["events.view".into()],
        registration,
        default,
    };
    let quota = |limit| Quota { limit, window: MINUTE };
    account::Settings {
        public_url: "https://events.example".into(),
        auth_prefix: "/auth".into(),
        roles: vec![
            role("participant", Registration::Open, true),
            role("organizer", Registration::Approval, false),
        ],
        session: SessionSettings {
            idle_timeout: MINUTE * 30,
            keep_idle_timeout: MINUTE * 720,
            absolute_timeout: MINUTE * 43_200,
            refresh_reuse_window: Duration::from_secs(10),
            max_per_account: 20,
        },
        password: password(),
        lockout: LockoutSettings {
            failures: 3,
            within: MINUTE * 30,
            duration: MINUTE * 15,
            max_duration: MINUTE * 60,
        },
        rate_limits: RateLimits {
            login: quota(5),
            register: quota(10),
            password_reset: quota(5),
            password_reset_account: quota(3),
            otp: quota(5),
            refresh: quota(60),
            resend: quota(1),
        },
        registration: RegistrationSettings { enabled: true, domains: vec![] },
        second_factor: SecondFactorSettings {
            required_roles: vec![],
            code_ttl: MINUTE * 10,
            tries: 5,
            remember_device: MINUTE * 43_200,
            elevation: MINUTE * 10,
        },
        deletion_undo: MINUTE * 10_080,
    }
}

/// An account that may sign in with [`RIGHT`].
pub async fn mia(state: &WebState) {
    let mia = CreateUser {
        email: "mia@example.org".into(),
        name: "Mia".into(),
        roles: vec![],
        password: Secret::new(RIGHT),
    };
    state.accounts.create_user(mia).await.unwrap();
}

/// From our own site, without cookies.
pub fn client() -> ClientInfo {
    ClientInfo {
        ip: ClientIp::new("192.0.2.7".parse().unwrap()),
        request_id: RequestId::from_bytes([9; 16]),
        cross_site: CrossSite::Same,
        cookie_auth: false,
    }
}

/// A request of nobody in particular.
pub fn anonymous(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).extension(client());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// A request of Mia, who holds a session.
pub fn signed_in(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = anonymous(method, path, headers, body);
    let mia = Principal {
        id: AccountId::from_bytes([1; 16]),
        session: SessionId::from_bytes([2; 16]),
        email: "mia@example.org".into(),
        email_verified: true,
        name: "Mia".into(),
        roles: vec![RoleName::parse("organizer").unwrap()],
        permissions: vec!["events.*".into()],
        amr: vec!["pwd".into()],
        auth_time: NOW,
        expires: NOW.after(MINUTE * 10),
    };
    request.extensions_mut().insert(Caller(Some(Arc::new(mia))));
    request
}
