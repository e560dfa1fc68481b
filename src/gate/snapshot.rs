//! Everything a decision needs, immutable and swapped whole.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use quick_cache::sync::Cache;

use super::verified::{FIELDS, Fresh};
use super::{AssertionMode, CookieNames, IdentityNames, ReturnTargets, Settings, Verified};
use crate::model::Timestamp;
use crate::policy::Policy;
use crate::token::{AssertionMint, Rejection, RequestBinding, Revocations, Verifier};

/// An assertion is not handed out any more when it has only this long to live.
const ASSERTION_REST: Duration = Duration::from_secs(5);

/// What a snapshot is made of.
pub struct SnapshotParts {
    /// The rules, routes and roles.
    pub policy: Arc<Policy>,
    /// Who checks access tokens.
    pub verifier: Verifier,
    /// Who signs assertions; `None` where no upstream gets one.
    pub assertions: Option<AssertionMint>,
    /// Tokens that ended early; shared by all snapshots.
    pub revocations: Arc<Revocations>,
    /// Who signs return targets; `None` where there is no sign-in page.
    pub returns: Option<ReturnTargets>,
    /// The upstreams, in the order the proxy knows them.
    pub upstreams: Vec<UpstreamIdentity>,
    /// How many verified tokens are remembered.
    pub cache_entries: usize,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// The gate's own settings.
    pub settings: Settings,
}

/// How one upstream wants to be told who asks.
pub struct UpstreamIdentity {
    name: String,
    names: [HeaderName; FIELDS],
    assertion_name: HeaderName,
    mode: AssertionMode,
}

impl UpstreamIdentity {
    /// For the upstream called `name`.
    ///
    /// # Errors
    /// When one of `names` is not a header name.
    pub fn new(
        name: &str,
        names: &IdentityNames,
        mode: AssertionMode,
    ) -> Result<Self, http::header::InvalidHeaderName> {
        let n = |s: &str| HeaderName::from_bytes(s.as_bytes());
        Ok(Self {
            name: name.to_owned(),
            names: [
                n(&names.user_id)?,
                n(&names.email)?,
                n(&names.name)?,
                n(&names.roles)?,
                n(&names.permissions)?,
                n(&names.session)?,
                n(&names.amr)?,
                n(&names.auth_time)?,
            ],
            assertion_name: n(&names.assertion)?,
            mode,
        })
    }

    /// Its name in the configuration; `aud` of its assertions.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether and how it gets an assertion.
    #[must_use]
    pub fn mode(&self) -> AssertionMode {
        self.mode
    }

    pub(super) fn names(&self) -> &[HeaderName; FIELDS] {
        &self.names
    }

    pub(super) fn assertion_name(&self) -> &HeaderName {
        &self.assertion_name
    }
}

/// Names an operator chose for identity that are not reserved anyway; clients may not set them either.
#[derive(Default)]
pub(super) struct ReservedNames(Vec<String>);

impl ReservedNames {
    fn of(upstreams: &[UpstreamIdentity]) -> Self {
        let all = upstreams.iter().flat_map(|u| u.names.iter().chain(Some(&u.assertion_name)));
        Self(all.filter(|n| !super::is_reserved_header(n)).map(|n| fold(n.as_str())).collect())
    }

    pub(super) fn matches(&self, name: &HeaderName) -> bool {
        !self.0.is_empty() && self.0.contains(&fold(name.as_str()))
    }
}

fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Everything a decision needs. Each request sees exactly one.
pub struct Snapshot {
    pub(super) policy: Arc<Policy>,
    verifier: Verifier,
    assertions: Option<AssertionMint>,
    revocations: Arc<Revocations>,
    returns: Option<ReturnTargets>,
    upstreams: Box<[UpstreamIdentity]>,
    by_route: Box<[usize]>,
    reserved: ReservedNames,
    leeway: Duration,
    cache: Cache<Box<str>, Arc<Verified>, quick_cache::UnitWeighter, ahash::RandomState>,
    pub(super) settings: Settings,
    pub(super) cookies: CookieNames,
}

/// A route names an upstream that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("a route leads to the upstream '{0}', which is not configured")]
pub struct UnknownUpstream(String);

impl Snapshot {
    /// Puts a snapshot together.
    ///
    /// # Errors
    /// [`UnknownUpstream`] when a route leads nowhere.
    pub fn new(parts: SnapshotParts) -> Result<Self, UnknownUpstream> {
        let place = |name: &str| parts.upstreams.iter().position(|u| u.name == name);
        let by_route = parts
            .policy
            .routes()
            .iter()
            .map(|r| place(&r.upstream).ok_or_else(|| UnknownUpstream(r.upstream.clone())))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            by_route,
            reserved: ReservedNames::of(&parts.upstreams),
            cache: Cache::with(
                parts.cache_entries,
                parts.cache_entries as u64,
                quick_cache::UnitWeighter,
                ahash::RandomState::new(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            cookies: CookieNames::new(parts.settings.secure_cookies()),
            leeway: parts.leeway,
            policy: parts.policy,
            verifier: parts.verifier,
            assertions: parts.assertions,
            revocations: parts.revocations,
            returns: parts.returns,
            upstreams: parts.upstreams.into(),
            settings: parts.settings,
        })
    }

    /// Who holds `token`: checked once, then remembered by its full text. Expiry and revocation are looked
    /// at every time.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, Rejection> {
        let verified = match self.cache.get(token) {
            Some(seen) => {
                if now >= seen.principal().expires.after(self.leeway) {
                    return Err(Rejection::Expired);
                }
                seen
            }
            None => {
                let claims = self.verifier.access(token, now)?;
                let fresh = Arc::new(Verified::new(claims, &self.policy, self.upstreams.len()));
                self.cache.insert(token.into(), fresh.clone());
                fresh
            }
        };
        if self.has_ended(&verified) {
            return Err(Rejection::Revoked);
        }
        Ok(verified)
    }

    /// Whether this token was ended before its time.
    pub(super) fn has_ended(&self, verified: &Verified) -> bool {
        let p = verified.principal();
        self.revocations.is_revoked(p.session, p.id, verified.issued_at())
    }

    /// Whether a token that is not in the revocations has not been revoked.
    pub(super) fn knows_revocations(&self, now: Timestamp) -> bool {
        self.revocations.are_known(now)
    }

    /// The person and session of a token whose signature is right, even when it has expired: enough
    /// to end that session, for nothing else.
    pub(super) fn identify(&self, token: &str, now: Timestamp) -> Option<Claimed> {
        let claims = self.verifier.access_even_expired(token, now).ok()?;
        Some((claims.sub, claims.sid))
    }

    /// The assertion for `upstream`, signed now or a moment ago.
    pub(super) fn assertion(
        &self,
        caller: &Verified,
        upstream: usize,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let to = &self.upstreams[upstream];
        if to.mode != AssertionMode::Session {
            return None;
        }
        let slot = caller.assertion(upstream);
        if let Some(fresh) = slot.load().as_ref().filter(|f| now < f.until) {
            return Some(fresh.value.clone());
        }
        let (text, expires) = self.assertions.as_ref()?.mint(&caller.person(), &to.name, None, now);
        let value = HeaderValue::from_str(&text).ok()?;
        // What is left then is time for the upstream to look at it.
        let until = expires.before(ASSERTION_REST);
        slot.store(Some(Arc::new(Fresh { value: value.clone(), until })));
        Some(value)
    }

    /// An assertion for this one request.
    pub(super) fn bound_assertion(
        &self,
        caller: &Verified,
        upstream: usize,
        request: &RequestBinding<'_>,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let to = &self.upstreams[upstream];
        let (text, _) = self.assertions.as_ref()?.mint(&caller.person(), &to.name, Some(request), now);
        HeaderValue::from_str(&text).ok()
    }

    pub(super) fn upstreams(&self) -> &[UpstreamIdentity] {
        &self.upstreams
    }

    pub(super) fn upstream_of(&self, route: usize) -> usize {
        self.by_route[route]
    }

    pub(super) fn reserved_names(&self) -> &ReservedNames {
        &self.reserved
    }

    /// Who checks access tokens.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The rules.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The names of our cookies in this deployment.
    #[must_use]
    pub fn cookies(&self) -> &CookieNames {
        &self.cookies
    }

    /// Who signs return targets, if there is a sign-in page.
    #[must_use]
    pub fn returns(&self) -> Option<&ReturnTargets> {
        self.returns.as_ref()
    }

    /// The gate's own settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Account and session of a token.
pub(super) type Claimed = (crate::model::AccountId, crate::model::SessionId);
