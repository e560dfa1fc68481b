//! The layer that stands alone: the same gate, the same rules, the same tokens as the gateway has, in a service's own
//! process.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::guarded::Guarded;
use super::{GateLayer, request};
use crate::gate::{
    AssertionMode, Gate, IdentityNames, Permit, Principal, Refusal, Renewed, Settings, Snapshot,
    SnapshotParts, UpstreamIdentity, Verdict,
};
use crate::model::{Clock, SystemClock, Timestamp};
use crate::policy::Policy;
use crate::token::{Revocations, Verifier};

/// How many verified tokens are remembered.
const CACHE_ENTRIES: usize = 10_000;

/// Enforces rules in this process; see the [module](super).
///
/// Cloning is cheap; clones share rules, keys and what they remember, so that one layer may be put on many routes.
#[derive(Clone)]
pub struct PolicyLayer {
    gate: Arc<Gate>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    public_url: Option<String>,
}

impl GateLayer {
    /// A layer for a service that stands alone: the rules of `policy` and tokens that `keys` believe.
    ///
    /// The rules are those of the gateway's configuration; read them with `config::rules` (feature `yaml`) or write
    /// them in Rust ([`PolicySource`](crate::policy::PolicySource)). For [`Verifier::from_jwks`] the key set is read
    /// once: [`PolicyLayer::enforce`] takes another one.
    #[must_use]
    pub fn from_policy(policy: impl Into<Arc<Policy>>, keys: &Verifier) -> PolicyLayer {
        let policy = policy.into();
        let revocations = Arc::new(Revocations::new());
        let gate = Gate::new(snapshot(&policy, keys, &revocations, None));
        PolicyLayer {
            gate: Arc::new(gate),
            revocations,
            clock: Arc::new(SystemClock::new()),
            public_url: None,
        }
    }
}

impl PolicyLayer {
    /// Scheme, host and port that people see, when it is not the issuer of the tokens. Cookies have the names of that
    /// scheme, and count for unsafe methods from that origin only.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        let now = self.gate.snapshot();
        let url = self.public_url.as_deref();
        self.gate = Arc::new(Gate::new(snapshot(now.policy(), now.verifier(), &self.revocations, url)));
        self
    }

    /// Another clock than the machine's; for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// From now on these rules and keys, also in all clones; requests under way finish under the old ones.
    pub fn enforce(&self, policy: impl Into<Arc<Policy>>, keys: &Verifier) {
        self.gate.swap(snapshot(&policy.into(), keys, &self.revocations, self.public_url.as_deref()));
    }

    /// Tokens that ended before their time. Nobody but you fills it: what is signed out elsewhere is not known here
    /// before its access token ends (`token.access_ttl`).
    #[must_use]
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    fn admit<B>(&self, request: &mut Request<B>) -> Result<(), Refusal> {
        let now: Timestamp = self.clock.now();
        let verdict = {
            let head = request::head(request)?;
            self.gate.decide(&head, now, &Renewed::NotHere)
        };
        match verdict {
            Verdict::Allow(permit) => let_through(&permit, request),
            Verdict::Refuse(refusal) => Err(refusal),
            Verdict::Own(_) | Verdict::Refresh(_) => Err(Refusal::Internal),
        }
    }
}

/// The service inside sees what it would see behind the gateway: the canonical path, the identity fields and nobody
/// else's, no credentials of ours.
fn let_through<B>(permit: &Permit, request: &mut Request<B>) -> Result<(), Refusal> {
    permit.rewrite(request.headers_mut());
    if let Some(target) = permit.target() {
        request::set_target(request, target)?;
    }
    match permit.caller() {
        Some(caller) => {
            request.extensions_mut().insert(Principal::clone(caller.principal()));
        }
        None => {
            request.extensions_mut().remove::<Principal>();
        }
    }
    Ok(())
}

fn snapshot(
    policy: &Arc<Policy>,
    keys: &Verifier,
    revocations: &Arc<Revocations>,
    public_url: Option<&str>,
) -> Snapshot {
    let mut names: Vec<&str> = policy.routes().iter().map(|r| r.upstream.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let identity = |name: &str| {
        UpstreamIdentity::new(name, &IdentityNames::default(), AssertionMode::Off)
            .expect("our names are header names")
    };
    let parts = SnapshotParts {
        policy: Arc::clone(policy),
        leeway: keys.leeway(),
        settings: Settings {
            public_url: public_url.unwrap_or(keys.issuer()).trim_end_matches('/').to_owned(),
            auth_prefix: String::new(),
        },
        verifier: keys.clone(),
        assertions: None,
        revocations: Arc::clone(revocations),
        returns: None,
        upstreams: names.into_iter().map(identity).collect(),
        cache_entries: CACHE_ENTRIES,
    };
    Snapshot::new(parts).expect("every upstream of a route is among them")
}

impl std::fmt::Debug for PolicyLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyLayer").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for PolicyLayer {
    type Service = PolicyService<S>;

    fn layer(&self, inner: S) -> PolicyService<S> {
        PolicyService { inner, layer: Arc::new(self.clone()) }
    }
}

/// A service behind a [`PolicyLayer`].
#[derive(Clone)]
pub struct PolicyService<S> {
    inner: S,
    layer: Arc<PolicyLayer>,
}

impl<S> PolicyService<S> {
    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, ResBody> Service<Request<B>> for PolicyService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: From<String>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Guarded<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.layer.admit(&mut request) {
            Ok(()) => Guarded::inner(self.inner.call(request)),
            Err(refusal) => Guarded::refused(refusal),
        }
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for PolicyService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
