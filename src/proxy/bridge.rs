//! Serves our own endpoints inside the proxy: reads the (small) body, calls the application, writes its answer. No
//! second listener, no second process, no headers to be trusted between the two.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, Response, header};
use pingora::http::ResponseHeader;
use pingora::prelude::timeout;
use pingora::proxy::Session;
use pingora::{ErrorType, OrErr, Result};

use super::head::Client;
use crate::gate::{Own, Refusal};

/// Our own endpoints, seen from the proxy.
#[async_trait]
pub trait OwnApp: Send + Sync + 'static {
    /// Answers one request for a path under the prefix.
    async fn call(&self, request: Request<Bytes>, own: Own, client: Client) -> Response<Bytes>;
}

/// Bytes of a body that any of our endpoints may get; each checks its own, smaller limit.
const MAX_BODY: usize = 64 * 1024;
/// Time for the whole body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Fields that belong to one connection (RFC 9110 section 7.6.1); never taken over from the application.
const HOP_BY_HOP: [HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, HeaderName::from_static("keep-alive")];

/// The request as the application sees it: canonical path, whole body.
///
/// # Errors
/// A refusal (outer `Ok`) for a body that is too large or too slow; an error when the client has gone.
pub(super) async fn read(session: &mut Session, own: &Own) -> Result<Result<Request<Bytes>, Refusal>> {
    let body = match read_body(session).await? {
        Ok(body) => body,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut parts = session.req_header().as_owned_parts();
    let target = match parts.uri.query() {
        Some(query) => format!("{}?{query}", own.path),
        None => own.path.clone(),
    };
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
    parts.uri = target.parse().or_err(ErrorType::InternalError, "canonical path")?;
    Ok(Ok(Request::from_parts(parts, body)))
}

async fn read_body(session: &mut Session) -> Result<Result<Bytes, Refusal>> {
    let declared = content_length(session);
    if declared > MAX_BODY as u64 {
        return Ok(Err(Refusal::BodyTooLarge));
    }
    if session.is_body_empty() {
        return Ok(Ok(Bytes::new()));
    }
    if session.req_header().headers.contains_key(header::EXPECT) {
        // Writing the 100 turns keep-alive off in Pingora; put back what was decided from the head.
        let kept = session.get_keepalive();
        session.write_continue_response().await?;
        session.set_keepalive(kept);
    }
    match timeout(BODY_TIME, collect(session, declared)).await {
        Ok(body) => body,
        Err(_) => Ok(Err(Refusal::BodyTooSlow)),
    }
}

async fn collect(session: &mut Session, declared: u64) -> Result<Result<Bytes, Refusal>> {
    let mut body = BytesMut::with_capacity(usize::try_from(declared).unwrap_or(0));
    while let Some(chunk) = session.read_request_body().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(Err(Refusal::BodyTooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Ok(body.freeze()))
}

/// What the head says about the body, in bytes; 0 when it says nothing.
pub(super) fn content_length(session: &Session) -> u64 {
    let field = session.req_header().headers.get(header::CONTENT_LENGTH);
    field.and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// Writes the application's answer.
pub(super) async fn write(
    session: &mut Session,
    response: Response<Bytes>,
    extra: &[(HeaderName, HeaderValue)],
) -> Result<()> {
    let (parts, body) = response.into_parts();
    let mut head = ResponseHeader::build(parts.status, Some(parts.headers.len() + extra.len() + 1))?;
    for (name, value) in &parts.headers {
        if !HOP_BY_HOP.contains(name) && name != header::CONTENT_LENGTH {
            head.append_header(name.clone(), value.clone())?;
        }
    }
    for (name, value) in extra {
        if *name == header::SET_COOKIE {
            head.insert_header(header::CACHE_CONTROL, "private, no-store")?;
        }
        head.append_header(name.clone(), value.clone())?;
    }
    let bodiless =
        parts.status == http::StatusCode::NO_CONTENT || parts.status == http::StatusCode::NOT_MODIFIED;
    if !bodiless {
        head.set_content_length(body.len())?;
    }
    let silent = bodiless || body.is_empty() || session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(head), silent).await?;
    if !silent {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}
