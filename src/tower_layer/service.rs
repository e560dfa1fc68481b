//! The service: decides at once if it can, and leaves waiting to the future.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::admit::admit;
use super::future::ResponseFuture;
use super::identity::Presented;
use super::jwks::{KeySource, Source};
use super::layer::Gate;
use super::refusal::Refusal;
use crate::model::ClientIp;

/// A service behind a [`GateLayer`](super::GateLayer).
#[derive(Clone)]
pub struct GateService<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> GateService<S> {
    pub(super) fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }

    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

/// What a look at the request gave.
enum Look {
    /// Ready for the service inside.
    Pass,
    Refuse(Refusal),
    /// Later keys than these are needed first.
    Fetch {
        source: Arc<KeySource>,
        assertion: String,
        seen: Option<u64>,
    },
}

/// Later keys may know better.
const UNKNOWN_KEY: Refusal = Refusal::Assertion("token_key_unknown");

impl Gate {
    fn look<B>(&self, request: &mut Request<B>) -> Look {
        let assertion = match self.headers.read(request.headers()) {
            Ok(Presented::Nothing) => {
                // Nothing proves that this came through the gateway, and its peer may be the gateway: nobody's address.
                request.extensions_mut().insert(ClientIp::UNKNOWN);
                return Look::Pass;
            }
            Ok(Presented::Assertion(assertion)) => assertion,
            Err(refusal) => return Look::Refuse(refusal),
        };
        let admitted = match self.keys.at_hand(&self.clock) {
            Some(keys) => {
                admit(self, &keys.verifier, &assertion, request).map_err(|r| (r, Some(keys.generation)))
            }
            None => Err((UNKNOWN_KEY, None)),
        };
        match (admitted, &self.keys) {
            (Ok(()), _) => Look::Pass,
            (Err((UNKNOWN_KEY, seen)), Source::Fetched(source)) => {
                Look::Fetch { source: Arc::clone(source), assertion, seen }
            }
            (Err((refusal, _)), _) => Look::Refuse(refusal),
        }
    }
}

impl<S, B, ResBody> Service<Request<B>> for GateService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    ResBody: From<String>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.gate.look(&mut request) {
            Look::Pass => ResponseFuture::inner(self.inner.call(request)),
            Look::Refuse(refusal) => ResponseFuture::refused(refusal),
            Look::Fetch { source, assertion, seen } => {
                let later = source.later_than(seen, Arc::clone(&self.gate.clock));
                // The future takes the instance that was polled ready; the clone waits for its own turn.
                let next = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, next);
                ResponseFuture::fetching(later, Arc::clone(&self.gate), (request, inner, assertion))
            }
        }
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for GateService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
