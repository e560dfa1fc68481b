//! Believes or refuses access tokens.

use std::sync::Arc;
use std::time::Duration;

use super::claims::issue_time;
use super::public_key::PublicKey;
use super::strict::{HEADER_BUF, Header, Segments, base64url, object};
use super::wire::Incoming;
use super::{Claims, JwksError, KeyRing, Purpose, ROTATION_SLACK, Rejection, Settings, jwks};
use crate::model::Timestamp;

/// Believes access tokens of one set of keys. Knows nothing of revocations and remembers nothing.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Trusted,
    issuer: String,
    audience: String,
    window: Window,
}

/// The keys that are believed.
#[derive(Clone, Debug)]
enum Trusted {
    /// Our own.
    Ring(Arc<KeyRing>),
    /// Those that a gateway publishes.
    Published(Vec<PublicKey>),
}

/// The longest life that is believed of a token whose issuer's settings are not known: the longest that can be
/// configured.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
/// How far the clocks of issuer and verifier may be apart, where nothing else is said.
const LEEWAY: Duration = Duration::from_secs(5);

impl Verifier {
    /// A verifier for tokens of a gateway somewhere else: the keys of its JWK set (JSON text), its `token.issuer` (by
    /// default its public URL) and its `token.audience` (by default `stagedoor`).
    ///
    /// # Errors
    /// [`JwksError`] when the set is malformed or has no key for us; keep the verifier you had.
    pub fn from_jwks(json: &str, issuer: &str, audience: &str) -> Result<Self, JwksError> {
        Ok(Self {
            keys: Trusted::Published(jwks::read(json)?),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            window: Window { leeway: LEEWAY, max_life: LONGEST_LIFE },
        })
    }

    /// Whose tokens these are: their `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How far clocks may be apart.
    #[must_use]
    pub fn leeway(&self) -> Duration {
        self.window.leeway
    }

    /// A verifier for tokens signed with `keys` under these settings.
    #[must_use]
    pub fn new(keys: Arc<KeyRing>, settings: &Settings) -> Self {
        Self {
            keys: Trusted::Ring(keys),
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
        let retired_at = self.signed_by_key_retired_at(&segments)?;
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
        if retired_at.is_some_and(|at| Timestamp::from_secs(payload.iat) > at.after(ROTATION_SLACK)) {
            return Err(Rejection::KeyUnknown);
        }
        access_claims(payload)
    }

    /// The signature holds; when its key was retired, if it was and if that is known.
    fn signed_by_key_retired_at(&self, segments: &Segments<'_>) -> Result<Option<Timestamp>, Rejection> {
        match &self.keys {
            Trusted::Ring(ring) => {
                let key = signed_by(segments, Purpose::Access, |kid| ring.find(kid), |key| &key.public)?;
                Ok(key.retired_at)
            }
            Trusted::Published(keys) => {
                let find = |kid: &str| keys.iter().find(|k| k.kid == kid);
                signed_by(segments, Purpose::Access, find, |key| key)?;
                Ok(None)
            }
        }
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
