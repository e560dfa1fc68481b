//! The public keys.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};

use crate::web::WebState;

/// Short enough for a rotation: a new key is published before it signs.
const CACHE: &str = "public, max-age=300";

/// A JWK set (RFC 7517).
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes what the key ring writes")]
pub struct Jwks {
    /// What signs, has signed, and will sign.
    keys: Vec<Jwk>,
}

/// A public key; the numbers depend on its kind.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes what the key ring writes")]
pub struct Jwk {
    /// `EC`, `OKP` or `RSA`.
    kty: String,
    /// As in the header of a token.
    kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    alg: String,
    /// Always `sig`.
    r#use: String,
}

/// The public keys.
///
/// For services that check access tokens or the gateway's assertions themselves.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "integration",
    responses((status = 200, description = "The keys as a JWK set.", body = Jwks)))]
pub async fn get(State(state): State<WebState>) -> Response {
    ([(CACHE_CONTROL, CACHE)], Json((state.jwks)())).into_response()
}
