//! The gateway's public keys: fetched when first needed, kept, fetched again when an unknown key turns up.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Mutex;

use crate::model::Clock;
use crate::token::{AssertionVerifier, JwksError};

/// A whole fetch, from the connection to the last byte.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A key set of a hundred RSA keys is smaller.
const MAX_BYTES: usize = 64 * 1024;
/// The least time between two fetches that unknown keys ask for; anybody can invent a `kid`.
const BETWEEN_FETCHES: Duration = Duration::from_secs(10);
/// The least time after a failed fetch.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// From this age on keys are fetched again beside the requests, so that a withdrawn key is forgotten.
const AGING: Duration = Duration::from_secs(5 * 60);
/// Older keys are not used at all.
const TOO_OLD: Duration = Duration::from_secs(15 * 60);

/// The layer cannot be made from this URL.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// Not an absolute `http` or `https` URL.
    #[error("{0:?} is not an absolute http or https URL")]
    Url(String),
    /// No certificates to check an `https` gateway with.
    #[error("no trusted certificates found on this machine: {0}")]
    Roots(#[source] std::io::Error),
    /// The TLS library does not accept its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Why a fetch brought no keys. Goes to the log, not to the client.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("no answer within {} s", FETCH_TIMEOUT.as_secs())]
    TimedOut,
    #[error("no connection: {0}")]
    Connect(#[from] hyper_util::client::legacy::Error),
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("the body broke off or is longer than {MAX_BYTES} bytes: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("not a key set: {0}")]
    KeySet(String),
}

/// The keys cannot be had; worth another try after this time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct KeysUnavailable(pub(super) Duration);

/// One fetched key set.
pub(super) struct Keys {
    pub(super) verifier: AssertionVerifier,
    /// Counts the fetches; a request that saw this one may ask for a later one.
    pub(super) generation: u64,
    fetched: Duration,
}

/// Where the layer has its keys from.
#[derive(Clone)]
pub(super) enum Source {
    /// The gateway's address.
    Fetched(Arc<KeySource>),
    /// Whoever made the layer.
    Given(Arc<Keys>),
}

impl Source {
    /// Keys that never change.
    pub(super) fn given(json: &str, audience: &str) -> Result<Self, JwksError> {
        let verifier = AssertionVerifier::from_jwks(json, audience)?;
        Ok(Self::Given(Arc::new(Keys { verifier, generation: 0, fetched: Duration::ZERO })))
    }

    /// See [`KeySource::at_hand`].
    pub(super) fn at_hand(&self, clock: &Arc<dyn Clock>) -> Option<Arc<Keys>> {
        match self {
            Self::Fetched(source) => source.at_hand(clock),
            Self::Given(keys) => Some(Arc::clone(keys)),
        }
    }
}

/// How the last fetch went. Whoever holds it is the one who may fetch.
#[derive(Default)]
struct Turn {
    last: Option<Duration>,
    failed: bool,
    generation: u64,
}

impl Turn {
    /// How long to wait before another fetch, `None` if it may start.
    fn wait(&self, now: Duration) -> Option<Duration> {
        let pause = if self.failed { AFTER_FAILURE } else { BETWEEN_FETCHES };
        let left = (self.last? + pause).saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }
}

/// Where keys come from and the last ones that came.
pub(super) struct KeySource {
    uri: Uri,
    audience: String,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    cached: ArcSwapOption<Keys>,
    turn: Arc<Mutex<Turn>>,
}

impl KeySource {
    pub(super) fn new(url: &str, audience: &str) -> Result<Self, KeySourceError> {
        let uri: Uri = url.parse().map_err(|_| KeySourceError::Url(url.to_owned()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(KeySourceError::Url(url.to_owned()));
        }
        let connector = connector(uri.scheme_str() == Some("https"))?;
        Ok(Self {
            uri,
            audience: audience.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            cached: ArcSwapOption::empty(),
            turn: Arc::default(),
        })
    }

    /// The keys at hand, unless they are too old. Starts a fetch beside the request when they age.
    pub(super) fn at_hand(self: &Arc<Self>, clock: &Arc<dyn Clock>) -> Option<Arc<Keys>> {
        let now = clock.monotonic();
        let keys = self.usable(now)?;
        if now.saturating_sub(keys.fetched) > AGING
            && let Ok(mut turn) = Arc::clone(&self.turn).try_lock_owned()
            && turn.wait(now).is_none()
        {
            let (this, clock) = (Arc::clone(self), Arc::clone(clock));
            tokio::spawn(async move { this.attempt(&mut turn, &*clock).await });
        }
        Some(keys)
    }

    /// Keys later than the generation `seen`, if there are any; else the ones at hand.
    ///
    /// However many requests ask, one fetch runs at a time and the others wait for what it brings. It runs
    /// on as its own task when the request that began it goes away: otherwise a client that hangs up in
    /// time could keep the gateway busy and everybody else without keys.
    pub(super) async fn later_than(
        self: Arc<Self>,
        seen: Option<u64>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Keys>, KeysUnavailable> {
        let mut turn = Arc::clone(&self.turn).lock_owned().await;
        let now = clock.monotonic();
        let usable = self.usable(now);
        if let Some(keys) = &usable
            && seen.is_none_or(|seen| keys.generation > seen)
        {
            return Ok(Arc::clone(keys));
        }
        if let Some(wait) = turn.wait(now) {
            return usable.filter(|_| !turn.failed).ok_or(KeysUnavailable(wait));
        }
        let fetch = tokio::spawn(async move { self.attempt(&mut turn, &*clock).await });
        fetch.await.unwrap_or(Err(KeysUnavailable(AFTER_FAILURE)))
    }

    fn usable(&self, now: Duration) -> Option<Arc<Keys>> {
        self.cached.load_full().filter(|keys| now.saturating_sub(keys.fetched) <= TOO_OLD)
    }

    async fn attempt(&self, turn: &mut Turn, clock: &dyn Clock) -> Result<Arc<Keys>, KeysUnavailable> {
        // Keys age from the moment they were asked for, not from when a slow answer came.
        let asked = clock.monotonic();
        let fetched = self.fetch().await;
        turn.last = Some(clock.monotonic());
        turn.failed = fetched.is_err();
        match fetched {
            Ok(verifier) => {
                turn.generation += 1;
                let keys = Arc::new(Keys { verifier, generation: turn.generation, fetched: asked });
                self.cached.store(Some(Arc::clone(&keys)));
                Ok(keys)
            }
            Err(error) => {
                tracing::warn!(url = %self.uri, %error, "the gateway's keys cannot be fetched");
                Err(KeysUnavailable(AFTER_FAILURE))
            }
        }
    }

    async fn fetch(&self) -> Result<AssertionVerifier, FetchError> {
        let body = tokio::time::timeout(FETCH_TIMEOUT, self.download())
            .await
            .map_err(|_| FetchError::TimedOut)??;
        let text = str::from_utf8(&body).map_err(|e| FetchError::KeySet(e.to_string()))?;
        AssertionVerifier::from_jwks(text, &self.audience).map_err(|e| FetchError::KeySet(e.to_string()))
    }

    async fn download(&self) -> Result<Bytes, FetchError> {
        let request = Request::get(&self.uri).header(header::ACCEPT, "application/json").body(Empty::new())?;
        // The client follows no redirects: keys come from the configured address or not at all.
        let response = self.client.request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.map_err(FetchError::Body)?;
        Ok(body.to_bytes())
    }
}

/// Names its TLS provider itself: with two of them linked into one program, rustls would refuse to choose.
fn connector(https: bool) -> Result<HttpsConnector<HttpConnector>, KeySourceError> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = HttpsConnectorBuilder::new();
    if https {
        let builder = builder.with_provider_and_native_roots(provider).map_err(KeySourceError::Roots)?;
        return Ok(builder.https_only().enable_http1().build());
    }
    // Plain http needs no certificates, and must start on a machine that has none.
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|e| KeySourceError::Tls(e.to_string()))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(builder.with_tls_config(config).https_or_http().enable_http1().build())
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySource")
            .field("url", &self.uri)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
