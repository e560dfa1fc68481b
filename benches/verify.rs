//! P4: the first sight of a token, checked in full by the gateway's [`Verifier`], beside the bare signature check of
//! the JWT library over the same bytes. Prints rows of a Markdown table.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use stagedoor::model::{AccountId, Clock, RoleName, SessionId, SystemClock, SystemEntropy};
use stagedoor::token::{AccessGrant, Algorithm, KeyRing, Mint, Settings, SigningKey, Verifier};

/// Checks in one batch; some milliseconds each.
const BATCH: u32 = 200;
/// Batches of each kind, taken in turns; the median counts.
const BATCHES: usize = 41;

fn main() -> Result<(), Box<dyn Error>> {
    for algorithm in Algorithm::ALL {
        let (bare, full) = compare(algorithm)?;
        println!(
            "| {algorithm} | {:.1} | {:.1} | {:.2} |",
            micros(bare),
            micros(full),
            full.as_secs_f64() / bare.as_secs_f64()
        );
    }
    Ok(())
}

/// The median times of the bare check and of the full one.
fn compare(algorithm: Algorithm) -> Result<(Duration, Duration), Box<dyn Error>> {
    let clock = SystemClock::new();
    let settings = settings(algorithm);
    let key = SigningKey::generate(algorithm, clock.now(), &SystemEntropy)?;
    let keys: JwkSet = serde_json::from_value(serde_json::json!({ "keys": [key.jwk()] }))?;
    let public = DecodingKey::from_jwk(&keys.keys[0])?;
    let ring = Arc::new(KeyRing::from_keys(vec![key])?);
    let mint = Mint::new(Arc::new(ArcSwap::new(ring.clone())), settings.clone(), Arc::new(SystemEntropy));
    let now = clock.now();
    let (token, _) = mint.access(&grant(now)?, now);
    let (message, signature) = token.rsplit_once('.').ok_or("a token has dots")?;
    let jws = match algorithm {
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
    };
    let verifier = Verifier::new(ring, &settings);
    let bare = || {
        let good = jsonwebtoken::crypto::verify(black_box(signature), message.as_bytes(), &public, jws);
        assert!(good.is_ok_and(|good| good), "the bare check must pass");
    };
    let full = || assert!(verifier.access(black_box(&token), now).is_ok(), "the full check must pass");
    let (mut bares, mut fulls) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        bares.push(batch(&clock, bare));
        fulls.push(batch(&clock, full));
    }
    Ok((median(bares), median(fulls)))
}

fn batch(clock: &SystemClock, work: impl Fn()) -> Duration {
    let start = clock.monotonic();
    for _ in 0..BATCH {
        work();
    }
    (clock.monotonic().saturating_sub(start)) / BATCH
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn settings(algorithm: Algorithm) -> Settings {
    Settings {
        algorithm,
        access_ttl: Duration::from_secs(600),
        assertion_ttl: Duration::from_secs(60),
        issuer: "https://auth.example.org".to_owned(),
        audience: "stagedoor".to_owned(),
        leeway: Duration::from_secs(5),
        cache_entries: 0,
    }
}

fn grant(now: stagedoor::model::Timestamp) -> Result<AccessGrant, Box<dyn Error>> {
    Ok(AccessGrant {
        account: AccountId::random(&SystemEntropy),
        session: SessionId::random(&SystemEntropy),
        email: "ada@example.org".to_owned(),
        email_verified: true,
        name: "Ada Lovelace".to_owned(),
        roles: vec![RoleName::parse("participant")?],
        permissions: ["events.view", "events.register"].map(str::to_owned).to_vec(),
        amr: vec!["pwd".to_owned()],
        auth_time: now,
    })
}
