//! The response future of layers that decide at once: the inner one, or a refusal. Nothing is boxed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

use super::refusal::answer;
use crate::gate::Refusal;

pin_project! {
    /// The answer of a [`PolicyService`](super::PolicyService) or [`RequireService`](super::RequireService).
    #[project = Projected]
    pub struct Guarded<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = ProjectedState]
    enum State<F> {
        Inner { #[pin] future: F },
        Refused { refusal: Refusal },
    }
}

impl<F> Guarded<F> {
    pub(super) fn inner(future: F) -> Self {
        Self { state: State::Inner { future } }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self { state: State::Refused { refusal } }
    }
}

impl<F, ResBody, E> Future for Guarded<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: From<String>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            ProjectedState::Inner { future } => future.poll(cx),
            ProjectedState::Refused { refusal } => Poll::Ready(Ok(answer(*refusal))),
        }
    }
}
