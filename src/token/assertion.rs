//! The signed identity an upstream receives, and how a service behind the gateway checks it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};

use super::claims::token_id;
use super::public_key::PublicKey;
use super::strict::{Segments, base64url, object, to_base64url};
use super::verify::{Window, signed_by};
use super::wire::{Envelope, Incoming, Outgoing};
use super::{JwksError, KeyRing, Person, Purpose, Rejection, Settings, jwks, mint};
use crate::model::{AccountId, Entropy, RoleName, SessionId, Timestamp, TokenId, constant_time_eq};

/// No assertion lives longer, whatever is configured.
pub const MAX_ASSERTION_LIFE: Duration = Duration::from_secs(60);
/// How far the clocks of gateway and upstream may be apart.
const LEEWAY: Duration = Duration::from_secs(5);

/// The request an assertion is bound to, as the upstream receives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestBinding<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The host, as in the `Host` header the upstream gets.
    pub host: &'a str,
    /// The path, as it stands in the request line the upstream gets, without the query.
    pub path: &'a str,
}

/// The binding as an assertion carries it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundRequest {
    /// The method (`htm`).
    pub method: String,
    /// The host.
    pub host: String,
    /// SHA-256 of the path, base64url.
    pub path_hash: String,
}

impl BoundRequest {
    /// Whether this is the request the assertion was made for. Exact, case included.
    #[must_use]
    pub fn is(&self, request: &RequestBinding<'_>) -> bool {
        self.method == request.method
            && self.host == request.host
            && constant_time_eq(self.path_hash.as_bytes(), path_hash(request.path).as_bytes())
    }
}

/// The content of a verified assertion. Times are whole seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssertionClaims {
    /// Who issued it: the gateway.
    pub iss: String,
    /// For whom: the upstream's name.
    pub aud: String,
    /// The account.
    pub sub: AccountId,
    /// The sign-in.
    pub sid: SessionId,
    /// The assertion itself.
    pub jti: TokenId,
    /// Issued at.
    pub iat: i64,
    /// Not valid from here on.
    pub exp: i64,
    /// When the person last proved who they are.
    pub auth_time: i64,
    /// How (RFC 8176 values).
    pub amr: Vec<String>,
    /// Roles.
    pub roles: Vec<RoleName>,
    /// Permissions of those roles, as configured.
    pub permissions: Vec<String>,
    /// The address in its canonical form.
    pub email: String,
    /// Whether the owner has proved the address.
    pub email_verified: bool,
    /// The display name, any Unicode text.
    pub name: String,
    /// The one request it is for; `None` in session mode.
    pub bound_to: Option<BoundRequest>,
}

/// Makes assertions with whatever key signs at the moment.
pub struct AssertionMint {
    keys: Arc<ArcSwap<KeyRing>>,
    issuer: String,
    life: Duration,
    entropy: Arc<dyn Entropy>,
}

impl AssertionMint {
    /// A mint that signs with the newest key of `keys` at each call. Lives above [`MAX_ASSERTION_LIFE`] are cut.
    #[must_use]
    pub fn new(keys: Arc<ArcSwap<KeyRing>>, settings: &Settings, entropy: Arc<dyn Entropy>) -> Self {
        let life = settings.assertion_ttl.min(MAX_ASSERTION_LIFE);
        Self { keys, issuer: settings.issuer.clone(), life, entropy }
    }

    /// An assertion about `person` for `upstream`, and when it ends. Without `request` it is good for every request of
    /// that person to that upstream until then.
    #[must_use]
    pub fn mint(
        &self,
        person: &Person<'_>,
        upstream: &str,
        request: Option<&RequestBinding<'_>>,
        now: Timestamp,
    ) -> (String, Timestamp) {
        let iat = now.secs();
        let expires = Timestamp::from_secs(iat).after(self.life);
        let jti = token_id(now, &self.entropy.bytes());
        let envelope = Envelope { iss: &self.issuer, aud: upstream, jti, iat, exp: expires.secs() };
        let payload = Outgoing::new(&envelope, person);
        let json = match request {
            Some(r) => payload.bound(r.method, r.host, &path_hash(r.path)).json(),
            None => payload.json(),
        };
        (mint::sign(&self.keys.load(), Purpose::Assertion, &json, now), expires)
    }
}

/// Believes assertions of a gateway whose JWK set is known. Never fetches anything.
#[derive(Debug)]
pub struct AssertionVerifier {
    keys: Vec<PublicKey>,
    audience: String,
    issuer: Option<String>,
}

impl AssertionVerifier {
    /// A verifier for the keys of a JWK set (JSON text) and the name this upstream has in the gateway.
    ///
    /// # Errors
    /// [`JwksError`] when the set is malformed or has no key for us; keep the verifier you had.
    pub fn from_jwks(json: &str, audience: &str) -> Result<Self, JwksError> {
        Ok(Self { keys: jwks::read(json)?, audience: audience.to_owned(), issuer: None })
    }

    /// Accepts this issuer only. Without it the keys alone say who issued.
    #[must_use]
    pub fn issued_by(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// Checks an assertion; compare [`AssertionClaims::bound_to`] with the request in hand.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<AssertionClaims, Rejection> {
        let segments = Segments::split(token)?;
        let find = |kid: &str| self.keys.iter().find(|k| k.kid == kid);
        signed_by(&segments, Purpose::Assertion, find, |key| key)?;
        let json = base64url(segments.payload).ok_or(Rejection::Malformed)?;
        let payload: Incoming<'_> = object(&json).ok_or(Rejection::Claims)?;
        if self.issuer.as_ref().is_some_and(|issuer| payload.iss != *issuer) {
            return Err(Rejection::Issuer);
        }
        if payload.aud != self.audience {
            return Err(Rejection::Audience);
        }
        Window { leeway: LEEWAY, max_life: MAX_ASSERTION_LIFE }.check(&payload, now)?;
        assertion_claims(payload)
    }
}

fn assertion_claims(p: Incoming<'_>) -> Result<AssertionClaims, Rejection> {
    let bound_to = match (p.htm, p.host, p.path_hash) {
        (Some(method), Some(host), Some(path_hash)) => Some(BoundRequest { method, host, path_hash }),
        (None, None, None) => None,
        _ => return Err(Rejection::Claims),
    };
    if p.nbf.is_some() {
        return Err(Rejection::Claims);
    }
    Ok(AssertionClaims {
        iss: p.iss.into_owned(),
        aud: p.aud.into_owned(),
        sub: p.sub,
        sid: p.sid,
        jti: p.jti,
        iat: p.iat,
        exp: p.exp,
        auth_time: p.auth_time,
        amr: p.amr,
        roles: p.roles,
        permissions: p.permissions,
        email: p.email,
        email_verified: p.email_verified,
        name: p.name,
        bound_to,
    })
}

fn path_hash(path: &str) -> String {
    to_base64url(digest(&SHA256, path.as_bytes()).as_ref())
}
