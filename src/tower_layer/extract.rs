//! `Principal` as an axum extractor.

use std::convert::Infallible;

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, OptionalFromRequestParts, OriginalUri};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use super::refusal::Refusal;
use crate::gate::Principal;

/// A handler asked for a [`Principal`] and the request is anonymous: answered with 401 and a problem
/// document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("sign in first")]
pub struct SignInRequired;

impl IntoResponse for SignInRequired {
    fn into_response(self) -> Response {
        Refusal::Anonymous.response()
    }
}

/// The path before nested routers cut their prefixes off.
pub(super) fn original_path(extensions: &http::Extensions) -> Option<&str> {
    extensions.get::<OriginalUri>().map(|original| original.0.path())
}

/// The other end of the connection, where the server says it.
pub(super) fn peer(extensions: &http::Extensions) -> Option<SocketAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)
}

/// The person, in handlers behind a [`GateLayer`](super::GateLayer).
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = SignInRequired;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SignInRequired> {
        parts.extensions.get().cloned().ok_or(SignInRequired)
    }
}

/// `Option<Principal>`: the person, or nobody.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}
