//! Forward-auth: another proxy keeps the traffic and asks here, before it forwards a request, whether it may. It says
//! what the request is in `X-Forwarded-*`; the gate decides as if the request had come to us, and the answer says what
//! to tell the application (docs/forward-auth.md).
//!
//! Only a proxy from `server.trusted_proxies` is listened to; for everybody else there is nothing at this address. And
//! it gets answers about upstreams without `servers` only: those it reaches itself. So an ordinary load balancer in
//! front of us opens no door to assertions by being trusted.

use http::header::{AUTHORIZATION, COOKIE, LOCATION};
use http::{HeaderMap, HeaderValue, Method};
use pingora::Result;
use pingora::proxy::Session;

use super::ctx::{Ctx, answer_fields};
use super::filter::Front;
use super::forwarded::{is_trusted, peer};
use super::respond::{self, Answer};
use crate::gate::{ClientKind, HeadRefusal, Permit, Refusal, Renewed, RequestHead, Snapshot, Verdict, form};

/// Below `auth_prefix`. Byte for byte: whoever shields this one address from the public shields all of it.
const PATH: &str = "/verify";
/// In the query: for proxies that pass on no redirect (nginx). The way to the sign-in page comes with the 401.
const NO_REDIRECT: &str = "redirect=off";
/// Where a browser with an ended access cookie gets new ones and comes back from.
const RESUME: &str = "/resume/";
const SIGN_IN: &str = "/login/";

/// What the proxy says about the request it asks about.
struct Asked<'a> {
    method: Method,
    target: &'a str,
    host: &'a str,
    https: bool,
    upgrade: bool,
}

impl<'a> Asked<'a> {
    /// # Errors
    /// [`Refusal::Head`] when something is missing, there twice, or not what a request of that form would have: never
    /// guessed (P-21).
    fn read(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let malformed = |id| Refusal::Head(HeadRefusal::Malformed(id));
        let method = only(headers, "x-forwarded-method").ok_or(malformed("forwarded_method"))?;
        let target = only(headers, "x-forwarded-uri").ok_or(malformed("forwarded_uri"))?;
        let host = only(headers, "x-forwarded-host").ok_or(malformed("forwarded_host"))?;
        let (https, websocket) = match only(headers, "x-forwarded-proto") {
            Some("https") => (true, false),
            Some("http") => (false, false),
            // What Traefik says of a WebSocket.
            Some("wss") => (true, true),
            Some("ws") => (false, true),
            _ => return Err(malformed("forwarded_proto")),
        };
        if !headers.contains_key("x-forwarded-for") {
            // Without it everybody would have the proxy's address, and its networks.
            return Err(malformed("forwarded_for"));
        }
        form::check_method(method.as_bytes()).map_err(Refusal::Head)?;
        form::check_target(target.as_bytes()).map_err(Refusal::Head)?;
        if !form::is_authority(host.as_bytes()) {
            return Err(malformed("host_malformed"));
        }
        let method = method.parse().map_err(|_| malformed("method_malformed"))?;
        // Proxies keep `Upgrade` to themselves, not these.
        let upgrade = websocket
            || headers.contains_key("sec-websocket-key")
            || headers.contains_key("sec-websocket-version");
        Ok(Self { method, target, host, https, upgrade })
    }

    fn head(&'a self, headers: &'a HeaderMap, ctx: &Ctx) -> RequestHead<'a> {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target, None),
        };
        RequestHead {
            method: &self.method,
            path,
            query,
            host: self.host,
            headers,
            client_ip: ctx.client_ip.unwrap_or(crate::model::ClientIp::UNKNOWN),
            upgrade: self.upgrade,
        }
    }

    /// Whether the person is on the origin where we sign people in.
    fn is_at(&self, public_url: &str) -> bool {
        let (scheme, port) = if self.https { ("https://", ":443") } else { ("http://", ":80") };
        let host = self.host.strip_suffix(port).unwrap_or(self.host);
        public_url.strip_prefix(scheme).is_some_and(|own| own.eq_ignore_ascii_case(host))
    }
}

/// The one value of a field, as visible text.
fn only<'h>(headers: &'h HeaderMap, name: &'static str) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok().filter(|text| !text.is_empty()),
        _ => None,
    }
}

impl Front {
    /// Whether a proxy we trust asks about somebody's request. What costs least is looked at first: every request comes
    /// by here.
    pub(super) fn is_asked_about(&self, session: &Session) -> bool {
        let req = session.req_header();
        let trusted = &self.parts().trusted_proxies;
        if trusted.is_empty() || req.method != Method::GET || !req.uri.path().ends_with(PATH) {
            return false;
        }
        let snapshot = self.parts().gate.snapshot();
        let below = req.uri.path().strip_prefix(snapshot.settings().auth_prefix.as_str());
        below == Some(PATH) && is_trusted(peer(session), trusted)
    }

    /// Answers the proxy. Changes nothing: a refresh would need its cookies in the answer to the person, which is not
    /// ours to give here; a browser is sent to where it gets them.
    pub(super) async fn say_whether(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        let answer = {
            let req = session.req_header();
            match Asked::read(&req.headers) {
                Ok(asked) => self.decide_about(&asked, req, ctx),
                Err(refusal) => {
                    self.note(ctx, refusal, (&req.method, req.uri.path()));
                    respond::problem(refusal, ctx.id)
                }
            }
        };
        respond::write(session, answer, &answer_fields(ctx)).await
    }

    fn decide_about(&self, asked: &Asked<'_>, req: &pingora::http::RequestHeader, ctx: &mut Ctx) -> Answer {
        let head = asked.head(&req.headers, ctx);
        let gate = &self.parts().gate;
        let mut verdict = gate.decide_by_rule(&head, ctx.now, &Renewed::NotTried, &mut ctx.rule);
        let renewable = matches!(verdict, Verdict::Refresh(_));
        if renewable {
            verdict = gate.decide_by_rule(&head, ctx.now, &Renewed::NotHere, &mut ctx.rule);
        }
        let refusal = match verdict {
            Verdict::Allow(permit) if self.parts().upstreams.is_elsewhere(permit.upstream()) => {
                self.parts().metrics.answered(200);
                return allowed(&permit, &req.headers);
            }
            Verdict::Refuse(refusal) => refusal,
            // Our own endpoints are ours to serve, never the application's.
            Verdict::Allow(_) | Verdict::Own(_) => Refusal::NoRoute,
            Verdict::Refresh(_) => Refusal::Internal,
        };
        self.note(ctx, refusal, (head.method, head.path));
        let page = if renewable { RESUME } else { SIGN_IN };
        self.refused(refusal, (asked, &head), page, ctx, req.uri.query() == Some(NO_REDIRECT))
    }

    fn refused(
        &self,
        refusal: Refusal,
        (asked, head): (&Asked<'_>, &RequestHead<'_>),
        page: &str,
        ctx: &Ctx,
        stay: bool,
    ) -> Answer {
        let snapshot = self.parts().gate.snapshot();
        let navigation = ClientKind::of(head.method, head.headers) == ClientKind::Navigation;
        if !navigation || !refusal.leads_to_sign_in() {
            return respond::refused(refusal, Some(head), &snapshot, &self.parts().pages, ctx.id);
        }
        let mut answer = respond::problem(refusal, ctx.id);
        if !stay {
            (answer.status, answer.body) = (302, bytes::Bytes::new());
        }
        if let Ok(location) = HeaderValue::try_from(way_to(page, (asked, refusal), head, &snapshot)) {
            answer.headers.push((LOCATION, location));
        }
        answer
    }
}

/// Absolute, because the proxy may resolve a relative one against our own address; and always on `public_url`. Back to
/// the page only where that is the same origin, else people land on the home page.
fn way_to(
    page: &str,
    (asked, refusal): (&Asked<'_>, Refusal),
    head: &RequestHead<'_>,
    snapshot: &Snapshot,
) -> String {
    let settings = snapshot.settings();
    let back = head.method.is_safe() && asked.is_at(&settings.public_url);
    let query = snapshot.way_back(refusal, back.then_some(asked.target));
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    format!("{}{}{page}{query}", settings.public_url, settings.auth_prefix)
}

/// Who asks, under the names of the upstream; and `Cookie` and `Authorization` as the application may see them.
fn allowed(permit: &Permit, headers: &HeaderMap) -> Answer {
    let mut answer = respond::nothing(200);
    answer.headers.extend(told(permit, headers).iter().map(|(n, v)| (n.clone(), v.clone())));
    answer
}

/// What the proxy has to set on the request before it forwards it.
fn told(permit: &Permit, headers: &HeaderMap) -> HeaderMap {
    let mut all = HeaderMap::new();
    for name in [COOKIE, AUTHORIZATION] {
        for value in headers.get_all(&name) {
            all.append(name.clone(), value.clone());
        }
    }
    permit.rewrite(&mut all);
    all
}
