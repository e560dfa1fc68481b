//! The response future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::admit::admit;
use super::jwks::{Keys, KeysUnavailable};
use super::layer::Gate;
use super::refusal::Refusal;

type Fetch = Pin<Box<dyn Future<Output = Result<Arc<Keys>, KeysUnavailable>> + Send>>;

/// What waits while keys are fetched: the request, the service it is for, its assertion.
type Held<S, B> = (Request<B>, S, String);

pin_project! {
    /// The answer of a [`GateService`](super::GateService): the inner one, or a refusal.
    pub struct ResponseFuture<S, B, ResBody>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
        body: std::marker::PhantomData<fn() -> ResBody>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, B, F> {
        Inner { #[pin] future: F },
        // Boxed: rare, and its type has no name.
        Fetching { fetch: Fetch, gate: Arc<Gate>, held: Option<Box<Held<S, B>>> },
        Refused { refusal: Refusal },
    }
}

impl<S, B, ResBody> ResponseFuture<S, B, ResBody>
where
    S: Service<Request<B>>,
{
    pub(super) fn inner(future: S::Future) -> Self {
        Self::from_state(State::Inner { future })
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::from_state(State::Refused { refusal })
    }

    pub(super) fn fetching(
        later: impl Future<Output = Result<Arc<Keys>, KeysUnavailable>> + Send + 'static,
        gate: Arc<Gate>,
        held: Held<S, B>,
    ) -> Self {
        Self::from_state(State::Fetching { fetch: Box::pin(later), gate, held: Some(Box::new(held)) })
    }

    fn from_state(state: State<S, B, S::Future>) -> Self {
        Self { state, body: std::marker::PhantomData }
    }
}

impl<S, B, ResBody> Future for ResponseFuture<S, B, ResBody>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: From<String>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                Projected::Inner { future } => return future.poll(cx),
                Projected::Refused { refusal } => return Poll::Ready(Ok(refusal.response())),
                Projected::Fetching { fetch, gate, held } => {
                    let keys = ready!(fetch.as_mut().poll(cx));
                    let held = held.take().expect("the state changes as soon as the fetch is over");
                    go_on(gate, keys, *held)
                }
            };
            state.set(next);
        }
    }
}

/// The second and last look, with the keys that could be had.
fn go_on<S, B>(
    gate: &Gate,
    keys: Result<Arc<Keys>, KeysUnavailable>,
    (mut request, mut inner, assertion): Held<S, B>,
) -> State<S, B, S::Future>
where
    S: Service<Request<B>>,
{
    let admitted = match keys {
        Ok(keys) => admit(gate, &keys.verifier, &assertion, &mut request),
        Err(KeysUnavailable(wait)) => Err(Refusal::NoKeys(wait)),
    };
    match admitted {
        Ok(()) => State::Inner { future: inner.call(request) },
        Err(refusal) => State::Refused { refusal },
    }
}
