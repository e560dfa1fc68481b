//! Pingora's phases. [`Front::request_filter`] asks the gate; everything after it works from the `Permit` that only an
//! allowed verdict leaves in the context.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, header};
use ipnet::IpNet;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorType, Result};

use super::bridge::{self, OwnApp};
use super::ctx::{Ctx, REQUEST_ID, RequestIds, answer_fields, client_of};
use super::drain::Drain;
use super::exchange::{self, Answer, Exchanges};
use super::failure::refusal_of;
use super::forward;
use super::forwarded::Told;
use super::head;
use super::http10;
use super::note::Quiet;
use super::pace;
use super::renewal::Renew;
use super::respond::{self, Pages, is_interim, keep_private, sets_ours};
use super::settings::{ForwardedFamily, Limits};
use super::tls::Tls;
use super::upstream::{Onward, Upstreams};
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
    /// Who may say for whom a request or a connection is.
    pub trusted_proxies: Vec<IpNet>,
    /// In which fields they say it.
    pub forwarded: ForwardedFamily,
    /// Whether connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// The listener with TLS; where there is one, the plain one only leads to it.
    pub tls: Option<Arc<Tls>>,
}

/// The proxy's application: implements Pingora's phases.
pub struct Front {
    parts: FrontParts,
    ids: RequestIds,
    scheme: HeaderValue,
    quiet: Arc<Quiet>,
}

impl Front {
    /// Puts the proxy together.
    #[must_use]
    pub fn new(parts: FrontParts) -> Self {
        let secure = parts.gate.snapshot().settings().secure_cookies();
        let ids = RequestIds::new(&*parts.entropy);
        let quiet = Arc::new(Quiet::new(parts.clock.clone()));
        Self { parts, ids, scheme: HeaderValue::from_static(if secure { "https" } else { "http" }), quiet }
    }

    /// What keeps floods out of the log.
    pub(super) fn quiet(&self) -> &Arc<Quiet> {
        &self.quiet
    }

    /// What the guard in front of this shares with it.
    pub(super) fn parts(&self) -> &FrontParts {
        &self.parts
    }

    /// Decides, refreshing once on the way where that helps.
    async fn verdict(&self, session: &Session, ctx: &mut Ctx, (ip, private): (ClientIp, bool)) -> Verdict {
        if self.parts.tls.is_some() && !private {
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
        self.parts.drain.part_ways(session);
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

    fn describe_request(&self, ctx: &mut Ctx, host: Option<HeaderValue>, headers: &mut http::HeaderMap) {
        let client = ctx.client_ip.unwrap_or(ClientIp::UNKNOWN);
        Told { client, proxies: &ctx.proxies, scheme: &self.scheme, host }.put_into(headers);
        headers.insert(REQUEST_ID, ctx.id_value());
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
            proxies: Vec::new(),
            rule: None,
            permit: None,
            onward: Onward::default(),
            cookies: Vec::new(),
            unsettled: None,
            body: (0, 0),
            paces: Default::default(),
            refusal: None,
            cause: None,
            id_value: None,
            news: self.parts.exchanges.news.so_far(),
            _in_flight: self.parts.drain.enter(),
        }
    }

    /// No compression: that is the upstream's or the edge's business, and costs each request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<()> {
        self.parts.drain.part_ways(session);
        let patience = self.parts.limits.body_timeout;
        let websocket = head::is_websocket(session.req_header());
        // So that a request that comes too early does not cost the one before it its answer; see `logging`.
        session.set_pipelining_enabled(!websocket);
        session.set_read_timeout(Some(if websocket { self.parts.limits.websocket_idle } else { patience }));
        // A client that stops reading, or never ends its body, must not hold connections for ever (D-02).
        session.set_write_timeout(Some(patience));
        session.set_total_drain_timeout(Some(patience));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let asked = self.is_asked_about(session);
        let sender = self.sender(session, asked);
        (ctx.client_ip, ctx.proxies) = (Some(sender.ip), sender.proxies);
        if asked {
            self.say_whether(session, ctx).await?;
            return Ok(true);
        }
        let refusal = match self.verdict(session, ctx, (sender.ip, sender.private)).await {
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
        forward::peer(&self.parts, session, ctx)
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
        // What flows after an upgrade is a conversation, not a body.
        if session.was_upgraded() {
            return Ok(());
        }
        let Some(bytes) = body.as_ref().map(Bytes::len) else { return Ok(()) };
        let now = self.parts.clock.monotonic();
        pace::uploaded(&mut ctx.paces.0, session, (bytes, end), &self.parts.limits, now)?;
        ctx.body.0 += bytes as u64;
        if ctx.body.0 > ctx.body.1 {
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
        respond::without_our_cookies(response)
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
        self.parts.drain.part_ways(session);
        // First what must not be cut in the middle: a refresh that was taken and not told would look like a copy.
        self.settle(session, ctx).await;
        self.parts.exchanges.begun(Answer::of(session.req_header(), ctx));
        self.parts.metrics.proxied(ctx.rule, response.status.as_u16());
        http10::settle(session, response);
        if !ctx.cookies.is_empty() {
            keep_private(response)?;
        }
        for cookie in ctx.cookies.drain(..) {
            response.append_header(header::SET_COOKIE, cookie)?;
        }
        respond::keep_encrypted(response, self.scheme == "https")?;
        response.insert_header(REQUEST_ID, ctx.id_value())
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<std::time::Duration>> {
        if let Some(body) = body.as_ref().filter(|_| !session.was_upgraded()) {
            let now = self.parts.clock.monotonic();
            let patience = pace::patience(&mut ctx.paces.1, body.len(), &self.parts.limits, now);
            session.set_write_timeout(Some(patience));
        }
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, ctx: &mut Ctx) -> FailToProxy {
        let Some(refusal) = ctx.refusal.or_else(|| refusal_of(e)) else {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        if refusal.status() >= 500 {
            ctx.cause = Some(e.to_string());
        }
        session.set_keepalive(None);
        if self.refuse(session, ctx, refusal).await.is_err() {
            tracing::debug!(request_id = %ctx.id, "the client left before its answer");
        }
        FailToProxy { error_code: refusal.status(), can_reuse_downstream: false }
    }

    /// The connection ends here if another request was sent along with this one (S-27).
    async fn logging(&self, session: &mut Session, _e: Option<&Error>, _ctx: &mut Ctx) {
        session.set_pipelining_enabled(false);
    }

    /// What is worth a line was logged where it happened.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }
}
