//! A kit for the tests of services that stand behind the gateway or carry its rules: keys, people, tokens and
//! assertions, without a gateway and without a network.
//!
//! **Never for production.** Whoever holds a [`TestIssuer`] is whoever they like. So it is behind the feature
//! `test-kit`, which belongs into `[dev-dependencies]` only; its keys are made anew in memory each time and cannot be
//! saved or loaded; and its issuer is `https://test-kit.invalid`, which no gateway can be.
//!
//! ```toml
//! [dev-dependencies]
//! stagedoor = { version = "0.1", default-features = false, features = ["tower", "test-kit"] }
//! ```
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use stagedoor::gate::Principal;
//! use stagedoor::test_kit::{TestIssuer, TestPerson};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let issuer = TestIssuer::new();
//! let ada = TestPerson::new("Ada").role("organizer").permission("events.*");
//!
//! // The service under test, as it stands behind the gateway.
//! let service = ServiceBuilder::new().layer(issuer.gate_layer("events")).service(service_fn(
//!     |request: Request<()>| async move {
//!         let who = request.extensions().get::<Principal>().map_or("nobody", |p| &p.name);
//!         Ok::<_, std::convert::Infallible>(Response::new(who.to_owned()))
//!     },
//! ));
//! let request = Request::get("/").header("x-auth-assertion", issuer.assertion(&ada, "events"));
//! let answer = service.oneshot(request.body(()).unwrap()).await.unwrap();
//! assert_eq!(answer.body(), "Ada");
//! # });
//! ```

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::gate::Principal;
use crate::model::{AccountId, Clock, Entropy, RoleName, SessionId, SystemClock, SystemEntropy, Timestamp};
use crate::token::{
    AccessGrant, Algorithm, AssertionMint, KeyRing, Mint, Person, RequestBinding, Settings, SigningKey,
    Verifier,
};
use crate::tower_layer::GateLayer;

/// `iss` of everything the kit makes; no gateway can have this address (RFC 2606).
pub const ISSUER: &str = "https://test-kit.invalid";
const AUDIENCE: &str = "stagedoor";
const LIFE: Duration = Duration::from_secs(600);

/// A person who has signed in.
#[derive(Clone, Debug)]
pub struct TestPerson {
    grant: AccessGrant,
    ago: Duration,
}

impl TestPerson {
    /// Somebody with a password, no role and an address at `example.org`; ids are drawn anew.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let entropy: &dyn Entropy = &SystemEntropy;
        let mailbox: String = name.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        let grant = AccessGrant {
            account: AccountId::random(entropy),
            session: SessionId::random(entropy),
            email: format!("{mailbox}@example.org"),
            email_verified: true,
            name: name.to_owned(),
            roles: Vec::new(),
            permissions: Vec::new(),
            amr: vec!["pwd".into()],
            auth_time: Timestamp::default(),
        };
        Self { grant, ago: Duration::ZERO }
    }

    /// With one more role.
    ///
    /// # Panics
    /// When the text is no name for a role.
    #[must_use]
    pub fn role(mut self, name: &str) -> Self {
        self.grant.roles.push(RoleName::parse(name).expect("a name for a role"));
        self
    }

    /// With one more permission, as a role would grant it (`events.*` and `*` are wildcards). A layer made by
    /// `from_policy` goes by the roles instead, as the gateway does.
    #[must_use]
    pub fn permission(mut self, name: &str) -> Self {
        self.grant.permissions.push(name.to_owned());
        self
    }

    /// With a second factor.
    #[must_use]
    pub fn mfa(mut self) -> Self {
        self.grant.amr = ["pwd", "otp", "mfa"].map(str::to_owned).into();
        self
    }

    /// Signed in so long ago.
    #[must_use]
    pub fn signed_in_ago(mut self, ago: Duration) -> Self {
        self.ago = ago;
        self
    }

    /// The account's id, for paths such as `/users/{id}`.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.grant.account
    }

    /// The sign-in's id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.grant.session
    }

    /// What a layer leaves in the extensions; for handlers that are tested without one.
    #[must_use]
    pub fn principal(&self, now: Timestamp) -> Principal {
        let g = self.at(now);
        Principal {
            id: g.account,
            session: g.session,
            email: g.email,
            email_verified: g.email_verified,
            name: g.name,
            roles: g.roles,
            permissions: g.permissions,
            amr: g.amr,
            auth_time: g.auth_time,
            expires: now.after(LIFE),
        }
    }

    fn at(&self, now: Timestamp) -> AccessGrant {
        AccessGrant { auth_time: Timestamp::from_secs(now.before(self.ago).secs()), ..self.grant.clone() }
    }
}

/// What stands in for a gateway: a key of its own, and whatever that signs.
pub struct TestIssuer {
    keys: Arc<ArcSwap<KeyRing>>,
    settings: Settings,
    clock: Arc<dyn Clock>,
}

impl TestIssuer {
    /// With a new ES256 key and the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// The same with another clock; give it to the layers as well.
    ///
    /// # Panics
    /// When the cryptographic library makes no key.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let key = SigningKey::generate(Algorithm::ES256, clock.now(), &SystemEntropy).expect("a key");
        let ring = KeyRing::from_keys(vec![key]).expect("a ring of one key");
        let settings = Settings {
            algorithm: Algorithm::ES256,
            access_ttl: LIFE,
            assertion_ttl: Duration::from_secs(60),
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            leeway: Duration::from_secs(5),
            cache_entries: 100,
        };
        Self { keys: Arc::new(ArcSwap::from_pointee(ring)), settings, clock }
    }

    /// Its public keys, as a gateway publishes them.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.keys.load().jwks().to_string()
    }

    /// For [`GateLayer::from_policy`].
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.keys.load_full(), &self.settings)
    }

    /// The layer of a service behind the gateway, called `audience` there.
    ///
    /// # Panics
    /// Never: the key set is one.
    #[must_use]
    pub fn gate_layer(&self, audience: &str) -> GateLayer {
        let layer = GateLayer::from_keys(&self.jwks(), audience).expect("a key set");
        layer.issuer(ISSUER).clock(Arc::clone(&self.clock))
    }

    /// An access token: `Authorization: Bearer …`.
    #[must_use]
    pub fn access(&self, person: &TestPerson) -> String {
        self.access_at(person, self.clock.now())
    }

    /// One that has ended a minute ago.
    #[must_use]
    pub fn ended_access(&self, person: &TestPerson) -> String {
        self.access_at(person, self.clock.now().before(LIFE + Duration::from_secs(60)))
    }

    fn access_at(&self, person: &TestPerson, at: Timestamp) -> String {
        let mint = Mint::new(Arc::clone(&self.keys), self.settings.clone(), Arc::new(SystemEntropy));
        mint.access(&person.at(at), at).0
    }

    /// An assertion for the service called `audience`: `X-Auth-Assertion: …`.
    #[must_use]
    pub fn assertion(&self, person: &TestPerson, audience: &str) -> String {
        self.sign(person, audience, None)
    }

    /// One that is bound to a request, as with `assertion: request`.
    #[must_use]
    pub fn assertion_for(&self, person: &TestPerson, audience: &str, request: &RequestBinding<'_>) -> String {
        self.sign(person, audience, Some(request))
    }

    fn sign(&self, person: &TestPerson, audience: &str, request: Option<&RequestBinding<'_>>) -> String {
        let now = self.clock.now();
        let mint = AssertionMint::new(Arc::clone(&self.keys), &self.settings, Arc::new(SystemEntropy));
        mint.mint(&Person::from(&person.at(now)), audience, request, now).0
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestIssuer")
    }
}
