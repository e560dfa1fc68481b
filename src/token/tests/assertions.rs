//! Assertions and the JWK sets they are checked with.

use super::*;

const UPSTREAM: &str = "events";

fn upstream() -> AssertionVerifier {
    AssertionVerifier::from_jwks(&RING.jwks().to_string(), UPSTREAM).unwrap()
}

fn assertions() -> AssertionMint {
    AssertionMint::new(swap(), &settings(), entropy())
}

#[test]
fn a_session_assertion_says_who_is_asking() {
    let g = grant();
    let (token, expires) = assertions().mint(&Person::from(&g), UPSTREAM, None, NOW);
    let claims = upstream().verify(&token, NOW).unwrap();
    assert_eq!((claims.sub, claims.sid, claims.aud.as_str()), (g.account, g.session, UPSTREAM));
    assert_eq!((&claims.roles, &claims.permissions, &claims.amr), (&g.roles, &g.permissions, &g.amr));
    assert_eq!((&claims.name, &claims.email, claims.email_verified), (&g.name, &g.email, true));
    assert_eq!((claims.iat, claims.exp, claims.auth_time), (NOW_S, NOW_S + 60, NOW_S - 30));
    assert_eq!((claims.bound_to, expires), (None, Timestamp::from_secs(NOW_S + 60)));
    let late = |secs| upstream().verify(&token, Timestamp::from_secs(NOW_S + secs)).map(drop);
    assert_eq!(late(64), Ok(()));
    assert_eq!(late(65), Err(Rejection::Expired));
    assert_eq!(late(-6), Err(Rejection::NotYetValid));
}

#[test]
fn an_assertion_is_for_one_upstream_of_one_gateway() {
    let (token, _) = assertions().mint(&Person::from(&grant()), "billing", None, NOW);
    assert_eq!(upstream().verify(&token, NOW).map(drop), Err(Rejection::Audience));
    let (token, _) = assertions().mint(&Person::from(&grant()), UPSTREAM, None, NOW);
    assert!(upstream().issued_by("https://gate.example").verify(&token, NOW).is_ok());
    let other = upstream().issued_by("https://gate.example/");
    assert_eq!(other.verify(&token, NOW).map(drop), Err(Rejection::Issuer));
    let stranger = SigningKey::generate(Algorithm::ES256, NOW, &SystemEntropy).unwrap();
    let set = KeyRing::from_keys(vec![stranger]).unwrap().jwks().to_string();
    let strange = AssertionVerifier::from_jwks(&set, UPSTREAM).unwrap();
    assert_eq!(strange.verify(&token, NOW).map(drop), Err(Rejection::KeyUnknown));
}

#[test]
fn a_bound_assertion_is_for_one_request() {
    let request = RequestBinding { method: "POST", host: "events.example", path: "/api/events/7" };
    let (token, _) = assertions().mint(&Person::from(&grant()), UPSTREAM, Some(&request), NOW);
    let bound = upstream().verify(&token, NOW).unwrap().bound_to.unwrap();
    assert!(bound.is(&request));
    assert!(!bound.is(&RequestBinding { method: "GET", ..request }));
    assert!(!bound.is(&RequestBinding { host: "other.example", ..request }));
    assert!(!bound.is(&RequestBinding { path: "/api/events/8", ..request }));
    assert!(!bound.is(&RequestBinding { path: "/api/events/7/", ..request }));
}

#[test]
fn an_assertion_is_never_long_lived_nor_half_bound() {
    let long = Settings { assertion_ttl: Duration::from_secs(3600), ..settings() };
    let long = AssertionMint::new(swap(), &long, entropy());
    let (_, expires) = long.mint(&Person::from(&grant()), UPSTREAM, None, NOW);
    assert_eq!(expires, Timestamp::from_secs(NOW_S + 60));

    let key = key(Algorithm::ES256);
    let mut p = payload();
    p["aud"] = UPSTREAM.into();
    p["exp"] = (NOW_S + 60).into();
    p.as_object_mut().unwrap().remove("nbf");
    let head = header(key).replace("at+jwt", "assertion+jwt");
    let check = |p: &Value| upstream().verify(&forge(key, &head, p.to_string()), NOW).map(drop);
    assert_eq!(check(&p), Ok(()));
    for (claim, value) in [
        ("exp", json!(NOW_S + 61)),
        ("nbf", json!(NOW_S)),
        ("htm", json!("GET")),
        ("host", json!("a")),
        ("path_hash", json!("b")),
        ("htm", json!(null)),
        ("roles", json!("admin")),
        ("extra", json!(1)),
        ("iat", json!(1.5)),
    ] {
        let mut bent = p.clone();
        bent[claim] = value;
        assert_eq!(check(&bent), Err(Rejection::Claims), "{bent}");
    }
}

#[test]
fn every_algorithm_travels_through_the_jwk_set() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let mut p = payload();
        p["aud"] = UPSTREAM.into();
        p["exp"] = (NOW_S + 60).into();
        p.as_object_mut().unwrap().remove("nbf");
        let token = forge(key, header(key).replace("at+jwt", "assertion+jwt"), p.to_string());
        assert_eq!(upstream().verify(&token, NOW).map(drop), Ok(()), "{algorithm}");
        let jwk = key.jwk();
        assert_eq!(
            (&jwk["kid"], &jwk["alg"], &jwk["use"]),
            (&json!(key.kid), &json!(algorithm.as_str()), &json!("sig"))
        );
        assert!(jwk.get("d").is_none());
    }
}

fn read(set: &Value) -> Result<(), JwksError> {
    AssertionVerifier::from_jwks(&set.to_string(), UPSTREAM).map(drop)
}

#[test]
fn j_27_malformed_key_sets_are_refused() {
    let jwks = RING.jwks();
    assert_eq!(read(&jwks), Ok(()));
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "1",
        "{\"keys\":{}}",
        "{\"keys\":[1]}",
        "{\"keys\":[{}]}",
        "{\"keys\":[",
        "\u{feff}{}",
    ] {
        let read = AssertionVerifier::from_jwks(text, UPSTREAM).map(drop);
        assert!(matches!(read, Err(JwksError::Malformed(_))), "{text}: {read:?}");
    }
    assert_eq!(read(&json!({ "keys": [] })), Err(JwksError::Empty));
    assert_eq!(
        AssertionVerifier::from_jwks(&" ".repeat(70_000), UPSTREAM).map(drop),
        Err(JwksError::TooLarge)
    );
    assert_eq!(read(&json!({ "keys": vec![json!({ "kty": "oct" }); 65] })), Err(JwksError::TooLarge));
    let doubled = json!({ "keys": [jwks["keys"][0], jwks["keys"][0]] });
    assert!(matches!(read(&doubled), Err(JwksError::Duplicate(_))));
    for at in 0..3 {
        for (member, value) in [
            ("x", "AA"),
            ("y", "AA"),
            ("n", "AQAB"),
            ("e", "Ag"),
            ("kty", "oct"),
            ("crv", "P-384"),
            ("x", "A="),
        ] {
            let mut set = jwks.clone();
            if set["keys"][at].get(member).is_some() {
                set["keys"][at][member] = value.into();
                assert!(matches!(read(&set), Err(JwksError::Key(_))), "{at} {member} {value}");
            }
        }
        let mut set = jwks.clone();
        set["keys"][at]["d"] = "AAAA".into();
        assert!(matches!(read(&set), Err(JwksError::Private(_))));
        // Off the curve, or a swapped algorithm: caught when the set is read, not by the first request.
        let mut set = jwks.clone();
        set["keys"][at]["alg"] = if set["keys"][at]["alg"] == "ES256" { "EdDSA" } else { "ES256" }.into();
        assert!(matches!(read(&set), Err(JwksError::Key(_))));
    }
    let mut off = jwks.clone();
    off["keys"][0]["y"] = off["keys"][0]["x"].clone();
    assert!(matches!(read(&off), Err(JwksError::Key(_))));
}

#[test]
fn keys_for_others_are_passed_over() {
    let ours = RING.jwks()["keys"][0].clone();
    for (member, value) in
        [("alg", json!("HS256")), ("alg", json!(null)), ("kid", json!(null)), ("use", json!("enc"))]
    {
        let mut other = ours.clone();
        other["kid"] = "other".into();
        other[member] = value;
        assert_eq!(read(&json!({ "keys": [other.clone()] })), Err(JwksError::Empty), "{other}");
        assert_eq!(read(&json!({ "keys": [other, ours] })), Ok(()));
    }
    let secret = json!({ "kty": "oct", "k": "AAAA", "alg": "HS256", "kid": "s" });
    assert_eq!(read(&json!({ "keys": [secret, ours] })), Ok(()));
}
