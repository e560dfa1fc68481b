//! From a request head to a verdict. The order of checks is the order of [`Gate::decide`].

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};

use super::credentials::{Credentials, Presented};
use super::permit::{Allowed, TokenOnward};
use super::snapshot::Claimed;
use super::{AssertionMode, CrossSite, Permit, Principal, Refusal, Snapshot, Verified};
use crate::model::{ClientIp, Timestamp};
use crate::policy::{Ask, CanonicalPath, Outcome, Policy, Route, WhenUnknown};
use crate::token::{Rejection, RequestBinding};

/// What the gate looks at.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path exactly as it arrived, without the query.
    pub path: &'a str,
    /// The query, without the `?`.
    pub query: Option<&'a str>,
    /// The authority the client asked for.
    pub host: &'a str,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The client's address.
    pub client_ip: ClientIp,
    /// Whether the client asks for another protocol on this connection.
    pub upgrade: bool,
}

/// What becomes of a request.
pub enum Verdict {
    /// It is for one of our own endpoints.
    Own(Own),
    /// It may go to its upstream.
    Allow(Permit),
    /// The access cookie has ended, but this refresh token came along: use it and ask again.
    Refresh(String),
    /// It may not.
    Refuse(Refusal),
}

/// What is known of a refresh on the way when the gate is asked.
pub enum Renewed {
    /// None was tried.
    NotTried,
    /// It brought this access token.
    Access(String),
    /// It brought nothing; the cookies of this request no longer count.
    Failed,
    /// The front that asks cannot renew: what came along counts as it is.
    NotHere,
}

/// What our own endpoints are told about a request.
pub struct Own {
    /// Who asks, if a valid token came along.
    pub principal: Option<Arc<Principal>>,
    /// The session of the token that came along, which may have expired; for signing out.
    pub session: Option<Claimed>,
    /// What the browser says about where the request was made.
    pub cross_site: CrossSite,
    /// Whether one of our cookies came along.
    pub cookies: bool,
    /// Whether a refresh token came along that nobody could look at.
    pub unsure: bool,
    /// The canonical path.
    pub path: String,
}

/// The gate.
pub struct Gate {
    snapshot: ArcSwap<Snapshot>,
}

enum Caller {
    Nobody,
    /// No valid token; the reason, and whether a refresh might help.
    Refused(Rejection),
    Somebody(Arc<Verified>),
}

impl Gate {
    /// A gate that decides by `snapshot`.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot) }
    }

    /// From now on decides by `snapshot`; requests under way finish under the one they began with.
    pub fn swap(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Decides.
    #[must_use]
    pub fn decide(&self, head: &RequestHead<'_>, now: Timestamp, renewed: &Renewed) -> Verdict {
        self.decide_by_rule(head, now, renewed, &mut None)
    }

    /// The same, and tells in `rule` the place of the rule (from 1) it came down to, if it came to a rule.
    pub fn decide_by_rule(
        &self,
        head: &RequestHead<'_>,
        now: Timestamp,
        renewed: &Renewed,
        rule: &mut Option<usize>,
    ) -> Verdict {
        let snapshot = self.snapshot.load_full();
        match snapshot.decide(head, (now, rule), renewed) {
            Ok(Step::Own(own)) => Verdict::Own(own),
            Ok(Step::Refresh(token)) => Verdict::Refresh(token),
            Ok(Step::Allow(allowed)) => Verdict::Allow(Permit::new(snapshot, allowed)),
            Err(refusal) => Verdict::Refuse(refusal),
        }
    }
}

enum Step {
    Own(Own),
    Refresh(String),
    Allow(Allowed),
}

impl Snapshot {
    fn decide(
        &self,
        head: &RequestHead<'_>,
        (now, rule): (Timestamp, &mut Option<usize>),
        renewed: &Renewed,
    ) -> Result<Step, Refusal> {
        let path = Policy::read_path(head.path).map_err(Refusal::Path)?;
        let presented = self.presented(head, renewed);
        let caller = self.caller(&presented, now);
        // Forms of our own say what becomes of the session; they need no new one on the way.
        let own_form = self.is_own(path.as_str()) && !head.method.is_safe();
        if let Some(token) = self.refreshable(&presented, &caller, path.as_str()).filter(|_| !own_form) {
            return Ok(Step::Refresh(token.to_owned()));
        }
        if self.is_own(path.as_str()) {
            return Ok(Step::Own(self.own(head, &presented, &path, (&caller, now))));
        }
        let host = canonical_host(head.host);
        let route = self.route(&host, &path)?;
        let mut somebody = if let Caller::Somebody(v) = &caller { Some(v) } else { None };
        let decision = self.policy.decide(&Ask {
            method: head.method,
            host: &host,
            path: &path,
            route,
            caller: somebody.map(|v| v.caller()),
            client_ip: head.client_ip,
            now,
        });
        *rule = decision.rule.map(|r| r.id);
        // Whether the token has ended is a question only where it opens something.
        let unsure = somebody.is_some() && !self.knows_revocations(now);
        match decision.outcome {
            Outcome::Allowed { public } if unsure && decision.when_unknown(route) == WhenUnknown::Deny => {
                if !public {
                    return Err(Refusal::RevocationUnknown);
                }
                somebody = None;
            }
            Outcome::Allowed { .. } => {}
            Outcome::NeedsSignIn(_) => return Err(Refusal::SignIn(caller.fault())),
            Outcome::NeedsElevation(reason) => return Err(Refusal::Elevate(reason)),
            // A token that does not count is told so, before anything about the rule is.
            Outcome::Forbidden(reason) => {
                return Err(caller.fault().map_or(Refusal::Forbidden(reason), |r| Refusal::SignIn(Some(r))));
            }
        }
        let by_cookie = somebody.is_some() && matches!(presented.access, Credentials::Cookie(_));
        if by_cookie
            && !CrossSite::of(head.headers, &self.settings.public_url)
                .admits_cookie(head.method, head.upgrade)
        {
            return Err(Refusal::CrossSite);
        }
        let upstream = self.upstream_of(route.id);
        let (prefix, onward) = route.split(&path).map_err(Refusal::Path)?;
        Ok(Step::Allow(Allowed {
            assertion: somebody.and_then(|v| self.assertion_for(v, upstream, head, onward, now)),
            upstream,
            caller: somebody.cloned(),
            target: self.rewritten_target(head, onward, now)?,
            prefix: (!prefix.is_empty()).then(|| http::HeaderValue::try_from(prefix).ok()).flatten(),
            token: self.token_onward(route, renewed),
            max_body: route.max_body,
        }))
    }

    fn is_own(&self, path: &str) -> bool {
        let prefix = self.settings.auth_prefix.as_str();
        !prefix.is_empty()
            && path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What came along, with the outcome of a refresh in place of the cookies.
    fn presented<'a>(&self, head: &'a RequestHead<'_>, renewed: &'a Renewed) -> Presented<'a> {
        let presented = Presented::of(head.headers, &self.cookies);
        match renewed {
            Renewed::NotTried => presented,
            Renewed::Access(token) => Presented { access: Credentials::Cookie(token), refresh: None },
            Renewed::Failed => Presented { access: Credentials::None, refresh: None },
            Renewed::NotHere => Presented { refresh: None, ..presented },
        }
    }

    fn token_onward(&self, route: &Route, renewed: &Renewed) -> TokenOnward {
        match renewed {
            _ if !route.forward_token => TokenOnward::None,
            Renewed::Access(token) => {
                let cookie = http::HeaderValue::try_from(format!("{}={token}", self.cookies.access));
                cookie.map_or(TokenOnward::None, TokenOnward::Renewed)
            }
            _ => TokenOnward::AsItCame,
        }
    }

    fn own(
        &self,
        head: &RequestHead<'_>,
        presented: &Presented<'_>,
        path: &CanonicalPath<'_>,
        (caller, now): (&Caller, Timestamp),
    ) -> Own {
        let token = match presented.access {
            Credentials::Bearer(t) | Credentials::Cookie(t) => Some(t),
            _ => None,
        };
        let (principal, session) = match caller {
            Caller::Somebody(v) => {
                let p = v.principal();
                (Some(p.clone()), Some((p.id, p.session)))
            }
            Caller::Refused(Rejection::Expired) => (None, token.and_then(|t| self.identify(t, now))),
            _ => (None, None),
        };
        Own {
            principal,
            session,
            cross_site: CrossSite::of(head.headers, &self.settings.public_url),
            cookies: sends_our_cookies(head.headers, &self.cookies),
            unsure: false,
            path: path.as_str().to_owned(),
        }
    }

    pub(super) fn route(&self, host: &str, path: &CanonicalPath<'_>) -> Result<&Route, Refusal> {
        let route = self.policy.route(host, path).ok_or(Refusal::NoRoute)?;
        route.admit(path).map_err(Refusal::Path)?;
        Ok(route)
    }

    fn caller(&self, presented: &Presented<'_>, now: Timestamp) -> Caller {
        match presented.access {
            Credentials::None => Caller::Nobody,
            Credentials::Malformed => Caller::Refused(Rejection::Malformed),
            Credentials::Ambiguous => Caller::Refused(Rejection::Ambiguous),
            Credentials::Bearer(token) | Credentials::Cookie(token) => match self.verify(token, now) {
                Ok(verified) => Caller::Somebody(verified),
                Err(rejection) => Caller::Refused(rejection),
            },
        }
    }

    /// The refresh token of a browser whose access cookie has ended or gone. Bearer clients refresh by themselves,
    /// and style sheets need nobody.
    fn refreshable<'a>(&self, presented: &Presented<'a>, caller: &Caller, path: &str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.settings.auth_prefix.as_str()).unwrap_or_default();
        let ended = match presented.access {
            Credentials::None => true,
            Credentials::Cookie(_) => matches!(caller, Caller::Refused(Rejection::Expired)),
            _ => false,
        };
        presented.refresh.filter(|_| ended && !rest.starts_with("/static/"))
    }

    fn assertion_for(
        &self,
        caller: &Verified,
        upstream: usize,
        head: &RequestHead<'_>,
        path: &str,
        now: Timestamp,
    ) -> Option<http::HeaderValue> {
        match self.upstreams()[upstream].mode() {
            AssertionMode::Off => None,
            AssertionMode::Session => self.assertion(caller, upstream, now),
            AssertionMode::Request => {
                let request = RequestBinding { method: head.method.as_str(), host: head.host, path };
                self.bound_assertion(caller, upstream, &request, now)
            }
        }
    }
}

impl Snapshot {
    /// The target to forward, where it is not byte for byte what arrived: the path in its canonical form and without
    /// the prefix of its route, and a query without tokens of ours, which count for nothing there and would only end up in logs (I-14).
    fn rewritten_target(
        &self,
        head: &RequestHead<'_>,
        path: &str,
        now: Timestamp,
    ) -> Result<Option<PathAndQuery>, Refusal> {
        let query = head.query.map(|q| self.without_tokens(q, now));
        let same_query = !matches!(query, Some(Cow::Owned(_)));
        if same_query && path == head.path {
            return Ok(None);
        }
        let text = match query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        PathAndQuery::try_from(text).map(Some).map_err(|_| Refusal::Internal)
    }

    fn without_tokens<'q>(&self, query: &'q str, now: Timestamp) -> Cow<'q, str> {
        if !query.contains("token=") {
            return Cow::Borrowed(query);
        }
        let ours = |pair: &&str| pair.split_once('=').is_some_and(|(_, v)| self.identify(v, now).is_some());
        if !query.split('&').any(|pair| ours(&pair)) {
            return Cow::Borrowed(query);
        }
        Cow::Owned(query.split('&').filter(|pair| !ours(pair)).collect::<Vec<_>>().join("&"))
    }
}

impl Caller {
    fn fault(&self) -> Option<Rejection> {
        if let Self::Refused(r) = self { Some(*r) } else { None }
    }
}

fn sends_our_cookies(headers: &HeaderMap, names: &super::CookieNames) -> bool {
    let came = Presented::of(headers, names);
    came.refresh.is_some() || matches!(came.access, Credentials::Cookie(_) | Credentials::Ambiguous)
}

/// Lower case, without port and without the root's trailing dot (H-05, H-06).
pub(super) fn canonical_host(host: &str) -> Cow<'_, str> {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some(_) => host.split_inclusive(']').next().unwrap_or(host),
        None => host.split(':').next().unwrap_or(host),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_05_h_06_hosts_are_compared_in_one_form() {
        for host in [
            "admin.example.com",
            "ADMIN.Example.com",
            "admin.example.com.",
            "admin.example.com:8443",
            "Admin.example.com.:80",
        ] {
            assert_eq!(canonical_host(host), "admin.example.com", "{host}");
        }
        assert_eq!(canonical_host("[::1]:8080"), "[::1]");
    }
}
