//! Which tokens are believed: exactly those that the issuer signed for this purpose, in their time and before their end;
//! with the cache of verified tokens as without it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stagedoor::gate::{self, AssertionMode, IdentityNames, Snapshot, SnapshotParts, UpstreamIdentity};
use stagedoor::model::{AccountId, RoleName, SessionId, SystemEntropy, Timestamp};
use stagedoor::policy::{PolicySource, RequirementSource, RoleSource, RouteSource, RuleSource, compile};
use stagedoor::token::{
    AccessGrant, Algorithm, AssertionMint, KeyRing, Mint, Revocations, Settings, SigningKey, Verifier,
};

const NOW: i64 = 1_800_000_000;
const TTL: i64 = 600;
const LEEWAY: i64 = 5;

/// What was signed, and what of it is an access token of this gateway.
struct Stage {
    verifier: Verifier,
    policy: Arc<stagedoor::policy::Policy>,
    /// Everything that mutations start from.
    texts: Vec<String>,
    issued: BTreeMap<String, Issued>,
}

#[derive(Clone)]
struct Issued {
    account: AccountId,
    session: SessionId,
    /// Milliseconds.
    at: i64,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let ours = ring();
    let settings = settings("stagedoor");
    let mut stage = Stage {
        verifier: Verifier::new(ours.clone(), &settings),
        policy: policy(),
        texts: Vec::new(),
        issued: BTreeMap::new(),
    };
    for (ring, audience, is_ours) in
        [(ours.clone(), "stagedoor", true), (ours.clone(), "another", false), (ring(), "stagedoor", false)]
    {
        stage.mint(&ring, audience, is_ours);
    }
    let assertions = AssertionMint::new(Arc::new(ArcSwap::from(ours)), &settings, Arc::new(SystemEntropy));
    let person = grant(1);
    let (assertion, _) = assertions.mint(&(&person).into(), "app", None, Timestamp::from_secs(NOW));
    stage.texts.push(assertion);
    stage
});

impl Stage {
    fn mint(&mut self, ring: &Arc<KeyRing>, audience: &str, is_ours: bool) {
        let keys = Arc::new(ArcSwap::from(ring.clone()));
        let mint = Mint::new(keys, settings(audience), Arc::new(SystemEntropy));
        for (n, at) in [(1u8, 0i64), (2, 0), (1, -300), (2, -700), (3, 400)] {
            let at = (NOW + at) * 1000 + 250;
            let person = grant(n);
            let (token, _) = mint.access(&person, Timestamp::from_millis(at));
            let twin = twin(&token);
            if is_ours {
                let issued = Issued { account: person.account, session: person.session, at };
                self.issued.insert(token.clone(), issued.clone());
                self.issued.insert(twin.clone(), issued);
            }
            self.texts.extend([token, twin]);
        }
    }
}

/// The same text with the other signature that proves as much: for every ECDSA signature (r, s) there is (r, n - s).
/// Nothing goes by a token's bytes but the cache.
fn twin(token: &str) -> String {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (signed, signature) = token.rsplit_once('.').expect("three segments");
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let mut borrow = 0;
    for (digit, order) in bytes[32..].iter_mut().zip(ORDER).rev() {
        let left = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(left < 0);
        *digit = u8::try_from(left + 256 * borrow).expect("one byte");
    }
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Any tokens, in any order, at times that only go on, with ends of sessions and accounts in between.
pub fn jwt(data: &[u8]) {
    // Too few bytes make no case.
    let _ = case(&mut Unstructured::new(data));
}

fn case(u: &mut Unstructured<'_>) -> Result<()> {
    let revocations = Arc::new(Revocations::new());
    let snapshot = snapshot(&revocations);
    let (mut ended_sessions, mut ended_accounts) = (Vec::new(), BTreeMap::new());
    let mut now = (NOW + u.int_in_range(-720..=1100)?) * 1000;
    for _ in 0..u.int_in_range(1..=5)? {
        now += u.int_in_range(0..=400_000)? * i64::from(u.ratio(1, 2)?);
        if u.ratio(1, 5)? {
            let n: u8 = u.int_in_range(1..=3)?;
            let until = Timestamp::from_secs(NOW + 10_000);
            if u.arbitrary()? {
                revocations.revoke_session(grant(n).session, until);
                ended_sessions.push(grant(n).session);
            } else {
                revocations.revoke_account_before(grant(n).account, Timestamp::from_millis(now), until);
                ended_accounts.insert(grant(n).account, now);
            }
        }
        let token = text(u)?;
        let at = Timestamp::from_millis(now);
        let plain = STAGE.verifier.access(&token, at);
        let issued = STAGE.issued.get(&token);
        assert_eq!(plain.is_ok(), issued.is_some_and(|i| i.is_in_time(now)), "{plain:?} at {now}: {token}");
        let ended = issued.is_some_and(|i| {
            ended_sessions.contains(&i.session) || ended_accounts.get(&i.account).is_some_and(|t| i.at <= *t)
        });
        // Twice: the second answer comes from the cache, where there is one.
        for _ in 0..2 {
            let said = gate::fuzzing::verify(&snapshot, &token, at);
            assert_eq!(said.is_ok(), plain.is_ok() && !ended, "{:?} at {now}: {token}", said.err());
            if let (Ok(verified), Some(issued)) = (said, issued) {
                assert_eq!(verified.principal().id, issued.account);
                assert_eq!(verified.principal().session, issued.session);
            }
        }
    }
    Ok(())
}

impl Issued {
    fn is_in_time(&self, now: i64) -> bool {
        let iat = self.at.div_euclid(1000);
        iat * 1000 <= now + LEEWAY * 1000 && now < (iat + TTL + LEEWAY) * 1000
    }
}

/// A signed text, mostly with something done to it; or anything.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 16)? {
        return Ok(u.arbitrary::<&str>()?.to_owned());
    }
    let mut parts: Vec<String> = u.choose(&STAGE.texts)?.split('.').map(str::to_owned).collect();
    for _ in 0..u.int_in_range(0..=3)? {
        change(u, &mut parts)?;
    }
    Ok(parts.join("."))
}

fn change(u: &mut Unstructured<'_>, parts: &mut Vec<String>) -> Result<()> {
    let at = u.choose_index(parts.len().max(1))?.min(parts.len().saturating_sub(1));
    let Some(part) = parts.get_mut(at) else { return Ok(()) };
    match u.int_in_range(0..=9)? {
        0 => {
            // Of another token.
            let other = u.choose(&STAGE.texts)?.split('.').nth(at).unwrap_or_default().to_owned();
            *part = other;
        }
        1 => byte(u, part)?,
        2 => *part = part.chars().take(u.choose_index(part.len().max(1))?).collect(),
        3 => part.push_str(u.choose(&["=", "==", "A", "AA", ".", " ", "\n", "%", "+", "/"])?),
        4 => drop(parts.remove(at)),
        5 => parts.push(u.choose(&["", "e30", "AAAA"])?.to_string()),
        6 => *part = URL_SAFE_NO_PAD.encode(u.arbitrary::<&[u8]>()?),
        7 => json(u, part)?,
        8 => members(u, part)?,
        _ => last_bits(u, part)?,
    }
    Ok(())
}

/// One character of the encoding.
fn byte(u: &mut Unstructured<'_>, part: &mut String) -> Result<()> {
    let mut bytes = part.clone().into_bytes();
    if bytes.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(bytes.len())?;
    bytes[at] = *u.choose(b"ABCZaz059-_+/=. \n")?;
    *part = String::from_utf8(bytes).unwrap_or_default();
    Ok(())
}

/// Bits that a lenient decoder drops.
fn last_bits(u: &mut Unstructured<'_>, part: &mut String) -> Result<()> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let Some(last) = part.pop() else { return Ok(()) };
    let value = DIGITS.iter().position(|d| char::from(*d) == last).unwrap_or(0);
    part.push(char::from(DIGITS[(value ^ usize::from(u.int_in_range(0..=15u8)?)) % 64]));
    Ok(())
}

/// The text inside, with one piece replaced.
fn json(u: &mut Unstructured<'_>, part: &mut String) -> Result<()> {
    let pairs = [
        ("ES256", "none"),
        ("ES256", "HS256"),
        ("ES256", "EdDSA"),
        ("ES256", "es256"),
        ("at+jwt", "JWT"),
        ("at+jwt", "AT+JWT"),
        ("at+jwt", "assertion+jwt"),
        ("assertion+jwt", "at+jwt"),
        ("another", "stagedoor"),
        ("user", "admin"),
        ("false", "true"),
        ("{", "{ "),
        ("}", "} "),
        (":", ": "),
        ("\"", "\\u0022"),
        ("\"kid\":\"", "\"kid\":\"x"),
        ("1800000", "1800001"),
        ("1800000", "9800000"),
    ];
    let (from, to) = *u.choose(&pairs)?;
    let Some(text) = decoded(part) else { return Ok(()) };
    *part = URL_SAFE_NO_PAD.encode(text.replacen(from, to, 1));
    Ok(())
}

/// One more member.
fn members(u: &mut Unstructured<'_>, part: &mut String) -> Result<()> {
    let more = u.choose(&[
        "\"alg\":\"none\"",
        "\"crit\":[\"b64\"]",
        "\"jku\":\"https://evil.example/\"",
        "\"jwk\":{}",
        "\"b64\":false",
        "\"zip\":\"DEF\"",
        "\"roles\":[\"admin\"]",
        "\"exp\":9999999999",
        "\"x\":null",
    ])?;
    let Some(text) = decoded(part) else { return Ok(()) };
    let text = if u.arbitrary()? {
        text.replacen('{', &format!("{{{more},"), 1)
    } else {
        text.trim_end_matches('}').to_owned() + "," + more + "}"
    };
    *part = URL_SAFE_NO_PAD.encode(text);
    Ok(())
}

fn decoded(part: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn ring() -> Arc<KeyRing> {
    let at = Timestamp::from_secs(NOW - 10_000);
    let key = SigningKey::generate(Algorithm::ES256, at, &SystemEntropy).expect("a key");
    Arc::new(KeyRing::from_keys(vec![key]).expect("a ring"))
}

fn settings(audience: &str) -> Settings {
    Settings {
        algorithm: Algorithm::ES256,
        access_ttl: Duration::from_secs(600),
        assertion_ttl: Duration::from_secs(60),
        issuer: "https://gate.example".into(),
        audience: audience.into(),
        leeway: Duration::from_secs(5),
        cache_entries: 8,
    }
}

fn grant(n: u8) -> AccessGrant {
    AccessGrant {
        account: AccountId::from_bytes([n; 16]),
        session: SessionId::from_bytes([n + 100; 16]),
        email: "ada@example.org".into(),
        email_verified: true,
        name: "Ada".into(),
        roles: vec![RoleName::parse("user").expect("a role")],
        permissions: vec!["events.view".into()],
        amr: vec!["pwd".into()],
        auth_time: Timestamp::from_secs(NOW - 1000),
    }
}

fn policy() -> Arc<stagedoor::policy::Policy> {
    let rule = RuleSource {
        path: "/**".into(),
        host: None,
        methods: Vec::new(),
        allow: RequirementSource::Authenticated,
    };
    let source = PolicySource {
        roles: vec![RoleSource { name: "user".into(), permissions: vec!["events.view".into()] }],
        requirements: Vec::new(),
        routes: vec![RouteSource { path: "/**".into(), upstream: "app".into(), ..RouteSource::default() }],
        rules: vec![rule],
    };
    Arc::new(compile(&source).0.expect("a policy"))
}

fn snapshot(revocations: &Arc<Revocations>) -> Snapshot {
    let upstream = UpstreamIdentity::new("app", &IdentityNames::default(), AssertionMode::Off);
    Snapshot::new(SnapshotParts {
        policy: STAGE.policy.clone(),
        verifier: STAGE.verifier.clone(),
        assertions: None,
        revocations: revocations.clone(),
        returns: None,
        upstreams: vec![upstream.expect("header names")],
        cache_entries: 8,
        leeway: Duration::from_secs(5),
        settings: gate::Settings { public_url: "https://gate.example".into(), auth_prefix: "/auth".into() },
    })
    .expect("the route leads somewhere")
}
