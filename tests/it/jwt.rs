//! Group 1.J of the security cases, J-01 to J-08: algorithms and claims, before the running gateway. Each case begins
//! with a token that is accepted; every bad one gets one and the same answer.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::jwt_forge::{ALGORITHMS, Court, Pair, encode};
use crate::support::get;

#[test]
fn j_01_unsigned_and_misshapen() {
    let court = Court::in_session("ES256");
    let [h, p, s] = court.segments();
    for alg in ["none", "None", "nOnE", "noNE", "NONE", ""] {
        let header = court.forge.header().replace("ES256", alg);
        court.refuse_header(&header, &format!("{alg:?}, signed"));
        court.refuse(&format!("{}.{p}.", encode(&header)), &format!("{alg:?}, empty signature"));
        court.refuse(&format!("{}.{p}", encode(&header)), &format!("{alg:?}, no third dot"));
    }
    for shape in [
        ".".to_owned(),
        "..".to_owned(),
        h.clone(),
        format!("{h}.{p}"),
        format!("{h}.{p}."),
        format!(".{p}.{s}"),
        format!("{h}..{s}"),
        format!("{h}.{p}.{s}."),
        format!(".{h}.{p}.{s}"),
        format!("{h}.{p}.{s}.{s}"),
        format!("{h}.{p}.{s}.{s}.{s}"),
        format!("{h}.{p}.{s},{h}.{p}.{s}"),
        format!("{h} {p} {s}"),
        format!("Bearer {h}.{p}.{s}"),
    ] {
        court.refuse(&shape, &shape);
    }
}

/// The ways our public key could be mistaken for a shared secret.
fn public_forms(court: &Court) -> Vec<Vec<u8>> {
    let (raw, der): (Vec<u8>, Vec<u8>) = match &court.forge.pair {
        Pair::P256(pair) => {
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            (pair.public_key().as_ref().to_vec(), der.as_ref().to_vec())
        }
        Pair::Ed25519(pair) => ed25519_forms(pair),
        Pair::Rsa(pair) => {
            let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
            let n = n.big_endian_without_leading_zero();
            let e = e.big_endian_without_leading_zero();
            let der: PublicKeyX509Der<'_> = RsaPublicKeyComponents { n, e }.as_der().unwrap();
            (n.to_vec(), der.as_ref().to_vec())
        }
    };
    let text = STANDARD.encode(&der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let published = court.app.ask(get("/auth/.well-known/jwks.json", "")).json()["keys"][0].clone();
    let members =
        ["n", "x", "y", "kid"].iter().filter_map(|m| published[m].as_str().map(|t| t.as_bytes().to_vec()));
    let ssh = format!("ssh-key {}", STANDARD.encode(&raw)).into_bytes();
    let texts = [text, format!("{pem}\n"), pem, published.to_string()].map(String::into_bytes);
    texts.into_iter().chain(members).chain([raw, der, ssh]).collect()
}

fn ed25519_forms(pair: &Ed25519KeyPair) -> (Vec<u8>, Vec<u8>) {
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (pair.public_key().as_ref().to_vec(), der.as_ref().to_vec())
}

#[test]
fn j_02_public_key_as_shared_secret() {
    for algorithm in ALGORITHMS {
        let court = Court::in_session(algorithm);
        let payload = encode(court.payload().to_string());
        for secret in public_forms(&court) {
            for name in ["HS256", "HS384", "HS512", algorithm] {
                let header = court.forge.header().replace(algorithm, name);
                let signed = format!("{}.{payload}", encode(header));
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
                court.refuse(
                    &format!("{signed}.{}", encode(tag)),
                    &format!("{algorithm} as {name}: {secret:?}"),
                );
            }
        }
    }
}

#[test]
fn j_03_one_key_one_algorithm() {
    let names = [
        "ES256",
        "EdDSA",
        "RS256",
        "HS256",
        "PS256",
        "RS384",
        "RS512",
        "ES384",
        "ES256K",
        "eddsa",
        "EDDSA",
        "Ed25519",
        "es256",
        "rs256",
        " ES256",
        "ES256 ",
        "ES256\\u0000",
    ];
    let courts = ALGORITHMS.map(Court::in_session);
    for court in &courts {
        let algorithm = &court.forge.algorithm;
        for name in names.iter().filter(|n| *n != algorithm) {
            let lying = court.forge.header().replace(algorithm.as_str(), name);
            court.refuse_header(&lying, &format!("{algorithm} key, {name}"));
        }
        // Signed by another gateway's key under this one's honest header.
        for other in courts.iter().filter(|o| o.forge.kid != court.forge.kid) {
            let token = other.forge.token(court.forge.header(), court.payload().to_string());
            court.refuse(&token, &format!("{} as {algorithm}", other.forge.algorithm));
        }
    }
}

#[test]
fn j_04_times_are_integers() {
    let court = Court::in_session("ES256");
    let odd = [
        "\"9999999999\"",
        "null",
        "true",
        "[1]",
        "{}",
        "1e400",
        "-1",
        "1.5",
        "99999999999999999999",
        "-0",
        "0x10",
        "NaN",
        "\"\"",
        "18e8",
    ];
    for claim in ["exp", "nbf", "iat", "auth_time"] {
        for text in odd {
            court.refuse_payload(court.literal(claim, text), &format!("{claim} {text}"));
        }
        let right = court.payload()[claim].to_string();
        for text in [format!("\"{right}\""), format!("[{right}]"), format!("{right}.0")] {
            court.refuse_payload(court.literal(claim, &text), &format!("{claim} {text}"));
        }
        court.refuse_payload(court.without(claim), &format!("no {claim}"));
        court.refuse_payload(
            court.literal(claim, "9223372036854775807"),
            &format!("{claim} at the end of time"),
        );
    }
}

#[test]
fn j_05_leeway_is_five_seconds() {
    let court = Court::in_session("ES256");
    let ending = |left: i64| {
        let payload = court.payload_at(court.now() + left - 600).to_string();
        court.forge.token(court.forge.header(), payload)
    };
    for left in [60, 1, 0, -4] {
        court.accept(&ending(left), &format!("ends in {left} s"));
    }
    for left in [-5, -6, -60, -3600] {
        court.refuse(&ending(left), &format!("ended {left} s ago"));
    }
    // One and the same token as time passes, also when the gateway remembers it.
    let token = court.good();
    court.advance(604);
    court.accept(&token, "four seconds over");
    court.advance(1);
    court.refuse(&token, "five seconds over");
}

#[test]
fn j_06_life_and_future() {
    let court = Court::in_session("ES256");
    let now = court.now();
    court.refuse_payload(court.with("exp", json!(now + 601)), "longer than we give");
    court.refuse_payload(court.with("exp", json!(now + 86_400)), "a day");
    for exp in [now, now - 1] {
        court.refuse_payload(court.with("exp", json!(exp)), "no life at all");
    }
    let made_at = |iat| court.forge.token(court.forge.header(), court.payload_at(iat).to_string());
    court.accept(&made_at(now + 5), "clocks may differ");
    for ahead in [6, 600, 86_400] {
        court.refuse(&made_at(now + ahead), &format!("made {ahead} s ahead"));
        court.refuse_payload(court.with("nbf", json!(now + ahead)), &format!("good from {ahead} s on"));
        court.refuse_payload(
            court.with("auth_time", json!(now + ahead)),
            &format!("signed in {ahead} s ahead"),
        );
    }
    let mut lasting = court.payload();
    for claim in ["exp", "iat"] {
        lasting.as_object_mut().unwrap().remove(claim);
    }
    court.refuse_payload(lasting.to_string(), "neither exp nor iat");
}

/// The claim is one exact string.
fn one_exact_string(claim: &str, others: &[String], kinds: &[Value]) {
    let court = Court::in_session("ES256");
    for other in others {
        court.refuse_payload(court.with(claim, json!(other)), &format!("{claim} {other:?}"));
    }
    for kind in kinds {
        court.refuse_payload(court.with(claim, kind.clone()), &format!("{claim} {kind}"));
    }
    court.refuse_payload(court.without(claim), &format!("no {claim}"));
}

#[test]
fn j_07_audience_is_one_exact_string() {
    let others =
        ["", "other", "Stagedoor", "stagedoor ", "stagedoor/", "stage", "stagedoor\u{0}", "app", "*"];
    let kinds =
        [json!(["stagedoor"]), json!(["stagedoor", "other"]), json!([]), json!(1), json!(null), json!({})];
    one_exact_string("aud", &others.map(str::to_owned), &kinds);
}

#[test]
fn j_08_issuer_is_one_exact_string() {
    let court = Court::in_session("ES256");
    let ours = court.app.public_url().to_owned();
    let others = [
        String::new(),
        format!("{ours}/"),
        format!("{ours}0"),
        format!(" {ours}"),
        ours[..ours.len() - 1].to_owned(),
        ours.replace("http:", "https:"),
        ours.replace("localhost", "Localhost"),
        ours.replace("localhost", "localhost.evil.example"),
        "https://evil.example".to_owned(),
    ];
    for other in others {
        court.refuse_payload(court.with("iss", json!(other)), &format!("iss {other:?}"));
    }
    for kind in [json!(null), json!([ours]), json!(7), json!({})] {
        court.refuse_payload(court.with("iss", kind.clone()), &format!("iss {kind}"));
    }
    court.refuse_payload(court.without("iss"), "no iss");
}
