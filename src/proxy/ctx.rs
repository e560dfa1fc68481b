//! What one request carries from phase to phase.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::drain::Served;
use super::head::Client;
use super::pace::Pace;
use super::sweep::SoFar;
use super::upstream::Onward;
use crate::gate::{Permit, Refusal};
use crate::model::{ClientIp, Entropy, RequestId, Timestamp};

/// `X-Request-Id`.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request's state.
pub struct Ctx {
    /// When it arrived; the only reading of the clock.
    pub(super) now: Timestamp,
    /// Its id in logs and headers.
    pub(super) id: RequestId,
    /// Whose it is.
    pub(super) client_ip: Option<ClientIp>,
    /// The trusted proxies it came through, ours first.
    pub(super) proxies: Vec<ClientIp>,
    /// The place of the rule that decided, from 1.
    pub(super) rule: Option<usize>,
    /// Leave to reach an upstream; without it no peer can be built.
    pub(super) permit: Option<Permit>,
    /// Where it is on its way to an upstream and back.
    pub(super) onward: Onward,
    /// Cookies to set with the answer, after a refresh on the way.
    pub(super) cookies: Vec<HeaderValue>,
    /// A refresh token that was looked at and is exchanged when the answer goes out.
    pub(super) unsettled: Option<String>,
    /// Bytes of the request body so far, and how many there may be.
    pub(super) body: (u64, u64),
    /// How fast the client sends the body, and how fast it takes the answer.
    pub(super) paces: (Pace, Pace),
    /// Why it was refused.
    pub(super) refusal: Option<Refusal>,
    /// What went wrong where the fault is not the client's.
    pub(super) cause: Option<String>,
    /// The id as a header value, once it was needed.
    pub(super) id_value: Option<HeaderValue>,
    /// What had happened to tokens and rules before the gate was asked.
    pub(super) news: SoFar,
    /// Keeps the gateway from stopping before the request is finished.
    pub(super) _in_flight: Served,
}

impl Ctx {
    /// The id as a header value.
    pub(super) fn id_value(&mut self) -> HeaderValue {
        let make = || HeaderValue::try_from(self.id.to_string()).unwrap_or(HeaderValue::from_static(""));
        self.id_value.get_or_insert_with(make).clone()
    }
}

/// What every answer carries, whoever made it.
pub(super) fn answer_fields(ctx: &mut Ctx) -> Vec<(HeaderName, HeaderValue)> {
    let id = (REQUEST_ID, ctx.id_value());
    ctx.cookies.iter().map(|c| (header::SET_COOKIE, c.clone())).chain([id]).collect()
}

/// Whom our own endpoints serve.
pub(super) fn client_of(headers: &HeaderMap, ctx: &Ctx) -> Client {
    let agent = headers.get(header::USER_AGENT).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    Client {
        ip: ctx.client_ip.unwrap_or(ClientIp::UNKNOWN),
        user_agent: agent.unwrap_or_default(),
        request_id: ctx.id,
    }
}

/// Makes request ids: unique in this process, unpredictable across processes, without asking the system
/// for randomness each time.
pub(super) struct RequestIds {
    prefix: [u8; 8],
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        Self { prefix: entropy.bytes(), next: AtomicU64::new(u64::from_le_bytes(entropy.bytes()) >> 1) }
    }

    pub(super) fn next(&self) -> RequestId {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.prefix);
        bytes[8..].copy_from_slice(&n.to_be_bytes());
        RequestId::from_bytes(bytes)
    }
}
