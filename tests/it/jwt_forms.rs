//! Group 1.J of the security cases, J-09 to J-16: what a token is for, what its header may say, how it is written.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use stagedoor::model::{SystemEntropy, Timestamp};
use stagedoor::store::{self, SigningKeyRow, Store};
use stagedoor::token::{Algorithm, MAX_TOKEN_BYTES, SigningKey, Vault};

use crate::flows_mail::link_and_code;
use crate::jwt_forge::{ALGORITHMS, Court, Forge, decode, encode, header_of};
use crate::support::{PASSWORD, TestApp, get};

#[test]
fn j_09_a_token_serves_its_own_purpose_only() {
    let court = Court::in_session("ES256");
    for typ in [
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
    ] {
        court.refuse_header(court.forge.header().replace("at+jwt", typ), typ);
    }
    court.refuse_header(json!({ "alg": "ES256", "kid": court.forge.kid }).to_string(), "no typ");

    // What the gateway itself hands out for other purposes.
    let assertion = court.app.upstream().last().field("x-auth-assertion").expect("an assertion");
    court.refuse(&assertion, "an assertion as access token");
    let payload = assertion.split('.').nth(1).unwrap();
    let relabelled = court.forge.seal(&format!("{}.{payload}", encode(court.forge.header())));
    court.refuse(&relabelled, "an assertion under a borrowed type");
    court.refuse(&court.person.refresh, "a refresh token as access token");
    let (link, code) = activation(&court.app, "new@example.org");
    court.refuse(link.trim_end_matches('/').rsplit('/').next().unwrap(), "a mailed link as access token");
    court.refuse(&code, "a mailed code as access token");
    for (what, token) in
        [("an access token", &court.person.access), ("an assertion", &assertion), ("a code", &code)]
    {
        let answer = court.app.post_json("/token/refresh/", "", &json!({ "refresh": token }));
        assert_eq!(answer.status, 401, "{what} as refresh token");
    }
    let prefix = link.trim_end_matches('/').rsplit_once('/').unwrap().0.strip_prefix("/auth").unwrap();
    for (what, token) in
        [("an access token", &court.person.access), ("a refresh token", &court.person.refresh)]
    {
        let answer = court.app.post_json(&format!("{prefix}/{token}/"), "", &json!({}));
        assert_eq!(answer.status, 400, "{what} as mailed link");
        let answer = court.app.post_json(
            "/verify-email/code/",
            "",
            &json!({ "email": "new@example.org", "code": token }),
        );
        assert!(matches!(answer.status, 400 | 422), "{what} as mailed code: {}", answer.status);
    }
}

/// Registers an address; the path of its activation link, and the code.
fn activation(app: &TestApp, email: &str) -> (String, String) {
    let body = json!({ "name": "Nora", "email": email, "password": PASSWORD, "password_confirm": PASSWORD });
    assert_eq!(app.post_json("/register/", "", &body).status, 202);
    link_and_code(app, &app.mail_to(email, 0).text)
}

#[test]
fn j_10_the_header_brings_no_key() {
    let court = Court::in_session("ES256");
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", trap.local_addr().unwrap());
    let jwk = court.app.ask(get("/auth/.well-known/jwks.json", "")).json()["keys"][0].to_string();
    for member in [
        format!(r#""jku":"{url}""#),
        format!(r#""x5u":"{url}""#),
        format!(r#""jwk":{jwk}"#),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""x5t":"AAAA""#.to_owned(),
        r#""use":"sig""#.to_owned(),
    ] {
        court.refuse_header(court.forge.header_plus(&member), &member);
    }
    let named = |kid: &Value| json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }).to_string();
    let upper = court.forge.kid.to_uppercase();
    let shortened = &court.forge.kid[1..];
    for kid in ["../../dev/null", "' OR 1=1--", "", "*", "%", "\u{0}", "/etc/passwd", &url, &upper, shortened]
    {
        if kid != court.forge.kid {
            court.refuse_header(named(&json!(kid)), kid);
        }
    }
    for kid in [json!(null), json!(1), json!(["a"]), json!({}), json!([court.forge.kid])] {
        court.refuse_header(named(&kid), &kid.to_string());
    }
    court.refuse_header(named(&json!("k".repeat(4000))), "a long kid");
    let endless = court.forge.token(named(&json!("k".repeat(1 << 20))), "{}");
    court.refuse_request(endless.as_bytes(), &[401, 431], "a kid of 1 MiB");
    assert_eq!(trap.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the gateway fetched a key");
}

#[test]
fn j_10_ten_thousand_unknown_keys_cost_nothing_but_an_answer() {
    let court = Court::in_session("ES256");
    let tail = court.good().split_once('.').unwrap().1.to_owned();
    let mut client = court.app.connect();
    let (before, batch) = (court.app.upstream().count(), 100);
    for round in 0..100 {
        for n in 0..batch {
            let kid = format!("{:016x}", round * batch + n);
            let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }).to_string();
            client.send(get("/api/x", &format!("Authorization: Bearer {}.{tail}\r\n", encode(header))));
            assert_eq!(client.answer().expect("an answer").status, 401);
        }
    }
    assert_eq!(court.app.upstream().count(), before);
    court.accept(&court.good(), "and the right key still works");
}

/// A store whose first key was retired in favour of a second one, and what it was sealed with.
fn rotated(folder: &std::path::Path, retired_at: Timestamp) -> Forge {
    let vault = Vault::new(&stagedoor::model::Secret::new(SECRET)).unwrap();
    let row = |key: SigningKey| {
        let key = key.sealed(&vault, &SystemEntropy);
        SigningKeyRow {
            kid: key.kid,
            algorithm: key.algorithm,
            sealed_private: key.sealed_private,
            created_at: key.created_at,
            retired_at: key.retired_at,
        }
    };
    let made = |at| row(SigningKey::generate(Algorithm::ES256, at, &SystemEntropy).unwrap());
    let (old, new) = (made(retired_at.before(Duration::from_secs(86_400))), made(retired_at));
    let store = Store::open(&store::Settings::Sqlite { path: folder.join("keys.db") }).unwrap();
    let added = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let first = store.add_signing_key(&old, None).await.unwrap();
        first && store.add_signing_key(&new, Some(&old.kid)).await.unwrap()
    });
    assert!(added);
    Forge::open(&vault, &old)
}

const SECRET: &str = "8oNed6ZMYIdWLKTkBMUVJjYScXGlrisxPx20oGA3xvI=";

#[test]
fn j_10_a_retired_key_signs_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let retired_at = Timestamp::from_secs(1_795_000_000);
    let old = rotated(folder.path(), retired_at);
    let path = folder.path().join("keys.db").display().to_string();
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    std::fs::set_permissions(
        folder.path().join("secret"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let app = TestApp::with(|setup| {
        setup.manual_clock().top(&format!("store: {{ url: \"sqlite:{path}\" }}"));
        setup.top(&format!("secret: \"file:{}\"", folder.path().join("secret").display()));
    });
    let court = Court::over(app, old);
    let of_old_key = |iat| court.forge.token(court.forge.header(), court.payload_at(iat).to_string());
    let now = court.now();
    assert_eq!(now, retired_at.secs());
    court.accept(&of_old_key(now - 10), "made before the key was retired");
    court.advance(120);
    court.accept(&of_old_key(now - 10), "still alive");
    court.refuse(&of_old_key(now + 110), "made after the key was retired");
    assert_ne!(header_of(&court.app.person("user").access)["kid"], court.forge.kid);
}

#[test]
fn j_11_extensions_are_refused() {
    let court = Court::in_session("ES256");
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
        r#""Alg":"none""#,
    ] {
        court.refuse_header(court.forge.header_plus(member), member);
    }
}

#[test]
fn j_12_base64url_has_one_form() {
    for algorithm in ALGORITHMS {
        let court = Court::in_session(algorithm);
        let [h, p, s] = court.segments();
        for bent in [
            format!("{s}="),
            format!("{s}=="),
            format!("{s} ."),
            format!("{s}A"),
            format!("{} {}", &s[..20], &s[20..]),
        ] {
            court.refuse(&format!("{h}.{p}.{bent}"), &format!("{algorithm} signature {bent:?}"));
        }
        for bad in ['+', '/', '%', '~'] {
            court
                .refuse(&format!("{h}.{p}.{bad}{}", &s[1..]), &format!("{algorithm} signature with {bad:?}"));
        }
        for bad in ["\n", "\r\n ", "\0", "\u{e9}"] {
            let token = format!("{h}.{p}.{}{bad}{}", &s[..20], &s[20..]);
            court.refuse_request(
                token.as_bytes(),
                &[400, 401],
                &format!("{algorithm} signature with {bad:?}"),
            );
        }
        // The last character carries bits that no byte uses: each other setting of them is another text.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = alphabet.find(s.chars().last().unwrap()).unwrap();
        let twin = alphabet.as_bytes()[last ^ 1] as char;
        court.refuse(&format!("{h}.{p}.{}{twin}", &s[..s.len() - 1]), &format!("{algorithm} trailing bits"));
        for tail in ["=", "==", "+", "A"] {
            court.refuse(
                &court.forge.seal(&format!("{h}{tail}.{p}")),
                &format!("{algorithm} header {tail:?}"),
            );
            court.refuse(
                &court.forge.seal(&format!("{h}.{p}{tail}")),
                &format!("{algorithm} payload {tail:?}"),
            );
        }
    }
}

#[test]
fn j_12_signatures_have_one_form() {
    let courts = ALGORITHMS.map(Court::in_session);
    for court in &courts {
        let [h, p, s] = court.segments();
        let s = decode(&s);
        let bent = |bytes: Vec<u8>, what: &str| {
            court.refuse(&format!("{h}.{p}.{}", encode(bytes)), &format!("{} {what}", court.forge.algorithm));
        };
        bent(s[1..].to_vec(), "short");
        bent([&[0], &s[..]].concat(), "long");
        bent(vec![0; s.len()], "zero");
        for at in [0, 31, 32, 63] {
            let mut flipped = s.clone();
            flipped[at] ^= 1;
            bent(flipped, &format!("bit in {at}"));
        }
        match court.forge.algorithm.as_str() {
            "ES256" => {
                bent(der(&s), "DER");
                bent([&[0; 32], &s[32..]].concat(), "r = 0");
                bent([&s[..32], &[0; 32]].concat(), "s = 0");
                bent([&[255; 32], &s[32..]].concat(), "r > n");
                bent([&s[..32], &[255; 32]].concat(), "s > n");
            }
            "EdDSA" => bent(plus_order(s), "S + L"),
            _ => {}
        }
    }
}

/// Ed25519: S and S + L satisfy the same equation; only the smaller is canonical.
fn plus_order(mut signature: Vec<u8>) -> Vec<u8> {
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, l) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + l + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    signature
}

fn der(fixed: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("short");
    let integer = |bytes: &[u8]| {
        let lead = if bytes[0] >= 0x80 { &[0][..] } else { &[] };
        let value = [lead, bytes].concat();
        [&[2, length(&value)], &value[..]].concat()
    };
    let body = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    [vec![0x30, length(&body)], body].concat()
}

#[test]
fn j_13_duplicates_encodings_and_depth() {
    let court = Court::in_session("ES256");
    for member in
        [r#""alg":"ES256""#, r#""alg":"none""#, r#""typ":"at+jwt""#, r#""kid":"x""#, r#""a\u006cg":"ES256""#]
    {
        court.refuse_header(court.forge.header_plus(member), member);
    }
    let payload = court.payload();
    let text = payload.to_string();
    let open = &text[..text.len() - 1];
    for (claim, value) in payload.as_object().unwrap() {
        court.refuse_payload(format!("{open},\"{claim}\":{value}}}"), &format!("{claim} twice"));
    }
    court.refuse_payload(format!("{open},\"r\\u006fles\":[\"admin\"]}}"), "roles twice, once escaped");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let head = court.forge.header();
    court.refuse_header(format!("\u{feff}{head}"), "BOM");
    court.refuse_header(utf16(&head), "UTF-16");
    court.refuse_header([head.as_bytes(), b"\xff"].concat(), "a stray byte");
    court.refuse_payload(format!("\u{feff}{text}"), "BOM");
    court.refuse_payload(utf16(&text), "UTF-16");
    let (before, after) = text.split_once("Ada").expect("the name");
    for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\\ud800", b"\x01"] {
        court.refuse_payload(
            [before.as_bytes(), bad, after.as_bytes()].concat(),
            &format!("{bad:?} in the name"),
        );
    }
    for depth in [100, 2_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for claim in ["roles", "name", "exp", "extra"] {
            court.refuse_payload(court.literal(claim, &nested), &format!("{claim} {depth} deep"));
        }
    }
    court.refuse_payload(court.literal("roles", &"[".repeat(10_000)), "roles 10000 deep");
    court.refuse_header("[".repeat(300), "a header 300 deep");
    for claim in ["extra", "htm", "host", "path_hash"] {
        court.refuse_payload(
            court.with(claim, json!("GET")),
            &format!("{claim} is no claim of an access token"),
        );
    }
}

#[test]
fn j_14_long_tokens_are_refused_by_length() {
    let court = Court::in_session("ES256");
    for long in
        [".".repeat(MAX_TOKEN_BYTES), "a".repeat(MAX_TOKEN_BYTES + 1), format!("{}.....", court.good())]
    {
        court.refuse(&long, &long[..20]);
    }
    court.refuse_request(".".repeat(100_000).as_bytes(), &[401, 431], "100000 dots");
    court.refuse_request("a".repeat(1 << 20).as_bytes(), &[401, 431], "1 MiB");
    // Right at the border, everything else in order.
    let of_length = |most: usize| {
        let named = |n| court.forge.token(court.forge.header(), court.with("name", json!("x".repeat(n))));
        (0..MAX_TOKEN_BYTES).rev().map(named).find(|t| t.len() <= most).expect("one fits")
    };
    court.accept(&of_length(MAX_TOKEN_BYTES), "the longest");
    let over = of_length(MAX_TOKEN_BYTES + 3);
    assert!(over.len() > MAX_TOKEN_BYTES);
    court.refuse(&over, "one too long");
}

#[test]
fn j_15_encrypted_and_json_forms() {
    let court = Court::in_session("ES256");
    let [h, p, s] = court.segments();
    let jwe = json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000_000, "p2s": "AAAA" });
    let jwe = encode(jwe.to_string());
    court.refuse(&format!("{jwe}.{p}.{s}.{p}.{s}"), "JWE");
    court.refuse(&format!("{jwe}.{p}.{s}"), "JWE header, three segments");
    let flat = json!({ "protected": h, "payload": p, "signature": s }).to_string();
    let full = json!({ "payload": p, "signatures": [{ "protected": h, "signature": s }] }).to_string();
    court.refuse(&flat, "flattened JSON");
    court.refuse(&full, "general JSON");
    court.refuse(&encode(&flat), "flattened JSON in base64url");
    court.refuse_header(court.forge.header_plus(r#""zip":"DEF","enc":"A256GCM""#), "deflated");
}

#[test]
fn j_16_a_token_inside_a_token() {
    let court = Court::in_session("ES256");
    let inner = court.good();
    court.refuse_payload(&inner, "nested");
    court.refuse_payload(format!("\"{inner}\""), "nested as a JSON text");
    court.refuse_header(court.forge.header_plus(r#""cty":"JWT""#), "cty");
    let plain = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(court.payload().to_string()));
    court.refuse_payload(plain, "an unsigned token, nested");
}
