//! The layer and its choices.

use std::sync::Arc;

use tower_layer::Layer;

use super::identity::IdentityHeaders;
use super::jwks::{KeySource, KeySourceError, Source};
use super::service::GateService;
use crate::gate::IdentityNames;
use crate::model::{Clock, SystemClock};
use crate::token::JwksError;

/// Gives requests the identity that Stagedoor vouches for; see the [module](super).
///
/// Cloning is cheap and all clones share one set of fetched keys, so that one layer may be put on many
/// routes.
#[derive(Clone)]
pub struct GateLayer {
    gate: Arc<Gate>,
}

/// What layer, service and future share.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) keys: Source,
    pub(super) headers: IdentityHeaders,
    pub(super) issuer: Option<String>,
    pub(super) clock: Arc<dyn Clock>,
}

impl GateLayer {
    /// A layer for a service that runs behind Stagedoor.
    ///
    /// `jwks_url` is where the gateway publishes its keys: its address and `auth_prefix` with
    /// `/.well-known/jwks.json` behind it, `http` or `https`. `audience` is the name of this service among
    /// the `upstreams` of the gateway's configuration; an assertion made for another upstream is refused.
    ///
    /// Nothing is fetched yet: the first request with an assertion does that.
    ///
    /// # Errors
    /// [`KeySourceError`] when the URL is not an absolute `http` or `https` URL, or when it is `https` and
    /// the machine has no trusted certificates.
    pub fn from_gateway(jwks_url: &str, audience: &str) -> Result<Self, KeySourceError> {
        Ok(Self::with(Source::Fetched(Arc::new(KeySource::new(jwks_url, audience)?))))
    }

    /// The same with a key set (JSON text) that never changes, for tests and for places from where the gateway cannot be
    /// reached. When its keys change, assertions are refused until somebody makes the layer anew.
    ///
    /// # Errors
    /// [`JwksError`] when the set is malformed or has no key for us.
    pub fn from_keys(jwks: &str, audience: &str) -> Result<Self, JwksError> {
        Ok(Self::with(Source::given(jwks, audience)?))
    }

    fn with(keys: Source) -> Self {
        let gate = Gate {
            keys,
            headers: IdentityHeaders::new(&IdentityNames::default()),
            issuer: None,
            clock: Arc::new(SystemClock::new()),
        };
        Self { gate: Arc::new(gate) }
    }

    /// Also asks for this `iss`: the `token.issuer` of the gateway, by default its `public_url`.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.gate).issuer = Some(issuer.into());
        self
    }

    /// Other header names, when the gateway's configuration names them differently for this upstream.
    #[must_use]
    pub fn names(mut self, names: &IdentityNames) -> Self {
        Arc::make_mut(&mut self.gate).headers = IdentityHeaders::new(names);
        self
    }

    /// Another clock than the machine's; for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        Arc::make_mut(&mut self.gate).clock = clock;
        self
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> GateService<S> {
        GateService::new(inner, Arc::clone(&self.gate))
    }
}

impl std::fmt::Debug for GateLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = match &self.gate.keys {
            Source::Fetched(source) => format!("{source:?}"),
            Source::Given(_) => "given".to_owned(),
        };
        f.debug_struct("GateLayer").field("keys", &from).finish_non_exhaustive()
    }
}
