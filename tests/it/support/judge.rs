//! One case: bytes in, the verdict out, and the invariants of the security page asserted in between.

use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::wire::{Answer, RawClient, Silence, find, get};
use super::{Person, Received, TestApp, journal, reference, until, within_patience};

/// What was seen of one case.
pub struct Seen {
    pub answer: Result<Answer, Silence>,
    /// What reached the upstream because of it.
    pub forwarded: Vec<Received>,
    /// The connection it was sent on.
    pub client: RawClient,
    what: String,
}

/// More refusals of broken heads within a second than that are not written down one by one.
const FLOOD: usize = 20;

/// The statuses of a refusal that is none of authentication or authorisation.
const REJECTED: [u16; 11] = [400, 404, 405, 408, 413, 414, 417, 421, 431, 501, 505];

impl TestApp {
    /// Sends `bytes` on a fresh connection as `who` (whose token is in them, if anybody's) and asserts INV-1 to INV-5
    /// and INV-7.
    pub fn case(&self, who: Option<&Person>, bytes: impl AsRef<[u8]>) -> Seen {
        let bytes = bytes.as_ref();
        let (before, canaries) = (self.upstream().count(), self.canaries());
        let noted = journal::length();
        let mut client = self.connect();
        client.send(bytes);
        let answer = client.answer_to(if bytes.starts_with(b"HEAD ") { "HEAD" } else { "GET" });
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let forwarded = self.upstream().since(before);
        let seen = Seen { answer, forwarded, client, what };
        if let Ok(answer) = &seen.answer {
            assert_no_canary(&answer.raw, &canaries, &seen.what);
        }
        for request in &seen.forwarded {
            judge(request, who, &seen.what);
            assert_no_canary(&request.head, &canaries, &seen.what);
        }
        self.assert_alive();
        assert_no_canary(&journal::since(noted), &canaries, &seen.what);
        if seen.forwarded.is_empty() {
            seen.assert_noted();
        }
        seen
    }

    /// The same for bytes that came about differently (HTTP/2, keep-alive): everything from the `from`-th request on
    /// that reached the upstream was sent by `who`.
    pub fn judge_since(&self, from: usize, who: Option<&Person>, what: &str) -> Vec<Received> {
        let forwarded = self.upstream().since(from);
        for request in &forwarded {
            judge(request, who, what);
            assert_no_canary(&request.head, &self.canaries(), what);
        }
        self.assert_alive();
        forwarded
    }

    /// How many requests the gateway says it has forwarded and seen answered.
    pub fn forwards_said(&self) -> usize {
        self.metric("stagedoor_proxied_requests_total", "")
    }

    /// Waits until nothing moves any more. What the upstream has seen and nobody was answered is then taken for what
    /// clients gave up; returns how much the upstream has seen.
    pub fn settle(&self) -> usize {
        let counts = || (self.upstream().complete(), self.forwards_said());
        let (mut last, mut same) = (counts(), 0);
        until("quiet", || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            let now = counts();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            (same >= 2).then_some(())
        });
        self.expect_unanswered(last.0 - last.1);
        last.0
    }

    /// INV-1 and INV-5 over the whole life of the gateway; also when it is dropped.
    pub fn assert_invariants(&self) {
        self.assert_alive();
        // A control request behind everything else: what was still on its way has arrived by then.
        let control = self.ask(get("/public/control", "Connection: close\r\n"));
        assert!(matches!(control.status, 200 | 502), "{}", control.text());
        self.upstream().assert_readings_agree(self.outsiders.load(Ordering::SeqCst));
        if self.elsewhere.load(Ordering::SeqCst) {
            return;
        }
        let counts = || {
            let unanswered = self.unanswered.load(Ordering::SeqCst);
            (self.upstream().complete(), self.forwards_said().wrapping_add(unanswered))
        };
        let mut seen = counts();
        let equal = within_patience(|| {
            seen = counts();
            (seen.0 == seen.1).then_some(())
        });
        assert!(equal.is_some(), "INV-1: requests at the upstream, and forwarded: {seen:?}");
    }
}

/// INV-2 and INV-3 for one request at the upstream.
fn judge(request: &Received, who: Option<&Person>, what: &str) {
    let shown = String::from_utf8_lossy(&request.head).into_owned();
    if let Some((reading, need)) = reference::violation(request.path().as_bytes(), who) {
        panic!("INV-2: {what:?} was forwarded, and read as {reading:?} it takes {need:?}: {shown}");
    }
    assert_identity(request, who, what);
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id"] {
        assert_eq!(request.all(name).len(), 1, "INV-3: {name} once, ours, after {what:?}: {shown}");
    }
    assert_eq!(request.field("x-forwarded-for").as_deref(), Some("127.0.0.1"), "{what:?}");
    assert_eq!(request.field("x-forwarded-proto").as_deref(), Some("http"), "{what:?}");
    assert_eq!(request.field("x-forwarded-host"), request.field("host"), "{what:?}");
    let host = request.field("host").unwrap_or_default();
    let quote = if host.contains([':', '[']) { "\"" } else { "" };
    let forwarded = format!("for=127.0.0.1;host={quote}{host}{quote};proto=http");
    assert_eq!(request.field("forwarded"), Some(forwarded), "{what:?}");
}

/// Every header whose folded name says who somebody is must be ours, once, and right.
fn assert_identity(request: &Received, who: Option<&Person>, what: &str) {
    let found: Vec<(&str, String)> = request
        .fields
        .iter()
        .filter(|(name, _)| claims_identity(&fold(name)))
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let Some(person) = who else {
        assert!(found.is_empty(), "INV-3: {what:?} is anonymous, but the upstream sees {found:?}");
        return;
    };
    let mut names: Vec<&str> = found.iter().map(|(n, _)| *n).collect();
    names.sort_unstable();
    let expected = expected(person);
    let mut ours: Vec<&str> = expected.iter().map(|(n, _)| *n).chain(Some("x-auth-assertion")).collect();
    ours.sort_unstable();
    assert_eq!(names, ours, "INV-3: after {what:?}");
    for (name, value) in expected {
        let seen = request.field(name).expect("counted above");
        assert!(seen.bytes().all(|b| (0x20..0x7f).contains(&b)), "INV-3: {name}: {seen:?}");
        assert_eq!(unescape(&seen), value, "INV-3: {name} after {what:?}");
    }
    assert_assertion(&request.field("x-auth-assertion").expect("counted above"), person);
}

fn expected(person: &Person) -> [(&'static str, String); 8] {
    [
        ("x-auth-user-id", person.id.to_string()),
        ("x-auth-email", person.email.clone()),
        ("x-auth-name", person.name.clone()),
        ("x-auth-roles", person.roles.join(",")),
        ("x-auth-permissions", person.permissions.join(",")),
        ("x-auth-session", person.session.to_string()),
        ("x-auth-amr", person.amr.join(",")),
        ("x-auth-time", person.auth_time.to_string()),
    ]
}

fn assert_assertion(token: &str, person: &Person) {
    let payload = token.split('.').nth(1).expect("three segments");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let claims: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(claims["sub"], person.id.to_string(), "INV-3: the assertion");
    assert_eq!(claims["sid"], person.session.to_string(), "INV-3: the assertion");
    assert_eq!(claims["aud"], "app", "INV-3: the assertion");
    assert_eq!(claims["roles"], serde_json::json!(person.roles), "INV-3: the assertion");
    let life = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
    assert!(life.is_some_and(|s| (1..=60).contains(&s)), "INV-3: the assertion lives for {life:?} s");
}

/// `lower()`, everything but letters and digits to `_`: what CGI, WSGI and their like make of a name.
fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// Our names and the well-known families.
fn claims_identity(folded: &str) -> bool {
    let families = [
        "x_auth_",
        "remote_",
        "x_forwarded_user",
        "x_forwarded_email",
        "x_forwarded_groups",
        "x_forwarded_preferred",
        "x_authentik_",
        "x_pomerium_",
        "cf_access_",
        "x_amzn_oidc_",
        "x_remote_",
        "x_webauth_",
    ];
    families.iter().any(|f| folded.starts_with(f))
        || (folded.starts_with("x_goog_") && folded.contains("user"))
        || matches!(folded, "proxy" | "auth_user")
}

fn unescape(value: &str) -> String {
    let raw: Vec<u8> = {
        let bytes = value.as_bytes();
        let mut out = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
            match hex.and_then(|h| u8::from_str_radix(h, 16).ok()).filter(|_| bytes[at] == b'%') {
                Some(b) => {
                    out.push(b);
                    at += 3;
                }
                None => {
                    out.push(bytes[at]);
                    at += 1;
                }
            }
        }
        out
    };
    String::from_utf8(raw).expect("UTF-8 once decoded")
}

/// INV-4.
fn assert_no_canary(bytes: &[u8], canaries: &[(&'static str, String)], what: &str) {
    for (kind, text) in canaries {
        assert!(find(bytes, text.as_bytes()).is_none(), "INV-4: a {kind} shows up after {what:?}");
    }
}

impl Seen {
    /// INV-7: a refusal is one line with its reason, under the request id that the client was told.
    fn assert_noted(&self) {
        let Ok(answer) = &self.answer else { return };
        // Our own pages lead to each other without anything being refused.
        let own = self.what.split(' ').nth(1).is_some_and(|target| target.starts_with("/auth"));
        let leads_there = || answer.field("location").is_some_and(|l| l.contains("/login/"));
        let to_sign_in = !own && answer.status == 303 && leads_there();
        let id = answer.field("x-request-id").map(str::to_owned);
        let id = id.or_else(|| {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
            body["request_id"].as_str().map(str::to_owned)
        });
        let expected = usize::from(to_sign_in || answer.status >= 400);
        let id = id.unwrap_or_else(|| panic!("INV-7: {:?} has no request id: {answer:?}", self.what));
        let noted = || {
            let found = journal::refusals(&id).len();
            // Of floods of broken heads so many a second are written down, the others are a number (D-11).
            let left_out = found == 0 && journal::lines_about(answer.status) >= FLOOD;
            found == expected || left_out
        };
        if !noted() {
            let what = format!(
                "INV-7: {expected} line about {} {} after {:?}",
                answer.status,
                answer.text(),
                self.what
            );
            until(&what, || noted().then_some(()));
        }
    }

    /// The answer; panics when there is none.
    pub fn answer(&self) -> &Answer {
        self.answer.as_ref().unwrap_or_else(|s| panic!("{s:?} instead of an answer to {:?}", self.what))
    }

    /// REJ: refused as malformed (or closed), and nothing was forwarded.
    pub fn rejected(self) -> Self {
        assert!(self.forwarded.is_empty(), "REJ, but {:?} was forwarded", self.what);
        match &self.answer {
            Ok(a) => {
                assert!(REJECTED.contains(&a.status), "REJ, but {:?} was answered {}", self.what, a.status);
            }
            Err(silence) => assert_eq!(*silence, Silence::Closed, "REJ, for {:?}", self.what),
        }
        self
    }

    /// REJ with this status, and the connection is closed.
    pub fn rejected_with(mut self, status: u16) -> Self {
        self = self.rejected();
        assert_eq!(self.answer().status, status, "{:?}", self.what);
        self.closed()
    }

    /// The gateway has ended the connection and said nothing more on it.
    pub fn closed(mut self) -> Self {
        assert!(self.client.is_closed(), "the connection stays open after {:?}", self.what);
        self
    }

    /// DENY: 401 or 403 (404 where no rule and no route lead), and nothing was forwarded.
    pub fn denied(self) -> Self {
        assert!(self.forwarded.is_empty(), "DENY, but {:?} was forwarded", self.what);
        let status = self.answer().status;
        assert!(matches!(status, 401 | 403), "DENY, but {:?} was answered {status}", self.what);
        self
    }

    /// Either REJ or DENY; nothing was forwarded.
    pub fn refused(self) -> Self {
        match &self.answer {
            Ok(a) if matches!(a.status, 401 | 403) => self.denied(),
            _ => self.rejected(),
        }
    }

    /// SAME: refused, or forwarded in a way no reading of which needs more (that was judged already).
    pub fn same(self) -> Self {
        if self.forwarded.is_empty() { self.refused() } else { self.allowed() }
    }

    /// Forwarded once and answered by the upstream.
    pub fn allowed(self) -> Self {
        assert_eq!(self.answer().status, 200, "{:?}: {}", self.what, self.answer().text());
        assert_eq!(self.forwarded.len(), 1, "{:?}", self.what);
        self
    }

    /// The one request that reached the upstream.
    pub fn at_upstream(&self) -> &Received {
        assert_eq!(self.forwarded.len(), 1, "{:?}", self.what);
        &self.forwarded[0]
    }
}
