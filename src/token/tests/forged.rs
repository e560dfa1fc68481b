//! Group 1.J of the security cases: forged, bent and odd tokens. Each case begins with a token that is accepted.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;
use crate::token::public_key::Material;

fn hs256(header: &str, secret: &[u8]) -> String {
    let signed =
        format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(payload().to_string().as_bytes()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", to_base64url(tag.as_ref()))
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// The ways our public key could be mistaken for a shared secret.
fn public_forms(key: &SigningKey) -> Vec<Vec<u8>> {
    let (raw, der) = match &key.public.material {
        Material::P256 { x, y } => {
            let point = [&[4][..], x, y].concat();
            let prefix = hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
            (point.clone(), [prefix, point].concat())
        }
        Material::Ed25519 { x } => (x.to_vec(), [hex("302a300506032b6570032100"), x.to_vec()].concat()),
        Material::Rsa { n, e } => {
            let der: PublicKeyX509Der<'_> = RsaPublicKeyComponents { n, e }.as_der().unwrap();
            (n.clone(), der.as_ref().to_vec())
        }
    };
    let text = STANDARD.encode(&der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let jwk = key.jwk();
    let ssh = format!("ssh-key {}", STANDARD.encode(&raw));
    let mut forms = vec![raw, der, text.into_bytes(), format!("{pem}\n").into_bytes(), pem.into_bytes()];
    forms.extend([jwk.to_string().into_bytes(), ssh.into_bytes(), key.kid.clone().into_bytes()]);
    forms.extend(["x", "n"].iter().filter_map(|m| jwk[m].as_str().map(|t| t.as_bytes().to_vec())));
    forms
}

#[test]
fn j_01_unsigned_and_misshapen() {
    let token = good(Algorithm::ES256);
    let [h, p, s]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for alg in ["none", "None", "nOnE", "noNE", "NONE", ""] {
        let header = header(key(Algorithm::ES256)).replace("ES256", alg);
        assert_eq!(check_header(&header), Err(Rejection::Algorithm), "{alg}, signed");
        let unsigned = format!("{}.{p}.", to_base64url(header.as_bytes()));
        assert_eq!(check(&unsigned), Err(Rejection::Malformed), "{alg}, unsigned");
    }
    let shapes = [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{h}.{p}"),
        format!("{h}.{p}."),
        format!(".{p}.{s}"),
        format!("{h}..{s}"),
        format!("{h}.{p}.{s}."),
        format!(".{token}"),
        format!("{token}.{s}"),
        format!("{h}.{p}.{s}.{s}.{s}"),
        format!("{h} {p} {s}"),
        format!("Bearer {token}"),
    ];
    for shape in shapes {
        assert_eq!(check(&shape), Err(Rejection::Malformed), "{shape}");
    }
}

#[test]
fn j_02_public_key_as_shared_secret() {
    for algorithm in Algorithm::ALL {
        good(algorithm);
        let key = key(algorithm);
        for secret in public_forms(key) {
            for name in ["HS256", "HS384", "HS512"] {
                let lying = header(key).replace(algorithm.as_str(), name);
                assert_eq!(check(&hs256(&lying, &secret)), Err(Rejection::Algorithm), "{name} {secret:?}");
            }
            assert_eq!(check(&hs256(&header(key), &secret)), Err(Rejection::Signature));
        }
    }
}

#[test]
fn j_03_one_key_one_algorithm() {
    let names = [
        "ES256", "EdDSA", "RS256", "HS256", "PS256", "RS384", "RS512", "ES384", "ES256K", "eddsa", "EDDSA",
        "Ed25519", "es256", "rs256", " ES256", "ES256 ",
    ];
    for algorithm in Algorithm::ALL {
        good(algorithm);
        let key = key(algorithm);
        for name in names.iter().filter(|n| **n != algorithm.as_str()) {
            let lying = header(key).replace(algorithm.as_str(), name);
            let token = forge(key, &lying, payload().to_string());
            assert_eq!(check(&token), Err(Rejection::Algorithm), "{algorithm} key, {name}");
        }
        // Signed by one key under the honest header of another.
        for other in Algorithm::ALL.into_iter().filter(|a| *a != algorithm) {
            let token = forge(key, header(super::key(other)), payload().to_string());
            assert_eq!(check(&token), Err(Rejection::Signature), "{algorithm} as {other}");
        }
    }
}

#[test]
fn j_04_times_are_integers() {
    assert_eq!(check_payload(payload().to_string()), Ok(()));
    let odd = [
        "\"9999999999\"",
        "\"1800000000\"",
        "null",
        "true",
        "[1]",
        "[1800000000]",
        "{}",
        "1e400",
        "-1",
        "1.5",
        "1800000100.0",
        "18e8",
        "99999999999999999999",
        "-0",
        "0x10",
        "NaN",
        "\"\"",
    ];
    for claim in ["exp", "nbf", "iat", "auth_time"] {
        for text in odd {
            assert_eq!(check_payload(literal(claim, text)), Err(Rejection::Claims), "{claim} {text}");
        }
        assert_eq!(check_payload(without(claim)), Err(Rejection::Claims), "no {claim}");
    }
    assert_eq!(check_payload(literal("exp", "9223372036854775807")), Err(Rejection::Claims));
    assert_eq!(check_payload(literal("nbf", "9223372036854775807")), Err(Rejection::NotYetValid));
}

#[test]
fn j_05_leeway_is_five_seconds() {
    let ending = |exp: i64| check_payload(payload_at(exp - 600).to_string());
    assert_eq!(ending(NOW_S + 1), Ok(()));
    assert_eq!(ending(NOW_S - 4), Ok(()));
    assert_eq!(ending(NOW_S - 5), Err(Rejection::Expired));
    assert_eq!(ending(NOW_S - 6), Err(Rejection::Expired));
    assert_eq!(ending(NOW_S - 60), Err(Rejection::Expired));
}

#[test]
fn j_06_life_and_future() {
    let mut p = payload();
    assert_eq!(check_payload(p.to_string()), Ok(()));
    p["exp"] = (NOW_S + 601).into();
    assert_eq!(check_payload(p.to_string()), Err(Rejection::Claims), "longer than we give");
    for exp in [NOW_S, NOW_S - 1] {
        assert_eq!(check_payload(with("exp", exp.into())), Err(Rejection::Claims), "no life at all");
    }
    assert_eq!(check_payload(payload_at(NOW_S + 5).to_string()), Ok(()), "clocks may differ");
    for ahead in [6, 600] {
        assert_eq!(check_payload(payload_at(NOW_S + ahead).to_string()), Err(Rejection::NotYetValid));
        assert_eq!(check_payload(with("nbf", (NOW_S + ahead).into())), Err(Rejection::NotYetValid));
        assert_eq!(check_payload(with("auth_time", (NOW_S + ahead).into())), Err(Rejection::Claims));
    }
}

#[test]
fn j_07_audience_is_one_exact_string() {
    assert_eq!(check_payload(with("aud", json!("stagedoor"))), Ok(()));
    for aud in ["", "other", "Stagedoor", "stagedoor ", "stagedoor/", "stage", "stagedoor\u{0}"] {
        assert_eq!(check_payload(with("aud", json!(aud))), Err(Rejection::Audience), "{aud:?}");
    }
    for aud in
        [json!(["stagedoor"]), json!(["stagedoor", "other"]), json!([]), json!(1), json!(null), json!({})]
    {
        assert_eq!(check_payload(with("aud", aud.clone())), Err(Rejection::Claims), "{aud}");
    }
    assert_eq!(check_payload(without("aud")), Err(Rejection::Claims));
}

#[test]
fn j_08_issuer_is_one_exact_string() {
    assert_eq!(check_payload(with("iss", json!("https://gate.example"))), Ok(()));
    let others = [
        "",
        "https://gate.example/",
        "https://gate.exampl",
        "https://gate.example.evil",
        "https://Gate.example",
        "http://gate.example",
        " https://gate.example",
    ];
    for iss in others {
        assert_eq!(check_payload(with("iss", json!(iss))), Err(Rejection::Issuer), "{iss:?}");
    }
    for iss in [json!(null), json!(["https://gate.example"]), json!(7)] {
        assert_eq!(check_payload(with("iss", iss)), Err(Rejection::Claims));
    }
    assert_eq!(check_payload(without("iss")), Err(Rejection::Claims));
}

#[test]
fn j_09_a_token_serves_its_own_purpose_only() {
    good(Algorithm::ES256);
    let types = [
        "assertion+jwt",
        "JWT",
        "jwt",
        "at+JWT",
        "AT+JWT",
        "application/at+jwt",
        "refresh+jwt",
        "reset+jwt",
        "verify+jwt",
        "mfa+jwt",
        "",
        "at+jwt ",
    ];
    for typ in types {
        let header = header(key(Algorithm::ES256)).replace("at+jwt", typ);
        assert_eq!(check_header(header), Err(Rejection::Type), "{typ}");
    }
    assert_eq!(
        check_header(json!({ "alg": "ES256", "kid": RING.keys()[0].kid }).to_string()),
        Err(Rejection::Malformed)
    );
    let jwks = RING.jwks().to_string();
    let upstream = AssertionVerifier::from_jwks(&jwks, "stagedoor").unwrap();
    let assertions = AssertionMint::new(swap(), &settings(), entropy());
    let (assertion, _) = assertions.mint(&Person::from(&grant()), "stagedoor", None, NOW);
    assert!(upstream.verify(&assertion, NOW).is_ok());
    assert_eq!(check(&assertion), Err(Rejection::Type));
    let (access, _) = mint().access(&grant(), NOW);
    assert_eq!(check(&access), Ok(()));
    assert_eq!(upstream.verify(&access, NOW).map(drop), Err(Rejection::Type));
    // Even under a borrowed type the payloads differ.
    let relabelled = |token: &str, typ: &str| {
        let payload = token.split('.').nth(1).unwrap();
        let header = header(key(Algorithm::ES256)).replace("at+jwt", typ);
        sign_text(key(Algorithm::ES256), &format!("{}.{payload}", to_base64url(header.as_bytes())))
    };
    assert_eq!(check(&relabelled(&access, "at+jwt")), Ok(()));
    assert_eq!(check(&relabelled(&assertion, "at+jwt")), Err(Rejection::Claims));
    assert!(upstream.verify(&relabelled(&assertion, "assertion+jwt"), NOW).is_ok());
    assert_eq!(upstream.verify(&relabelled(&access, "assertion+jwt"), NOW).map(drop), Err(Rejection::Claims));
}

#[test]
fn j_10_the_header_brings_no_key() {
    good(Algorithm::ES256);
    let jwk = key(Algorithm::ES256).jwk();
    for member in [
        r#""jku":"http://127.0.0.1:1/jwks.json""#.to_owned(),
        r#""x5u":"http://127.0.0.1:1/cert.pem""#.into(),
        format!(r#""jwk":{jwk}"#),
        r#""x5c":["MIIB"]"#.into(),
        r#""x5t":"AAAA""#.into(),
        r#""use":"sig""#.into(),
    ] {
        assert_eq!(check_header(header_plus(&member)), Err(Rejection::Malformed), "{member}");
    }
    let named = |kid: &str| check_header(json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }).to_string());
    for kid in ["../../dev/null", "' OR 1=1--", "", "*", "\u{0}", &RING.keys()[0].kid.to_uppercase()[..15]] {
        assert_eq!(named(kid), Err(Rejection::KeyUnknown), "{kid}");
    }
    assert_eq!(named(&"k".repeat(1 << 20)), Err(Rejection::Malformed));
    assert_eq!(named(&"k".repeat(4000)), Err(Rejection::Malformed));
    for kid in [json!(null), json!(1), json!(["a"]), json!({})] {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }).to_string();
        assert_eq!(check_header(header), Err(Rejection::Malformed));
    }
    let (tail, verifier) = (good(Algorithm::ES256).split_once('.').unwrap().1.to_owned(), verifier());
    for n in 0..10_000 {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("{n:016x}") }).to_string();
        let token = format!("{}.{tail}", to_base64url(header.as_bytes()));
        assert_eq!(verifier.access(&token, NOW).map(drop), Err(Rejection::KeyUnknown));
    }
}

#[test]
fn j_11_extensions_are_refused() {
    good(Algorithm::ES256);
    for member in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""crit":["b64"],"b64":false"#,
        r#""zip":"DEF""#,
        r#""cty":"JWT""#,
        r#""":1"#,
        r#""ALG":"none""#,
    ] {
        assert_eq!(check_header(header_plus(member)), Err(Rejection::Malformed), "{member}");
    }
}

#[test]
fn j_12_base64url_has_one_form() {
    for algorithm in Algorithm::ALL {
        let token = good(algorithm);
        let [h, p, s]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        for bent in [
            format!("{s}="),
            format!("{s}=="),
            format!("{s} "),
            format!(" {s}"),
            format!("{s}\n"),
            format!("{s}A"),
        ] {
            assert!(check(&format!("{h}.{p}.{bent}")).is_err(), "signature {bent:?}");
        }
        for bad in ['+', '/', '\n', '\u{e9}', '\0', '%'] {
            let bent = format!("{bad}{}", &s[1..]);
            assert_eq!(check(&format!("{h}.{p}.{bent}")), Err(Rejection::Malformed), "{bad:?}");
        }
        assert!(check(&format!("{h}.{p}.{}\n{}", &s[..20], &s[20..])).is_err());
        // The last character carries bits that no byte uses: each other setting of them is another text.
        let last = s.chars().last().unwrap();
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(last).unwrap();
        let twin = alphabet.as_bytes()[at ^ 1] as char;
        let twisted = format!("{h}.{p}.{}{twin}", &s[..s.len() - 1]);
        assert_eq!(check(&twisted), Err(Rejection::Malformed), "{algorithm} trailing bits");
        // Header and payload with the signature made over the bent text.
        let key = key(algorithm);
        for tail in ["=", "==", " ", "\n", "+", "A\n"] {
            let header = sign_text(key, &format!("{h}{tail}.{p}"));
            assert!(check(&header).is_err(), "{algorithm} header {tail:?}");
            let payload = sign_text(key, &format!("{h}.{p}{tail}"));
            assert!(check(&payload).is_err(), "{algorithm} payload {tail:?}");
        }
    }
    // Trailing bits of a payload, signed as they stand.
    let key = key(Algorithm::ES256);
    let text = (0..3).map(|n| with("name", json!("a".repeat(n)))).find(|t| t.len() % 3 == 1).unwrap();
    let (h, p) = (to_base64url(header(key).as_bytes()), to_base64url(text.as_bytes()));
    assert_eq!(check(&sign_text(key, &format!("{h}.{p}"))), Ok(()));
    assert!(p.ends_with('Q'), "one byte, its last two bits and four unused ones");
    let twisted = format!("{h}.{}R", &p[..p.len() - 1]);
    assert_eq!(check(&sign_text(key, &twisted)), Err(Rejection::Malformed));
}

#[test]
fn j_12_signatures_have_one_form() {
    let bend = |algorithm, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let token = good(algorithm);
        let (signed, s) = token.rsplit_once('.').unwrap();
        check(&format!("{signed}.{}", to_base64url(&change(URL_SAFE_NO_PAD.decode(s).unwrap()))))
    };
    let refused = Err(Rejection::Signature);
    assert_eq!(bend(Algorithm::ES256, &|s| s), Ok(()));
    assert_eq!(bend(Algorithm::ES256, &|s| der(&s)), refused, "DER");
    assert_eq!(bend(Algorithm::ES256, &|_| vec![0; 64]), refused, "r = s = 0");
    assert_eq!(bend(Algorithm::ES256, &|s| [&[0; 32], &s[32..]].concat()), refused, "r = 0");
    assert_eq!(bend(Algorithm::ES256, &|s| [&s[..32], &[0; 32]].concat()), refused, "s = 0");
    assert_eq!(bend(Algorithm::ES256, &|s| [&[255; 32], &s[32..]].concat()), refused, "r > n");
    assert_eq!(bend(Algorithm::ES256, &|s| [&s[..32], &[255; 32]].concat()), refused, "s > n");
    // Ed25519: S and S + L satisfy the same equation; only the smaller is canonical.
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let plus_order = |mut s: Vec<u8>| {
        let mut carry = 0;
        for (byte, l) in s[32..].iter_mut().zip(&order) {
            let sum = u16::from(*byte) + u16::from(*l) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        s
    };
    assert_eq!(bend(Algorithm::EdDSA, &|s| s), Ok(()));
    assert_eq!(bend(Algorithm::EdDSA, &plus_order), refused, "S + L");
    for algorithm in Algorithm::ALL {
        assert_eq!(bend(algorithm, &|s| s[1..].to_vec()), refused, "{algorithm} short");
        assert_eq!(bend(algorithm, &|s| [&[0], &s[..]].concat()), refused, "{algorithm} long");
        assert_eq!(bend(algorithm, &|s| vec![0; s.len()]), refused, "{algorithm} zero");
        for at in [0, 31, 32, 63] {
            let flip = |mut s: Vec<u8>| {
                s[at] ^= 1;
                s
            };
            assert_eq!(bend(algorithm, &flip), refused, "{algorithm} bit in {at}");
        }
    }
}

fn der(fixed: &[u8]) -> Vec<u8> {
    let byte = |len: usize| u8::try_from(len).unwrap();
    let integer = |bytes: &[u8]| {
        let lead = if bytes[0] >= 0x80 { &[0][..] } else { &[] };
        [&[2, byte(bytes.len() + lead.len())], lead, bytes].concat()
    };
    let body = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    [vec![0x30, byte(body.len())], body].concat()
}

#[test]
fn j_13_duplicates_encodings_and_depth() {
    good(Algorithm::ES256);
    for member in
        [r#""alg":"ES256""#, r#""alg":"none""#, r#""typ":"at+jwt""#, r#""kid":"x""#, r#""a\u006cg":"ES256""#]
    {
        assert_eq!(check_header(header_plus(member)), Err(Rejection::Malformed), "header {member}");
    }
    let p = payload();
    for (claim, value) in p.as_object().unwrap() {
        let doubled = format!("{},\"{claim}\":{value}}}", &p.to_string()[..p.to_string().len() - 1]);
        assert_eq!(check_payload(doubled), Err(Rejection::Claims), "payload {claim}");
    }
    let escaped = format!("{},\"r\\u006fles\":[\"admin\"]}}", &p.to_string()[..p.to_string().len() - 1]);
    assert_eq!(check_payload(escaped), Err(Rejection::Claims));

    let head = header(key(Algorithm::ES256));
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    assert_eq!(check_header(format!("\u{feff}{head}")), Err(Rejection::Malformed));
    assert_eq!(check_header(utf16(&head)), Err(Rejection::Malformed));
    assert_eq!(check_header([head.as_bytes(), b"\xff"].concat()), Err(Rejection::Malformed));
    assert_eq!(check_payload(format!("\u{feff}{p}")), Err(Rejection::Claims));
    assert_eq!(check_payload(utf16(&p.to_string())), Err(Rejection::Claims));
    for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\\ud800", b"\x01"] {
        let text = p.to_string();
        let (before, after) = text.split_once("Ada").unwrap();
        let bent = [before.as_bytes(), bad, after.as_bytes()].concat();
        assert_eq!(check_payload(bent), Err(Rejection::Claims), "{bad:?}");
    }
    for depth in [100, 2_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for claim in ["roles", "name", "exp", "extra"] {
            assert_eq!(check_payload(literal(claim, &nested)), Err(Rejection::Claims), "{claim} {depth}");
        }
    }
    let deep = "[".repeat(10_000);
    assert_eq!(check_payload(literal("roles", &deep)), Err(Rejection::Malformed), "longer than any token");
    assert_eq!(check_header("[".repeat(300)), Err(Rejection::Malformed));
    assert_eq!(check_payload(with("extra", json!(1))), Err(Rejection::Claims), "unknown claim");
    for claim in ["htm", "host", "path_hash"] {
        assert_eq!(
            check_payload(with(claim, json!("GET"))),
            Err(Rejection::Claims),
            "{claim} is an assertion's"
        );
    }
}

#[test]
fn j_14_long_tokens_are_refused_by_length() {
    let token = good(Algorithm::ES256);
    for long in [
        ".".repeat(100_000),
        "a".repeat(1 << 20),
        ".".repeat(MAX_TOKEN_BYTES),
        format!("{token}{}", ".".repeat(5)),
    ] {
        assert_eq!(check(&long), Err(Rejection::Malformed));
    }
    // Right at the border, everything else in order.
    let of_len = |n: usize| {
        let key = key(Algorithm::ES256);
        let fill = (0..9000).rev().map(|n| "x".repeat(n));
        fill.map(|f| forge(key, header(key), with("name", json!(f)))).find(|t| t.len() <= n).unwrap()
    };
    let longest = of_len(MAX_TOKEN_BYTES);
    assert!(longest.len() > MAX_TOKEN_BYTES - 3);
    assert_eq!(check(&longest), Ok(()));
    let over = of_len(MAX_TOKEN_BYTES + 3);
    assert!(over.len() > MAX_TOKEN_BYTES);
    assert_eq!(check(&over), Err(Rejection::Malformed));
}

#[test]
fn j_15_encrypted_and_json_forms() {
    let token = good(Algorithm::ES256);
    let [h, p, s]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let jwe = json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000_000, "p2s": "AAAA" })
        .to_string();
    assert_eq!(
        check(&format!("{}.{p}.{s}.{p}.{s}", to_base64url(jwe.as_bytes()))),
        Err(Rejection::Malformed)
    );
    assert_eq!(check(&format!("{}.{p}.{s}", to_base64url(jwe.as_bytes()))), Err(Rejection::Malformed));
    let flat = json!({ "protected": h, "payload": p, "signature": s }).to_string();
    assert_eq!(check(&flat), Err(Rejection::Malformed));
    assert_eq!(check(&to_base64url(flat.as_bytes())), Err(Rejection::Malformed));
    let full = json!({ "payload": p, "signatures": [{ "protected": h, "signature": s }] }).to_string();
    assert_eq!(check(&full), Err(Rejection::Malformed));
    assert_eq!(check_header(header_plus(r#""zip":"DEF","enc":"A256GCM""#)), Err(Rejection::Malformed));
}

#[test]
fn j_16_a_token_inside_a_token() {
    let inner = good(Algorithm::ES256);
    assert_eq!(check_payload(&inner), Err(Rejection::Claims));
    assert_eq!(check_payload(format!("\"{inner}\"")), Err(Rejection::Claims));
    assert_eq!(check_header(header_plus(r#""cty":"JWT""#)), Err(Rejection::Malformed));
    let plain =
        format!("{}.{}.", to_base64url(br#"{"alg":"none"}"#), to_base64url(payload().to_string().as_bytes()));
    assert_eq!(check_payload(plain), Err(Rejection::Claims));
}

#[test]
fn j_21_roles_are_a_list_of_exact_strings() {
    assert_eq!(check_payload(with("roles", json!(["admin", "user"]))), Ok(()));
    assert_eq!(check_payload(with("roles", json!([]))), Ok(()), "someone without a role");
    for roles in [
        json!("admin"),
        json!({ "0": "admin" }),
        json!(["Admin"]),
        json!([["admin"]]),
        json!("user admin"),
        json!(null),
        json!([null]),
        json!([1]),
        json!(true),
        json!(["user admin"]),
        json!(["admin\u{0}"]),
        json!(["admin,user"]),
        json!([""]),
    ] {
        assert_eq!(check_payload(with("roles", roles.clone())), Err(Rejection::Claims), "{roles}");
    }
    for claim in ["amr", "permissions"] {
        for value in [json!("pwd"), json!(null), json!([["pwd"]]), json!({ "0": "pwd" })] {
            assert_eq!(check_payload(with(claim, value)), Err(Rejection::Claims));
        }
    }
    for verified in [json!("true"), json!(1), json!(null)] {
        assert_eq!(check_payload(with("email_verified", verified)), Err(Rejection::Claims));
    }
    for claim in ["sub", "sid", "jti"] {
        for id in
            [json!(""), json!("admin"), json!(1), json!("01010101010101010101010101010101"), json!(null)]
        {
            assert_eq!(check_payload(with(claim, id)), Err(Rejection::Claims));
        }
    }
}

#[test]
fn j_22_user_input_stays_a_value() {
    let names = [
        r#"x","roles":["admin"#,
        "\\",
        "\"",
        "}{",
        "\u{0}\u{1f}\n",
        "\u{202e}\u{2028}",
        "</script>",
        "a.b.c",
    ];
    for name in names {
        let grant = AccessGrant { name: name.into(), email: name.into(), roles: vec![], ..grant() };
        let claims = verifier().access(&mint().access(&grant, NOW).0, NOW).unwrap();
        assert_eq!((claims.name.as_str(), claims.email.as_str(), claims.roles.len()), (name, name, 0));
    }
}

#[test]
fn j_27_documents_of_the_wrong_kind() {
    good(Algorithm::ES256);
    let kid = &key(Algorithm::ES256).kid;
    let by_position = json!(["ES256", "at+jwt", kid]).to_string();
    for header in ["[]", "null", "1", "\"x\"", "{}", "true", "", "{", "}", &by_position] {
        assert_eq!(check_header(header), Err(Rejection::Malformed), "{header}");
    }
    for around in
        [format!(" {}", header(key(Algorithm::ES256))), format!("{}\n", header(key(Algorithm::ES256)))]
    {
        assert_eq!(check_header(around), Err(Rejection::Malformed));
    }
    let p = payload();
    let order = [
        "iss",
        "aud",
        "sub",
        "sid",
        "jti",
        "iat",
        "nbf",
        "exp",
        "auth_time",
        "amr",
        "roles",
        "permissions",
        "email",
    ];
    let mut by_position: Vec<Value> = order.iter().map(|c| p[c].clone()).collect();
    by_position.extend([json!(true), json!("Ada")]);
    for body in ["[]", "null", "1", "\"x\"", "{}", "{]}", &json!(by_position).to_string(), &format!("{p}{p}")]
    {
        assert_eq!(check_payload(body), Err(Rejection::Claims), "{body}");
    }
}

#[test]
fn a_changed_payload_is_refused() {
    for algorithm in Algorithm::ALL {
        let token = good(algorithm);
        let [h, _, s]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let p = to_base64url(with("roles", json!(["admin"])).as_bytes());
        assert_eq!(check(&format!("{h}.{p}.{s}")), Err(Rejection::Signature));
    }
}
