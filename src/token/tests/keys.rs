//! Keys: at rest, in the ring, in the JWK set, in rotation.

use super::*;
use crate::model::Secret;

fn vault(text: &str) -> Vault {
    Vault::new(&Secret::new(text)).unwrap()
}

fn fresh(algorithm: Algorithm, at: Timestamp) -> SigningKey {
    SigningKey::generate(algorithm, at, &SystemEntropy).unwrap()
}

#[test]
fn a_minted_token_says_what_was_granted() {
    let (token, expires) = mint().access(&grant(), NOW);
    let claims = verifier().access(&token, NOW).unwrap();
    let g = grant();
    assert_eq!((claims.sub, claims.sid), (g.account, g.session));
    assert_eq!((&claims.name, &claims.email, claims.email_verified), (&g.name, &g.email, true));
    assert_eq!((&claims.roles, &claims.permissions, &claims.amr), (&g.roles, &g.permissions, &g.amr));
    assert_eq!((claims.iat, claims.nbf, claims.exp), (NOW_S, NOW_S, NOW_S + 600));
    assert_eq!((claims.auth_time, expires), (NOW_S - 30, Timestamp::from_secs(NOW_S + 600)));
    assert_eq!(claims.issued_at(), NOW, "to the millisecond");
    assert_ne!(claims.jti, verifier().access(&mint().access(&grant(), NOW).0, NOW).unwrap().jti);
    assert!(token.len() < 1200, "{} bytes", token.len());
}

#[test]
fn keys_survive_the_store_and_nothing_else() {
    let v = vault("k3Zr0v9YbQx1Lw7TnHs5Ud2Gf8JmPe6c");
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let stored = key.sealed(&v, &SystemEntropy);
        let opened = SigningKey::open(&v, &stored).unwrap();
        assert_eq!(opened.jwk(), key.jwk());
        assert_eq!((opened.created_at, opened.retired_at), (key.created_at, key.retired_at));
        let token = forge(&opened, header(&opened), payload().to_string());
        assert_eq!(check(&token), Ok(()), "{algorithm}");

        let wrong = SigningKey::open(&vault("another secret 0123456789 abcdefgh"), &stored);
        assert_eq!(wrong.unwrap_err(), KeyError::Sealed(key.kid.clone()));
        let renamed = StoredKey { kid: "0000000000000000".into(), ..stored.clone() };
        assert!(matches!(SigningKey::open(&v, &renamed), Err(KeyError::Sealed(_))));
        let other = if algorithm == Algorithm::ES256 { "EdDSA" } else { "ES256" };
        let relabelled = StoredKey { algorithm: other.into(), ..stored.clone() };
        assert!(matches!(SigningKey::open(&v, &relabelled), Err(KeyError::Sealed(_))));
        let unknown = StoredKey { algorithm: "HS256".into(), ..stored };
        assert!(matches!(SigningKey::open(&v, &unknown), Err(KeyError::Algorithm(_))));
        assert!(!format!("{key:?}").contains("pkcs"));
    }
}

#[test]
fn j_10_a_retired_key_vouches_for_the_past_only() {
    let mut old = fresh(Algorithm::ES256, Timestamp::from_secs(NOW_S - 5000));
    let new = fresh(Algorithm::EdDSA, Timestamp::from_secs(NOW_S - 300));
    let at = |iat: i64| (header(&old), payload_at(iat).to_string());
    let token = |iat: i64| forge(&old, at(iat).0, at(iat).1);
    let slack = i64::try_from(ROTATION_SLACK.as_secs()).unwrap();
    let (before, leaked) = (token(NOW_S - 301), token(NOW_S - 300 + slack + 1));
    old.retired_at = Some(Timestamp::from_secs(NOW_S - 300));
    let (old_kid, new_kid) = (old.kid.clone(), new.kid.clone());
    let ring = Arc::new(KeyRing::from_keys(vec![old, new]).unwrap());
    let verifier = Verifier::new(Arc::clone(&ring), &settings());
    assert!(verifier.access(&before, NOW).is_ok());
    assert_eq!(verifier.access(&leaked, NOW).map(drop), Err(Rejection::KeyUnknown));
    assert_eq!(ring.signer(NOW).kid, new_kid);
    assert_eq!(ring.jwks()["keys"][1]["kid"], json!(old_kid), "upstreams still need it");
    assert_eq!(check(&before), Err(Rejection::KeyUnknown), "no key of another ring");
}

#[test]
fn a_key_made_for_later_is_known_before_it_signs() {
    let mut old = fresh(Algorithm::ES256, Timestamp::from_secs(NOW_S - 5000));
    let next = fresh(Algorithm::ES256, Timestamp::from_secs(NOW_S + 60));
    old.retired_at = Some(Timestamp::from_secs(NOW_S + 60));
    let (old_kid, next_kid) = (old.kid.clone(), next.kid.clone());
    let ring = KeyRing::from_keys(vec![old, next]).unwrap();
    assert_eq!(ring.signer(NOW).kid, old_kid);
    assert_eq!(ring.signer(Timestamp::from_secs(NOW_S + 60)).kid, next_kid);
    assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 2);
    // A new key withdrawn in a hurry leaves the signing to the one before it.
    let (steady, mut withdrawn) =
        (fresh(Algorithm::ES256, Timestamp::from_secs(NOW_S - 50)), fresh(Algorithm::ES256, NOW));
    withdrawn.retired_at = Some(NOW);
    let kid = steady.kid.clone();
    assert_eq!(KeyRing::from_keys(vec![steady, withdrawn]).unwrap().signer(NOW).kid, kid);
    let alone = fresh(Algorithm::ES256, Timestamp::from_secs(NOW_S + 60));
    let kid = alone.kid.clone();
    assert_eq!(
        KeyRing::from_keys(vec![alone]).unwrap().signer(NOW).kid,
        kid,
        "a clock set back stops nobody"
    );
}

#[test]
fn j_26_the_self_test_finds_a_key_that_does_not_fit() {
    RING.self_test().unwrap();
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let (mut key, other) = (fresh(algorithm, NOW), fresh(algorithm, NOW));
        key.public = other.public.clone();
        let kid = key.kid.clone();
        assert_eq!(KeyRing::from_keys(vec![key]).unwrap_err(), KeyError::SelfTest(kid));
    }
}

#[test]
fn a_ring_needs_a_signer_and_distinct_names() {
    assert_eq!(KeyRing::from_keys(vec![]).unwrap_err(), KeyError::NoSigner);
    let mut retired = fresh(Algorithm::ES256, NOW);
    retired.retired_at = Some(NOW);
    assert_eq!(KeyRing::from_keys(vec![retired]).unwrap_err(), KeyError::NoSigner);
    let (a, mut b) = (fresh(Algorithm::ES256, NOW), fresh(Algorithm::ES256, NOW));
    b.kid.clone_from(&a.kid);
    let kid = a.kid.clone();
    assert_eq!(KeyRing::from_keys(vec![a, b]).unwrap_err(), KeyError::Duplicate(kid));
}

#[test]
fn algorithm_names_are_exact() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
    for name in ["es256", "HS256", "none", "", "Ed25519"] {
        assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm(name.into())));
    }
}

#[test]
fn rejection_ids_are_distinct() {
    let ids: std::collections::HashSet<_> = Rejection::ALL.iter().map(|r| r.id()).collect();
    assert_eq!(ids.len(), Rejection::ALL.len());
    assert!(ids.iter().all(|id| id.starts_with("token_")));
}
