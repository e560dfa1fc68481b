//! The invariants, for what reached the upstream in one conversation.

use std::cell::RefCell;
use std::collections::HashMap;

use super::frames::PREFACE;
use super::parsers::READERS;
use super::sent::Sent;
use super::stage::{CLIENT, Seen};
use super::upstream::Received;
use super::{Person, reference, streams};
use crate::cookies::{is_ours, named, pieces};
use crate::rules::decoded;

/// Fields that the gateway sets itself, whatever the client says.
const OURS: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "x-auth-assertion",
    "host",
];
const IDENTITY: [&str; 9] = [
    "x-auth-user-id",
    "x-auth-email",
    "x-auth-name",
    "x-auth-roles",
    "x-auth-permissions",
    "x-auth-session",
    "x-auth-amr",
    "x-auth-time",
    "x-auth-assertion",
];

/// INV-1, 2, 3 and 6. (INV-5: no panic, and `stage` waits for the end of each connection.)
pub fn judge(people: &[Person], bytes: &[u8], seen: &Seen) {
    let requests = seen.upstream.requests.iter();
    let arrived: Vec<Arrived<'_>> = requests.map(|r| (r, identity(r, people))).collect();
    match bytes.strip_prefix(PREFACE) {
        Some(frames) => assert_streams(&arrived, frames, seen),
        None => assert_order(&arrived, bytes, seen),
    }
    for (request, who) in &arrived {
        let path = request.target.split('?').next().unwrap_or_default();
        if let Some(why) = violation(path, who.as_ref()) {
            panic!("INV-2: {path:?}, {why}: {request:?}");
        }
        assert_fields(request);
    }
    assert_wires(seen);
}

/// A request at the upstream, and who it is said to be from.
type Arrived<'s> = (&'s Received, Option<Person>);

/// HTTP/1: what arrived was sent, in that order, and so were the answers.
fn assert_order(arrived: &[Arrived<'_>], bytes: &[u8], seen: &Seen) {
    let sent = Sent::all(bytes);
    let mut next = 0;
    for (request, who) in arrived {
        let found = sent[next..].iter().position(|s| stems_from(request, s, who.as_ref()));
        let Some(at) = found else {
            let whole = bytes.escape_ascii();
            panic!(
                "INV-1: {request:?} was not sent, or not by {who:?}; what was: {:?} of {whole}",
                &sent[next..]
            );
        };
        next += at + 1;
    }
    assert_answers(seen);
}

/// HTTP/2: each request came on a stream of its own, which got the answer.
fn assert_streams(arrived: &[Arrived<'_>], frames: &[u8], seen: &Seen) {
    let sent = streams::sent(frames);
    let mut told = HashMap::new();
    for (stream, number) in streams::answered(&seen.answers) {
        assert_eq!(told.insert(number, stream), None, "INV-1: answer {number} went to two streams");
        assert!(arrived.iter().any(|(r, _)| r.number == number), "INV-1: answer {number} to nobody");
    }
    let fitting = |(request, who): &Arrived<'_>| -> Vec<usize> {
        let answered = told.get(&request.number);
        let fits = |(stream, sent): &(u32, Sent)| {
            answered.is_none_or(|a| a == stream) && stems_from(request, sent, who.as_ref())
        };
        sent.iter().enumerate().filter(|(_, one)| fits(one)).map(|(at, _)| at).collect()
    };
    let choices: Vec<Vec<usize>> = arrived.iter().map(fitting).collect();
    let mut owners = vec![None; sent.len()];
    for (at, (request, who)) in arrived.iter().enumerate() {
        let found = settle(at, &choices, &mut owners, &mut vec![false; sent.len()]);
        assert!(
            found,
            "INV-1: {request:?} was not sent, or not by {who:?} (answers: {told:?}); what was: {sent:?} of {}",
            frames.escape_ascii()
        );
    }
}

/// Finds a stream for request `at`, if need be by moving others to another that fits them.
fn settle(at: usize, choices: &[Vec<usize>], owners: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for stream in &choices[at] {
        if std::mem::replace(&mut tried[*stream], true) {
            continue;
        }
        if owners[*stream].is_none_or(|other| settle(other, choices, owners, tried)) {
            owners[*stream] = Some(at);
            return true;
        }
    }
    false
}

/// The first of some two thousand readings that asks for more. Inputs share their paths, so answers are kept.
fn violation(path: &str, who: Option<&Person>) -> Option<String> {
    const KEPT: usize = 20_000;
    type Asked = (String, Option<(bool, bool)>);
    thread_local!(static SEEN: RefCell<HashMap<Asked, Option<String>>> = RefCell::default());
    let key = (path.to_owned(), who.map(|who| (who.is_admin(), who.has_mfa())));
    SEEN.with_borrow_mut(|seen| {
        if seen.len() > KEPT {
            seen.clear();
        }
        let look = || {
            let found = reference::violation(path.as_bytes(), who);
            found.map(|(reading, need)| format!("read as {reading:?}, takes {need:?}"))
        };
        seen.entry(key).or_insert_with(look).clone()
    })
}

/// INV-1: every reading of the bytes of each connection counts the requests that were served there.
fn assert_wires(seen: &Seen) {
    for wire in seen.upstream.wires.iter().filter(|w| !w.irregular && !w.bytes.is_empty()) {
        // The old server finds a last chunk by its bytes alone, and a body may hold such bytes.
        for (name, read) in READERS.into_iter().filter(|(name, _)| *name != "old") {
            let text = String::from_utf8_lossy(&wire.bytes);
            assert_eq!(read(&wire.bytes), Ok(wire.served), "INV-1: the {name} reading of {text}");
        }
    }
}

/// INV-1: the client gets the answers of its own requests, in their order; only the last can be missing.
fn assert_answers(seen: &Seen) {
    let text = String::from_utf8_lossy(&seen.answers).to_ascii_lowercase();
    let number = |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let told: Vec<usize> = text.split("x-upstream: ").skip(1).filter_map(number).collect();
    let served: Vec<usize> = seen.upstream.requests.iter().map(|r| r.number).collect();
    assert!(served.starts_with(&told), "INV-1: answers {told:?} to requests {served:?}");
    assert!(told.len() + 1 >= served.len(), "INV-1: answers {told:?} to requests {served:?}");
}

/// Who the upstream is told is asking (INV-3): nobody, or one of the people, with everything right.
fn identity(request: &Received, people: &[Person]) -> Option<Person> {
    let mut said: Vec<&str> =
        request.fields.iter().map(|(n, _)| n.as_str()).filter(|n| claims_identity(&fold(n))).collect();
    if said.is_empty() {
        return None;
    }
    let mut wanted = IDENTITY;
    wanted.sort_unstable();
    said.sort_unstable();
    assert_eq!(said, wanted, "INV-3: each once, and none but ours: {request:?}");
    let text = |name: &str| request.text(name).unwrap_or_default();
    let (id, session) = (text("x-auth-user-id"), text("x-auth-session"));
    let known = people.iter().find(|p| p.id == id && p.session == session);
    let Some(known) = known else { panic!("INV-3: nobody is {id}: {request:?}") };
    assert_eq!(text("x-auth-roles"), known.roles.join(","), "INV-3: {request:?}");
    let amr = text("x-auth-amr");
    // A refresh on the way makes a token that says how the session began.
    assert!(amr == known.amr.join(",") || amr == "pwd", "INV-3: {request:?}");
    Some(Person { amr: amr.split(',').map(str::to_owned).collect(), ..known.clone() })
}

/// Whether `request` can be what became of `sent`, as `who` (INV-1, INV-6).
fn stems_from(request: &Received, sent: &Sent, who: Option<&Person>) -> bool {
    let (path, query) = match request.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (request.target.as_str(), None),
    };
    let body = match (&sent.body, request.complete) {
        (Some(body), true) => *body == request.body,
        // Broken off on either side.
        (_, false) => true,
        (None, true) => false,
    };
    request.method == sent.method
        && decoded(path) == decoded(&sent.path)
        && query == sent.query.as_deref()
        && body
        && request.all("host") == sent.values("host")
        && carries(request, sent)
        && who.is_none_or(|who| may_be(who, sent))
}

/// Whether the credentials in `sent` are those of `who`: a good access token, or a refresh token, which may have been good.
fn may_be(who: &Person, sent: &Sent) -> bool {
    let mut tokens: Vec<&[u8]> = sent.values("authorization").into_iter().map(bearer).collect();
    tokens.extend(cookie(sent, b"stagedoor_access"));
    let shown = tokens.contains(&who.access.as_bytes());
    let alone = tokens.iter().all(|t| *t == who.access.as_bytes() || t.is_empty());
    let refreshed = cookie(sent, b"stagedoor_refresh").contains(&who.refresh.as_bytes());
    (shown && alone && who.valid) || (refreshed && !who.ended && who.amr == ["pwd"])
}

fn bearer(value: &[u8]) -> &[u8] {
    match value.split_at_checked(6) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer") => token.trim_ascii(),
        _ => b"",
    }
}

fn cookie<'s>(sent: &'s Sent, name: &[u8]) -> Vec<&'s [u8]> {
    let pairs = sent.values("cookie").into_iter().flat_map(pieces);
    let value = |pair: &'s [u8]| {
        let at = pair.iter().position(|b| *b == b'=')?;
        (pair[..at].trim_ascii() == name).then(|| pair[at + 1..].trim_ascii())
    };
    pairs.filter_map(value).collect()
}

/// INV-3: what is ours comes once, and our credentials do not come.
fn assert_fields(request: &Received) {
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "host"] {
        assert_eq!(request.all(name).len(), 1, "INV-3: {name} once: {request:?}");
    }
    assert_eq!(request.text("x-forwarded-for"), Some(CLIENT.ip().to_string()), "INV-3");
    assert_eq!(request.text("x-forwarded-proto").as_deref(), Some("http"), "INV-3");
    // RFC 7239, where the gateway writes it.
    let client = format!("for={}", CLIENT.ip());
    let forwarded = request.all("forwarded");
    assert!(
        forwarded.len() <= 1 && forwarded.iter().all(|f| f.starts_with(client.as_bytes())),
        "INV-3: {request:?}"
    );
    assert_eq!(request.text("host"), request.text("x-forwarded-host"), "INV-3");
    for value in request.all("authorization") {
        assert!(bearer(value).is_empty(), "INV-3: a token at the upstream: {request:?}");
    }
    for value in request.all("cookie") {
        assert!(!pieces(value).iter().any(|p| named(p, is_ours)), "INV-3: {request:?}");
    }
}

/// Whether every field was sent as it arrived, but for those that are ours to write.
fn carries(request: &Received, sent: &Sent) -> bool {
    request.fields.iter().all(|(name, value)| match name.as_str() {
        // Cookies are joined and some taken out; Pingora writes the others for its own connection.
        "cookie" | "connection" | "transfer-encoding" | "te" | "upgrade" => true,
        name if OURS.contains(&name) || IDENTITY.contains(&name) => true,
        name => sent.values(name).contains(&value.as_slice()),
    })
}

/// What CGI, WSGI and their like make of a name.
fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// Our names and the well-known families.
fn claims_identity(folded: &str) -> bool {
    let families = ["x_auth_", "remote_", "x_forwarded_user", "x_forwarded_email", "x_forwarded_groups"];
    let more =
        ["x_authentik_", "x_pomerium_", "cf_access_", "x_remote_", "x_webauth_", "x_original_", "x_rewrite_"];
    families.iter().chain(&more).any(|f| folded.starts_with(f)) || matches!(folded, "proxy" | "auth_user")
}
