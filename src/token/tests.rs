//! Tests of the token part. The helpers here forge what our mint would never write, signed with a real key of the ring.

mod assertions;
mod forged;
mod keys;
mod revocations;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Value, json};

use super::claims::token_id;
use super::strict::to_base64url;
use super::*;
use crate::model::{AccountId, Entropy, RoleName, SessionId, SystemEntropy, Timestamp};

/// The tests' present (seconds and milliseconds).
const NOW_S: i64 = 1_800_000_000;
const NOW: Timestamp = Timestamp::from_millis(NOW_S * 1000 + 250);

/// A ring with one key of each algorithm; the ES256 key is the newest. Made once: RSA keys take their time.
static RING: LazyLock<Arc<KeyRing>> = LazyLock::new(|| {
    let age = |secs| Timestamp::from_secs(NOW_S - secs);
    let keys = [(Algorithm::ES256, 100), (Algorithm::EdDSA, 200), (Algorithm::RS256, 300)];
    let keys = keys.map(|(a, secs)| SigningKey::generate(a, age(secs), &SystemEntropy).unwrap());
    Arc::new(KeyRing::from_keys(keys.into()).unwrap())
});

fn key(algorithm: Algorithm) -> &'static SigningKey {
    RING.keys().iter().find(|k| k.algorithm == algorithm).unwrap()
}

fn settings() -> Settings {
    Settings {
        algorithm: Algorithm::ES256,
        access_ttl: Duration::from_secs(600),
        assertion_ttl: Duration::from_secs(60),
        issuer: "https://gate.example".into(),
        audience: "stagedoor".into(),
        leeway: Duration::from_secs(5),
        cache_entries: 100,
    }
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

fn swap() -> Arc<ArcSwap<KeyRing>> {
    Arc::new(ArcSwap::from(Arc::clone(&RING)))
}

fn verifier() -> Verifier {
    Verifier::new(Arc::clone(&RING), &settings())
}

fn mint() -> Mint {
    Mint::new(swap(), settings(), entropy())
}

fn grant() -> AccessGrant {
    AccessGrant {
        account: AccountId::from_bytes([1; 16]),
        session: SessionId::from_bytes([2; 16]),
        email: "ada@example.org".into(),
        email_verified: true,
        name: "Ada \u{1f3ad} Lovelace".into(),
        roles: vec![RoleName::parse("editor").unwrap(), RoleName::parse("user").unwrap()],
        permissions: vec!["events.*".into()],
        amr: vec!["pwd".into(), "otp".into()],
        auth_time: Timestamp::from_secs(NOW_S - 30),
    }
}

/// 5.10: signed in where the clock was ahead, refreshed where it is not.
#[test]
fn case_5_10_a_proof_that_lies_ahead_makes_a_good_token_and_satisfies_nothing() {
    let now = Timestamp::from_secs(NOW_S);
    for (ahead, counts_as) in [(-30, NOW_S - 30), (0, NOW_S), (20, NOW_S), (120, 0), (86_400, 0)] {
        let ahead = AccessGrant { auth_time: Timestamp::from_secs(NOW_S + ahead), ..grant() };
        let (token, _) = mint().access(&ahead, now);
        let claims = verifier().access(&token, now).unwrap();
        assert_eq!(claims.auth_time, counts_as);
    }
}

/// The payload of a good access token, to be bent.
fn payload() -> Value {
    payload_at(NOW_S)
}

fn payload_at(iat: i64) -> Value {
    json!({
        "iss": "https://gate.example", "aud": "stagedoor",
        "sub": AccountId::from_bytes([1; 16]).to_string(), "sid": SessionId::from_bytes([2; 16]).to_string(),
        "jti": token_id(Timestamp::from_secs(iat), &[7; 10]).to_string(),
        "iat": iat, "nbf": iat, "exp": iat + 600, "auth_time": iat - 30, "amr": ["pwd"],
        "roles": ["user"], "permissions": ["events.view"],
        "email": "ada@example.org", "email_verified": true, "name": "Ada",
    })
}

fn with(claim: &str, value: Value) -> String {
    let mut p = payload();
    p[claim] = value;
    p.to_string()
}

fn without(claim: &str) -> String {
    let mut p = payload();
    p.as_object_mut().unwrap().remove(claim).unwrap();
    p.to_string()
}

/// The payload with the text of one claim's value replaced, for values that are not JSON we could build.
fn literal(claim: &str, text: &str) -> String {
    with(claim, json!("@@")).replace("\"@@\"", text)
}

fn header(key: &SigningKey) -> String {
    json!({ "alg": key.algorithm.as_str(), "typ": "at+jwt", "kid": key.kid }).to_string()
}

/// Signs any bytes as header and payload.
fn forge(key: &SigningKey, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    sign_text(key, &format!("{}.{}", to_base64url(header.as_ref()), to_base64url(payload.as_ref())))
}

/// Signs a ready "header.payload".
fn sign_text(key: &SigningKey, signed: &str) -> String {
    format!("{signed}.{}", key.sign_bytes(signed.as_bytes()).unwrap())
}

/// A good token of that algorithm: the positive control.
fn good(algorithm: Algorithm) -> String {
    let key = key(algorithm);
    let token = forge(key, header(key), payload().to_string());
    assert_eq!(check(&token), Ok(()), "positive control {algorithm}");
    token
}

fn check(token: &str) -> Result<(), Rejection> {
    verifier().access(token, NOW).map(drop)
}

/// Signs this payload with the ES256 key and checks it.
fn check_payload(payload: impl AsRef<[u8]>) -> Result<(), Rejection> {
    let key = key(Algorithm::ES256);
    check(&forge(key, header(key), payload))
}

/// Signs the good payload under this header with the ES256 key and checks it.
fn check_header(header: impl AsRef<[u8]>) -> Result<(), Rejection> {
    check(&forge(key(Algorithm::ES256), header, payload().to_string()))
}

/// The ES256 header with one more member.
fn header_plus(member: &str) -> String {
    let h = header(key(Algorithm::ES256));
    format!("{},{member}}}", &h[..h.len() - 1])
}
