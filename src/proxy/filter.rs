//! Pingora's phases. [`Front::request_filter`] asks the gate; everything after it works from the `Permit` that only an
//! allowed verdict leaves in the context.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use ipnet::IpNet;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorType, Result};

use super::bridge::{self, OwnApp};
use super::ctx::{Ctx, RequestIds};
use super::drain::Drain;
use super::exchange::{self, Answer, Exchanges};
use super::failure::refusal_of;
use super::forward;
use super::head::{self, Client};
use super::renewal::Renew;
use super::respond::{self, Pages, is_interim, keep_private, sets_ours};
use super::settings::Limits;
use super::tls::Tls;
use super::upstream::{Onward, UPGRADED_IDLE, Upstreams};
use crate::gate::{Gate, HeadRefusal, Own, Permit, Refusal, Renewed, Verdict};
use crate::metrics::Metrics;
use crate::model::{ClientIp, Clock, Entropy};

/// What the proxy is made of.
pub struct FrontParts {
    /// Decides.
    pub gate: Arc<Gate>,
    /// Where allowed requests go.
    pub upstreams: Arc<Upstreams>,
    /// Our own endpoints.
    pub own: Arc<dyn OwnApp>,
    /// Refreshes on the way.
    pub renew: Arc<dyn Renew>,
    /// Error pages.
    pub pages: Pages,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For request ids.
    pub entropy: Arc<dyn Entropy>,
    /// Knows whether the gateway is about to stop.
    pub drain: Arc<Drain>,
    /// Answers under way, to be cut when what allowed them ends.
    pub exchanges: Arc<Exchanges>,
    /// Limits on requests.
    pub limits: Limits,
    /// Whose `X-Forwarded-*` count.
    pub trusted_proxies: Vec<IpNet>,
    /// The listener with TLS; where there is one, the plain one only leads to it.
    pub tls: Option<Arc<Tls>>,
}

/// The proxy's application: implements Pingora's phases.
pub struct Front {
    parts: FrontParts,
    ids: RequestIds,
    scheme: HeaderValue,
}

/// `X-Request-Id`.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Front {
    /// Puts the proxy together.
    #[must_use]
    pub fn new(parts: FrontParts) -> Self {
        let secure = parts.gate.snapshot().settings().secure_cookies();
        let ids = RequestIds::new(&*parts.entropy);
        Self { parts, ids, scheme: HeaderValue::from_static(if secure { "https" } else { "http" }) }
    }

    /// What the guard in front of this shares with it.
    pub(super) fn parts(&self) -> &FrontParts {
        &self.parts
    }

    /// Decides, refreshing once on the way where that helps.
    async fn verdict(&self, session: &Session, ctx: &mut Ctx, ip: ClientIp) -> Verdict {
        if self.parts.tls.is_some() && !head::is_private(session, &self.parts.trusted_proxies) {
            return Verdict::Refuse(Refusal::Unencrypted);
        }
        let request = session.req_header();
        if request.version == http::Version::HTTP_2 && request.headers.len() > self.parts.limits.headers {
            return Verdict::Refuse(Refusal::Head(HeadRefusal::TooManyFields));
        }
        let head = match head::request_head(request, ip) {
            Ok(head) => head,
            Err(refusal) => return Verdict::Refuse(refusal),
        };
        match self.parts.gate.decide_by_rule(&head, ctx.now, &Renewed::NotTried, &mut ctx.rule) {
            Verdict::Refresh(token) => self.renew(&head, token, ctx).await,
            verdict => verdict,
        }
    }

    async fn serve_own(&self, session: &mut Session, ctx: &mut Ctx, own: Own) -> Result<Option<Refusal>> {
        let request = match bridge::read(session, &own).await.map_err(|e| e.into_down())? {
            Ok(request) => request,
            Err(refusal) => return Ok(Some(refusal)),
        };
        let client = client_of(request.headers(), ctx);
        let response = self.parts.own.call(request, own, client).await;
        self.parts.metrics.answered(response.status().as_u16());
        if response.headers().get_all(header::SET_COOKIE).iter().any(sets_ours) {
            // Signing in or out has the last word over a refresh on the way.
            ctx.cookies.clear();
            ctx.unsettled = None;
        }
        self.settle(session, ctx).await;
        bridge::write(session, response, &answer_fields(ctx)).await?;
        Ok(None)
    }

    async fn refuse(&self, session: &mut Session, ctx: &mut Ctx, refusal: Refusal) -> Result<()> {
        ctx.refusal = Some(refusal);
        let req = session.req_header();
        self.note(ctx, refusal, (&req.method, req.uri.path()));
        let snapshot = self.parts.gate.snapshot();
        let ip = ctx.client_ip.unwrap_or(ClientIp::UNKNOWN);
        let answer = {
            let head = head::request_head(session.req_header(), ip).ok();
            respond::refused(refusal, head.as_ref(), &snapshot, &self.parts.pages, ctx.id)
        };
        if refusal.closes() {
            session.set_keepalive(None);
        }
        let begun = session.response_written().is_some_and(|r| !is_interim(r.status));
        self.settle(session, ctx).await;
        if begun { Ok(()) } else { respond::write(session, answer, &answer_fields(ctx)).await }
    }

    /// One line and one count for each refusal (INV-7).
    pub(super) fn note(&self, ctx: &Ctx, refusal: Refusal, (method, path): (&http::Method, &str)) {
        self.parts.metrics.refused(refusal.reason(), ctx.rule, refusal.status());
        self.parts.metrics.answered(refusal.status());
        tracing::info!(
            request_id = %ctx.id,
            reason = refusal.reason(),
            status = refusal.status(),
            %method,
            path = self.loggable(path),
            client_ip = ctx.client_ip.map(tracing::field::display),
            "request refused"
        );
    }

    /// The path, cut to the prefix for our own endpoints: mailed links carry their secret in it (INV-4).
    fn loggable<'a>(&self, path: &'a str) -> &'a str {
        let snapshot = self.parts.gate.snapshot();
        let prefix = snapshot.settings().auth_prefix.len();
        if path.starts_with(&snapshot.settings().auth_prefix) { &path[..prefix] } else { path }
    }

    fn describe_request(&self, ctx: &mut Ctx, host: Option<HeaderValue>, headers: &mut http::HeaderMap) {
        if let Some(ip) = ctx.client_ip.and_then(|ip| HeaderValue::try_from(ip.to_string()).ok()) {
            headers.insert(FORWARDED_FOR, ip);
        }
        headers.insert(FORWARDED_PROTO, self.scheme.clone());
        if let Some(host) = host {
            headers.insert(FORWARDED_HOST, host);
        }
        headers.insert(REQUEST_ID, ctx.id_value());
    }
}

pub(super) fn answer_fields(ctx: &mut Ctx) -> Vec<(HeaderName, HeaderValue)> {
    let id = (REQUEST_ID, ctx.id_value());
    ctx.cookies.iter().map(|c| (header::SET_COOKIE, c.clone())).chain([id]).collect()
}

pub(super) fn client_of(headers: &http::HeaderMap, ctx: &Ctx) -> Client {
    let agent = headers.get(header::USER_AGENT).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    Client {
        ip: ctx.client_ip.unwrap_or(ClientIp::UNKNOWN),
        user_agent: agent.unwrap_or_default(),
        request_id: ctx.id,
    }
}

/// The body limit for this request.
fn body_cap(permit: &Permit, limits: &Limits) -> u64 {
    permit.max_body().unwrap_or(limits.body_bytes)
}

#[async_trait]
impl ProxyHttp for Front {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx {
            now: self.parts.clock.now(),
            id: self.ids.next(),
            client_ip: None,
            rule: None,
            permit: None,
            onward: Onward::default(),
            cookies: Vec::new(),
            unsettled: None,
            body: (0, 0),
            refusal: None,
            id_value: None,
            news: self.parts.exchanges.news.so_far(),
            _in_flight: self.parts.drain.enter(),
        }
    }

    /// No compression: that is the upstream's or the edge's business, and costs each request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<()> {
        if self.parts.drain.has_begun() {
            session.set_keepalive(None);
        }
        let patience = self.parts.limits.body_timeout;
        let websocket = head::is_websocket(session.req_header());
        session.set_read_timeout(Some(if websocket { UPGRADED_IDLE } else { patience }));
        // A client that stops reading, or never ends its body, must not hold connections for ever (D-02).
        session.set_write_timeout(Some(patience));
        session.set_total_drain_timeout(Some(patience));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let ip = head::client_ip(session, &self.parts.trusted_proxies);
        ctx.client_ip = Some(ip);
        if self.is_asked_about(session) {
            self.say_whether(session, ctx).await?;
            return Ok(true);
        }
        let refusal = match self.verdict(session, ctx, ip).await {
            // Another proxy reaches that application, and asks here before it does.
            Verdict::Allow(permit) if self.parts.upstreams.is_elsewhere(permit.upstream()) => {
                Some(Refusal::NoRoute)
            }
            Verdict::Allow(permit) => {
                ctx.body.1 = body_cap(&permit, &self.parts.limits);
                let fits = bridge::content_length(session) <= ctx.body.1;
                ctx.permit = fits.then_some(permit);
                if fits && session.is_http2() {
                    exchange::upload_begins(ctx.id);
                }
                if fits { None } else { Some(Refusal::BodyTooLarge) }
            }
            Verdict::Own(own) => match self.serve_own(session, ctx, own).await? {
                None => return Ok(true),
                refusal => refusal,
            },
            Verdict::Refuse(refusal) => Some(refusal),
            Verdict::Refresh(_) => Some(Refusal::Internal),
        };
        let Some(refusal) = refusal else { return Ok(false) };
        self.refuse(session, ctx, refusal).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        forward::peer(&self.parts.upstreams, session, ctx)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        mut e: Box<Error>,
    ) -> Box<Error> {
        forward::not_connected(ctx, &mut e);
        e
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        e: Box<Error>,
        ctx: &mut Ctx,
        reused: bool,
    ) -> Box<Error> {
        let mut e = e.more_context(format!("server {}", peer._address));
        forward::broken_off(session, &mut e, ctx, reused);
        e
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let permit =
            ctx.permit.as_ref().ok_or_else(|| Error::explain(ErrorType::InternalError, "no permit"))?;
        // Pingora may try a second time, and then plays the body again.
        ctx.body.0 = 0;
        // As plain parts: names go out in lower case, and inserting needs no second map for their case.
        let empty = http::Request::new(()).into_parts().0.into();
        let mut parts: http::request::Parts = std::mem::replace(upstream_request, empty).into();
        let host = forward::host(&mut parts);
        permit.rewrite(&mut parts.headers);
        if let Some(target) = permit.target() {
            parts.uri = target.clone().into();
        }
        self.describe_request(ctx, host, &mut parts.headers);
        *upstream_request = parts.into();
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if session.is_http2() {
            exchange::uploaded(end);
        }
        forward::drop_empty_end(body, end);
        ctx.body.0 += body.as_ref().map_or(0, |b| b.len() as u64);
        // What flows after an upgrade is a conversation, not a body.
        if ctx.body.0 > ctx.body.1 && !session.was_upgraded() {
            ctx.refusal = Some(Refusal::BodyTooLarge);
            return Err(Error::explain(ErrorType::HTTPStatus(413), "body too large").into_down());
        }
        Ok(())
    }

    /// Our cookies are ours to set, not the upstream's (I-18).
    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        forward::answered(session, response, ctx)?;
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

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if is_interim(response.status) {
            return Ok(());
        }
        // First what must not be cut in the middle: a refresh that was taken and not told would look like a copy.
        self.settle(session, ctx).await;
        self.parts.exchanges.begun(Answer::of(session.req_header(), ctx));
        self.parts.metrics.proxied(ctx.rule, response.status.as_u16());
        if !ctx.cookies.is_empty() {
            keep_private(response)?;
        }
        for cookie in ctx.cookies.drain(..) {
            response.append_header(header::SET_COOKIE, cookie)?;
        }
        respond::keep_encrypted(response, self.scheme == "https")?;
        response.insert_header(REQUEST_ID, ctx.id_value())
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, ctx: &mut Ctx) -> FailToProxy {
        let Some(refusal) = ctx.refusal.or_else(|| refusal_of(e)) else {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        if refusal.status() >= 500 {
            let upstream = ctx.permit.as_ref().map(|p| self.parts.upstreams.name(p.upstream()));
            tracing::warn!(request_id = %ctx.id, upstream, error = %e, "request failed");
        }
        session.set_keepalive(None);
        if self.refuse(session, ctx, refusal).await.is_err() {
            tracing::debug!(request_id = %ctx.id, "the client left before its answer");
        }
        FailToProxy { error_code: refusal.status(), can_reuse_downstream: false }
    }

    /// What is worth a line was logged where it happened.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }
}
