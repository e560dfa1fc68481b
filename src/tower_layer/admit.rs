//! From an assertion to a person in the request's extensions.

use http::{Request, header};

use super::layer::Gate;
use super::refusal::Refusal;
use super::request::path;
use crate::gate::Principal;
use crate::model::{ClientIp, Timestamp};
use crate::token::{AssertionClaims, AssertionVerifier, RequestBinding};

/// Verifies `assertion`, removes the identity headers and leaves the [`Principal`] in the extensions.
///
/// # Errors
/// [`Refusal`], and then the request is as it was.
pub(super) fn admit<B>(
    gate: &Gate,
    verifier: &AssertionVerifier,
    assertion: &str,
    request: &mut Request<B>,
) -> Result<(), Refusal> {
    let claims = verifier.verify(assertion, gate.clock.now()).map_err(|r| Refusal::Assertion(r.id()))?;
    if gate.issuer.as_ref().is_some_and(|wanted| *wanted != claims.iss) {
        return Err(Refusal::Assertion("token_issuer"));
    }
    if !made_for(&claims, request) {
        return Err(Refusal::OtherRequest);
    }
    gate.headers.strip(request.headers_mut());
    // The peer of this connection is the gateway: `network` is about the address it names.
    let client_ip = forwarded_for(request).unwrap_or(ClientIp::UNKNOWN);
    request.extensions_mut().insert(client_ip);
    request.extensions_mut().insert(principal(claims));
    Ok(())
}

/// The address that the gateway names first; behind it are proxies that it trusts.
fn forwarded_for<B>(request: &Request<B>) -> Option<ClientIp> {
    let mut all = request.headers().get_all("x-forwarded-for").iter();
    let one = all.next().filter(|_| all.next().is_none())?;
    let client = one.to_str().ok()?.split(',').next()?;
    client.trim().parse().ok().map(ClientIp::new)
}

/// Whether the request is the one the assertion is bound to; one without binding fits every request.
fn made_for<B>(claims: &AssertionClaims, request: &Request<B>) -> bool {
    let Some(bound) = &claims.bound_to else { return true };
    let Some(host) = host(request) else { return false };
    bound.is(&RequestBinding { method: request.method().as_str(), host, path: path(request) })
}

/// The one `Host`, or the authority of an HTTP/2 request.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let mut all = request.headers().get_all(header::HOST).iter();
    match (all.next(), all.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, _) => request.uri().authority().map(http::uri::Authority::as_str),
        (Some(_), Some(_)) => None,
    }
}

fn principal(claims: AssertionClaims) -> Principal {
    Principal {
        id: claims.sub,
        session: claims.sid,
        email: claims.email,
        email_verified: claims.email_verified,
        name: claims.name,
        roles: claims.roles,
        permissions: claims.permissions,
        amr: claims.amr,
        auth_time: Timestamp::from_secs(claims.auth_time),
        expires: Timestamp::from_secs(claims.exp),
    }
}
