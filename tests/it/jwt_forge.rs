//! Tokens that our mint would never write, signed with the gateway's own private key, and the court they are brought
//! before: the running gateway.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use stagedoor::store::SigningKeyRow;
use stagedoor::token::Vault;

use crate::support::{Answer, Person, TestApp, get};

pub const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

/// A key of the gateway, taken out of its store.
pub struct Forge {
    pub kid: String,
    pub algorithm: String,
    pub pair: Pair,
}

pub enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Forge {
    /// With the oldest key of the store.
    pub fn of(app: &TestApp) -> Self {
        let row = app.wait_for(app.store().signing_keys()).expect("the keys").swap_remove(0);
        let secret = app.settings().secret.load().expect("the secret");
        Self::open(&Vault::new(&secret).expect("a vault"), &row)
    }

    pub fn open(vault: &Vault, row: &SigningKeyRow) -> Self {
        let context = format!("{}\n{}", row.algorithm, row.kid);
        let pkcs8 = vault.open("signing-key", context.as_bytes(), &row.sealed_private).expect("our key");
        let es256 = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = match row.algorithm.as_str() {
            "ES256" => Pair::P256(EcdsaKeyPair::from_pkcs8(es256, &pkcs8).expect("a P-256 key")),
            "EdDSA" => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(&pkcs8).expect("an Ed25519 key")),
            _ => Pair::Rsa(RsaKeyPair::from_pkcs8(&pkcs8).expect("an RSA key")),
        };
        Self { kid: row.kid.clone(), algorithm: row.algorithm.clone(), pair }
    }

    pub fn header(&self) -> String {
        json!({ "alg": self.algorithm, "typ": "at+jwt", "kid": self.kid }).to_string()
    }

    /// The header with one more member.
    pub fn header_plus(&self, member: &str) -> String {
        let header = self.header();
        format!("{},{member}}}", &header[..header.len() - 1])
    }

    /// Signs any bytes as header and payload.
    pub fn token(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.seal(&format!("{}.{}", encode(header), encode(payload)))
    }

    /// Signs a ready `header.payload`.
    pub fn seal(&self, signed: &str) -> String {
        format!("{signed}.{}", encode(self.sign(signed.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => pair.sign(&random, message).expect("signs").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signs");
                signature
            }
        }
    }
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(segment).expect("base64url")
}

/// The header of a token of ours.
pub fn header_of(token: &str) -> Value {
    segment(token, 0)
}

/// The payload of a token of ours.
pub fn payload_of(token: &str) -> Value {
    segment(token, 1)
}

fn segment(token: &str, n: usize) -> Value {
    serde_json::from_slice(&decode(token.split('.').nth(n).expect("three segments"))).expect("JSON")
}

/// A running gateway whose clock stands still, one person, and the one answer to every bad token.
pub struct Court {
    pub app: TestApp,
    pub forge: Forge,
    pub person: Person,
    refusal: Answer,
}

impl Court {
    pub fn in_session(algorithm: &str) -> Self {
        let app = TestApp::with(|setup| {
            setup.manual_clock().top(&format!("token: {{ algorithm: {algorithm} }}"));
        });
        let forge = Forge::of(&app);
        let court = Self::over(app, forge);
        court.accept(&court.good(), "positive control: forged without a fault");
        court
    }

    /// Over a gateway that was made by hand, with this key.
    pub fn over(app: TestApp, forge: Forge) -> Self {
        let person = app.person("user");
        let refusal = app.ask(get("/api/x", "Authorization: Bearer nothing.like.it\r\n"));
        assert_eq!(refusal.status, 401, "{}", refusal.text());
        let court = Self { app, forge, person, refusal };
        court.accept(&court.person.access, "the token as it was issued");
        court
    }

    pub fn now(&self) -> i64 {
        self.app.now().secs()
    }

    /// What the person's own token says, made at `iat`.
    pub fn payload_at(&self, iat: i64) -> Value {
        let mut payload = payload_of(&self.person.access);
        let id = format!("{:012x}", iat * 1000);
        payload["jti"] = format!("{}-{}-7abc-8abc-0123456789ab", &id[..8], &id[8..]).into();
        for (claim, time) in [("iat", iat), ("nbf", iat), ("exp", iat + 600), ("auth_time", iat - 30)] {
            payload[claim] = time.into();
        }
        payload
    }

    pub fn payload(&self) -> Value {
        self.payload_at(self.now())
    }

    pub fn good(&self) -> String {
        self.forge.token(self.forge.header(), self.payload().to_string())
    }

    /// The three segments of a good token.
    pub fn segments(&self) -> [String; 3] {
        let token = self.good();
        token.split('.').map(str::to_owned).collect::<Vec<_>>().try_into().expect("three segments")
    }

    pub fn with(&self, claim: &str, value: Value) -> String {
        let mut payload = self.payload();
        payload[claim] = value;
        payload.to_string()
    }

    pub fn without(&self, claim: &str) -> String {
        let mut payload = self.payload();
        payload.as_object_mut().expect("an object").remove(claim).expect("it is there");
        payload.to_string()
    }

    /// The payload with the text of one claim's value replaced, for values that no JSON library writes.
    pub fn literal(&self, claim: &str, text: &str) -> String {
        self.with(claim, json!("@@")).replace("\"@@\"", text)
    }

    /// The token is believed: the request reaches the upstream as the person.
    pub fn accept(&self, token: &str, what: &str) {
        let before = self.app.upstream().count();
        let answer = self.ask(token);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let seen = self.app.upstream().since(before);
        assert_eq!(seen.len(), 1, "{what}");
        assert_eq!(seen[0].field("x-auth-user-id"), Some(self.person.id.to_string()), "{what}");
    }

    /// The token is refused like every other: same status, same body, same challenge, nothing at the upstream.
    pub fn refuse(&self, token: &str, what: &str) {
        let before = self.app.upstream().count();
        let answer = self.ask(token);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert_eq!(answer.body, self.refusal.body, "{what}: the body tells what was wrong");
        let challenge = "www-authenticate";
        assert_eq!(
            answer.all(challenge),
            self.refusal.all(challenge),
            "{what}: the challenge tells what was wrong"
        );
        assert_eq!(self.app.upstream().count(), before, "{what}");
    }

    pub fn refuse_payload(&self, payload: impl AsRef<[u8]>, what: &str) {
        self.refuse(&self.forge.token(self.forge.header(), payload), what);
    }

    pub fn refuse_header(&self, header: impl AsRef<[u8]>, what: &str) {
        self.refuse(&self.forge.token(header, self.payload().to_string()), what);
    }

    /// Refused before anybody looks at the token: the bytes are no request, or too many. Nothing at the upstream.
    pub fn refuse_request(&self, token: &[u8], statuses: &[u16], what: &str) {
        let before = self.app.upstream().count();
        let head = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ";
        if let Ok(answer) = self.app.try_ask([&head[..], token, b"\r\n\r\n"].concat()) {
            assert!(statuses.contains(&answer.status), "{what}: {}", answer.status);
        }
        assert_eq!(self.app.upstream().count(), before, "{what}");
    }

    pub fn advance(&self, seconds: u64) {
        self.app.advance(Duration::from_secs(seconds));
    }

    fn ask(&self, token: &str) -> Answer {
        self.app.ask(get("/api/x", &format!("Authorization: Bearer {token}\r\n")))
    }
}
