//! Writes refusals: a page for a person, a problem document (RFC 9457) for a program, the sign-in page
//! for a person who only has to sign in.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::ctx::REQUEST_ID;
use crate::gate::{ClientKind, CookieNames, HeadRefusal, Refusal, RequestHead, Snapshot};
use crate::model::RequestId;

/// Renders a readable page: status, title, sentence, request id -> HTML.
pub type Pages = Box<dyn Fn(u16, &str, &str, &str) -> String + Send + Sync>;

/// What every answer of ours carries (C-08).
const COMMON: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";
/// For answers that nobody has to look at.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// An answer, ready to be written.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    pub(super) close: bool,
}

/// The answer to a refused request.
pub(super) fn refused(
    refusal: Refusal,
    head: Option<&RequestHead<'_>>,
    snapshot: &Snapshot,
    pages: &Pages,
    id: RequestId,
) -> Answer {
    let kind = head.map_or(ClientKind::Program, |h| ClientKind::of(h.method, h.headers));
    let navigation = kind == ClientKind::Navigation;
    if refusal == Refusal::Unencrypted {
        // Nothing said without TLS may promise anything about TLS (RFC 6797 section 7.2).
        return match head.filter(|head| navigation && head.method.is_safe()) {
            Some(head) => to_https(head, snapshot),
            None => problem(refusal, id),
        };
    }
    let mut answer = match head {
        Some(head) if navigation && refusal.leads_to_sign_in() => to_sign_in(refusal, head, snapshot),
        _ if navigation && !matches!(refusal, Refusal::Head(_)) => page(refusal, pages, id),
        _ => problem(refusal, id),
    };
    if snapshot.settings().secure_cookies() {
        answer.headers.push(hsts());
    }
    answer
}

/// What every answer carries where people come by https (C-08).
fn hsts() -> (HeaderName, HeaderValue) {
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"))
}

/// To the sign-in page, and back to where the person wanted to go: for a GET there, else to its home page.
fn to_sign_in(refusal: Refusal, head: &RequestHead<'_>, snapshot: &Snapshot) -> Answer {
    let target = match head.query {
        Some(query) => format!("{}?{query}", head.path),
        None => head.path.to_owned(),
    };
    let prefix = &snapshot.settings().auth_prefix;
    let location = match snapshot.way_back(refusal, head.method.is_safe().then_some(&*target)) {
        Some(query) => format!("{prefix}/login/?{query}"),
        None => format!("{prefix}/login/"),
    };
    let mut answer = nothing(303);
    if let Ok(value) = HeaderValue::from_str(&location) {
        answer.headers.push((header::LOCATION, value));
    }
    answer
}

/// A browser, to the same place by TLS. Programs are told instead: they would send their secrets twice.
fn to_https(head: &RequestHead<'_>, snapshot: &Snapshot) -> Answer {
    let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut headers = common();
    let location = format!("{}{}{query}", snapshot.settings().public_url, head.path);
    if let Ok(value) = HeaderValue::from_str(&location) {
        headers.push((header::LOCATION, value));
    }
    Answer { status: 308, headers, body: Bytes::new(), close: true }
}

fn page(refusal: Refusal, pages: &Pages, id: RequestId) -> Answer {
    let html = pages(refusal.status(), refusal.title(), refusal.detail(), &id.to_string());
    let mut headers = with_challenge(refusal);
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")));
    headers.push((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)));
    Answer { status: refusal.status(), headers, body: html.into(), close: refusal.closes() }
}

pub(super) fn problem(refusal: Refusal, id: RequestId) -> Answer {
    let mut headers = with_challenge(refusal);
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
    headers.push((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOTHING)));
    Answer {
        status: refusal.status(),
        headers,
        body: problem_body(refusal, id).into(),
        close: refusal.closes(),
    }
}

/// An answer without a word.
pub(super) fn nothing(status: u16) -> Answer {
    let mut headers = common();
    headers.push((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOTHING)));
    Answer { status, headers, body: Bytes::new(), close: false }
}

/// The problem document; a 401 has nothing of its own, but for the request id in a field.
fn problem_body(refusal: Refusal, id: RequestId) -> String {
    let mut body = refusal.problem();
    if let Some(map) = body.as_object_mut().filter(|_| refusal.status() != 401) {
        map.insert("request_id".into(), id.to_string().into());
    }
    body.to_string()
}

fn common() -> Vec<(HeaderName, HeaderValue)> {
    COMMON.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect()
}

fn with_challenge(refusal: Refusal) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = common();
    if let Some(challenge) = refusal.challenge() {
        headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
    }
    if refusal == Refusal::Head(HeadRefusal::WebSocketVersion) {
        headers.push((header::UPGRADE, HeaderValue::from_static("websocket")));
        headers.push((header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    if let Some(wait) = refusal.retry_after() {
        headers.push((header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1))));
    }
    headers
}

/// Writes an answer to the client.
pub(super) async fn write(
    session: &mut Session,
    answer: Answer,
    extra: &[(HeaderName, HeaderValue)],
) -> Result<()> {
    let mut head = ResponseHeader::build(answer.status, Some(answer.headers.len() + extra.len() + 2))?;
    for (name, value) in answer.headers.iter().chain(extra) {
        head.append_header(name.clone(), value.clone())?;
    }
    head.set_content_length(answer.body.len())?;
    if answer.close {
        session.set_keepalive(None);
    }
    let silent = answer.body.is_empty() || session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(head), silent).await?;
    if !silent {
        session.write_response_body(Some(answer.body), true).await?;
    }
    Ok(())
}

/// The whole answer as bytes, for a client whose head was not even read; the connection ends with it.
pub(super) fn raw(refusal: Refusal, id: RequestId, https: bool) -> Vec<u8> {
    let mut answer = problem(refusal, id);
    answer.headers.extend(https.then(hsts));
    answer.headers.extend(HeaderValue::try_from(id.to_string()).map(|id| (REQUEST_ID, id)));
    let reason = StatusCode::from_u16(answer.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("");
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", answer.status);
    for (name, value) in &answer.headers {
        let _ = write!(text, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    let _ = write!(text, "content-length: {}\r\nconnection: close\r\n\r\n", answer.body.len());
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&answer.body);
    bytes
}

/// A status that announces another answer (RFC 9110 section 15.2); 101 is an answer itself.
pub(super) fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// Tokens of one person must not end up in anybody's shared cache.
pub(super) fn keep_private(response: &mut ResponseHeader) -> Result<()> {
    for name in ["expires", "surrogate-control", "cdn-cache-control"] {
        response.remove_header(name);
    }
    response.insert_header(header::CACHE_CONTROL, "private, no-store")
}

/// Where people come by https, an application's answer says so too; unless the application has said something itself.
pub(super) fn keep_encrypted(response: &mut ResponseHeader, https: bool) -> Result<()> {
    if !https || response.headers.contains_key(header::STRICT_TRANSPORT_SECURITY) {
        return Ok(());
    }
    let (name, value) = hsts();
    response.insert_header(name, value)
}

/// Takes cookies of our names out of an upstream's answer: they are ours to set (I-18).
pub(super) fn without_our_cookies(response: &mut ResponseHeader) -> Result<()> {
    if !response.headers.contains_key(header::SET_COOKIE) {
        return Ok(());
    }
    let all: Vec<HeaderValue> = response.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    response.remove_header(&header::SET_COOKIE);
    for cookie in all.into_iter().filter(|c| !sets_ours(c)) {
        response.append_header(header::SET_COOKIE, cookie)?;
    }
    Ok(())
}

/// Whether a `Set-Cookie` value sets a cookie of ours.
pub(super) fn sets_ours(cookie: &HeaderValue) -> bool {
    let text = String::from_utf8_lossy(cookie.as_bytes());
    CookieNames::is_ours(text.split(['=', ';']).next().unwrap_or_default())
}
