//! What the gateway found out about a request before it reached us, as request extensions.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use crate::account::{Me, Origin};
use crate::gate::{CrossSite, Principal};
use crate::model::{AccountId, ClientIp, RequestId, Secret, SessionId};
use crate::web::error::Problem;

/// Who is connected. Without it nothing of ours answers: a front that forgot it must not go unnoticed.
#[derive(Clone, Copy, Debug)]
pub struct ClientInfo {
    /// The client's address.
    pub ip: ClientIp,
    /// The request.
    pub request_id: RequestId,
    /// Which site the request was made from.
    pub cross_site: CrossSite,
    /// Whether a cookie of ours (access or refresh) took part.
    pub cookie_auth: bool,
}

/// Who is asking; `None`: nobody we know.
#[derive(Clone, Debug, Default)]
pub struct Caller(pub Option<Arc<Principal>>);

/// The credentials as they were sent, also those that do not let anyone in any more.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// From the access token: its signature was right, it may have expired.
    pub access_session: Option<(AccountId, SessionId)>,
    /// From the refresh cookie.
    pub refresh: Option<Secret>,
    /// From the device cookie.
    pub device: Option<Secret>,
}

/// Whoever is signed in; 401 for everybody else.
pub struct Member(pub Me);

/// Marks a request whose refresh cookie could not be looked at: whether somebody is signed in is not known now, and must
/// not be answered with "nobody".
#[derive(Clone, Copy, Debug)]
pub struct Unsure;

/// The request as the use cases want to know it.
pub struct Visitor(pub Origin);

/// More of a user agent is not kept.
const MAX_USER_AGENT: usize = 256;

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let info = parts.extensions.get::<ClientInfo>().ok_or_else(Problem::internal)?;
        let agent = parts.headers.get(USER_AGENT).map(|v| String::from_utf8_lossy(v.as_bytes()));
        let mut user_agent = agent.unwrap_or_default().into_owned();
        user_agent.truncate(user_agent.floor_char_boundary(MAX_USER_AGENT));
        let device = parts.extensions.get::<Presented>().and_then(|p| p.device.clone());
        Ok(Self(Origin { ip: info.ip, user_agent, request_id: info.request_id, device }))
    }
}

impl<S: Sync> FromRequestParts<S> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().and_then(|c| c.0.clone());
        let p = caller.ok_or_else(|| nobody(&parts.extensions))?;
        Ok(Self(Me { account: p.id, session: p.session, auth_time: p.auth_time, amr: p.amr.clone() }))
    }
}

/// What is answered where somebody has to be signed in and nobody seems to be.
fn nobody(extensions: &Extensions) -> Problem {
    if extensions.get::<Unsure>().is_some() { Problem::later() } else { Problem::unauthenticated() }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

impl<S: Sync> FromRequestParts<S> for Presented {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
