//! Believes or refuses access tokens.

use std::sync::Arc;
use std::time::Duration;

use super::claims::issue_time;
use super::public_key::PublicKey;
use super::strict::{HEADER_BUF, Header, Segments, base64url, object};
use super::wire::Incoming;
use super::{Claims, KeyRing, Purpose, ROTATION_SLACK, Rejection, Settings};
use crate::model::Timestamp;

/// Believes access tokens of one key ring. Knows nothing of revocations and remembers nothing.
#[derive(Debug)]
pub struct Verifier {
    keys: Arc<KeyRing>,
    issuer: String,
    audience: String,
    window: Window,
}

impl Verifier {
    /// A verifier for tokens signed with `keys` under these settings.
    #[must_use]
    pub fn new(keys: Arc<KeyRing>, settings: &Settings) -> Self {
        Self {
            keys,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            window: Window { leeway: settings.leeway, max_life: settings.access_ttl },
        }
    }

    /// Checks an access token in full, revocation excepted.
    ///
    /// # Errors
    /// The first thing that is wrong with it. Until the signature has been checked nothing of the payload is read.
    pub fn access(&self, token: &str, now: Timestamp) -> Result<Claims, Rejection> {
        self.check(token, |payload| self.window.check(payload, now))
    }

    /// Like [`Self::access`], but a token that has expired passes: for ending the session it names, nothing else.
    ///
    /// # Errors
    /// Everything but [`Rejection::Expired`].
    pub fn access_even_expired(&self, token: &str, now: Timestamp) -> Result<Claims, Rejection> {
        self.check(token, |payload| match self.window.check(payload, now) {
            Err(Rejection::Expired) => Ok(()),
            verdict => verdict,
        })
    }

    fn check(
        &self,
        token: &str,
        times: impl FnOnce(&Incoming<'_>) -> Result<(), Rejection>,
    ) -> Result<Claims, Rejection> {
        let segments = Segments::split(token)?;
        let key = signed_by(&segments, Purpose::Access, |kid| self.keys.find(kid), |key| &key.public)?;
        let json = base64url(segments.payload).ok_or(Rejection::Malformed)?;
        let payload: Incoming<'_> = object(&json).ok_or(Rejection::Claims)?;
        if payload.iss != self.issuer {
            return Err(Rejection::Issuer);
        }
        if payload.aud != self.audience {
            return Err(Rejection::Audience);
        }
        times(&payload)?;
        // A retired key that leaks cannot make tokens any more: they would have to be older than its retirement, and
        // such tokens have expired.
        if key.retired_at.is_some_and(|at| Timestamp::from_secs(payload.iat) > at.after(ROTATION_SLACK)) {
            return Err(Rejection::KeyUnknown);
        }
        access_claims(payload)
    }
}

/// Segments -> the key that signed them. `find` knows the caller's keys, and only those: a token cannot bring or name
/// a place for its own (J-10).
pub(super) fn signed_by<'k, K>(
    segments: &Segments<'_>,
    purpose: Purpose,
    find: impl FnOnce(&str) -> Option<&'k K>,
    public: impl FnOnce(&K) -> &PublicKey,
) -> Result<&'k K, Rejection> {
    let mut buf = HEADER_BUF;
    let header = Header::read(segments.header, &mut buf)?;
    if header.typ != purpose.typ() {
        return Err(Rejection::Type);
    }
    let key = find(&header.kid).ok_or(Rejection::KeyUnknown)?;
    let public = public(key);
    if header.alg != public.algorithm.as_str() {
        return Err(Rejection::Algorithm);
    }
    let len = segments.signature_len()?;
    public.check(segments.signed, segments.signature, len)?;
    Ok(key)
}

/// Which times are believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub leeway: Duration,
    pub max_life: Duration,
}

impl Window {
    /// Clocks may be apart by the leeway, in both directions. A life longer than we ever give was not given by us.
    pub fn check(&self, times: &Incoming<'_>, now: Timestamp) -> Result<(), Rejection> {
        let at = Timestamp::from_secs;
        let latest = now.after(self.leeway);
        if times.exp <= times.iat || at(times.exp).since(at(times.iat)) > self.max_life {
            return Err(Rejection::Claims);
        }
        if now >= at(times.exp).after(self.leeway) {
            return Err(Rejection::Expired);
        }
        if at(times.iat) > latest || times.nbf.is_some_and(|nbf| at(nbf) > latest) {
            return Err(Rejection::NotYetValid);
        }
        // Whoever proves it after the token was made would satisfy every `max_age` for ever.
        if at(times.auth_time) > at(times.iat).after(self.leeway) {
            return Err(Rejection::Claims);
        }
        Ok(())
    }
}

fn access_claims(p: Incoming<'_>) -> Result<Claims, Rejection> {
    let bound = p.htm.is_some() || p.host.is_some() || p.path_hash.is_some();
    // Revocation goes by the time in the id: it must be the time in `iat`.
    let consistent = issue_time(p.jti).is_some_and(|t| t.secs() == p.iat);
    let (Some(nbf), false, true) = (p.nbf, bound, consistent) else { return Err(Rejection::Claims) };
    Ok(Claims {
        iss: p.iss.into_owned(),
        aud: p.aud.into_owned(),
        sub: p.sub,
        sid: p.sid,
        jti: p.jti,
        iat: p.iat,
        nbf,
        exp: p.exp,
        auth_time: p.auth_time,
        amr: p.amr,
        roles: p.roles,
        permissions: p.permissions,
        email: p.email,
        email_verified: p.email_verified,
        name: p.name,
    })
}
