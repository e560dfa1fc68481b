//! INV-2: how other programs might read a path that was forwarded, and what the sample policy asks for each reading.
//! Slow and simple, and shares nothing with the product's own reading of paths.

use std::collections::BTreeSet;

use super::Person;
use super::setup::RULES;

/// Who gets past the rule for a path, in the sample policy alone.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Need {
    Nobody,
    SignIn,
    Admin,
    SecondFactor,
    /// No rule: default deny.
    Impossible,
}

impl Need {
    /// What the sample policy asks for a path that is read as `segments`.
    fn of(path: &[u8]) -> Self {
        let path = String::from_utf8_lossy(path).into_owned();
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let rule = RULES.iter().find(|(pattern, _)| match pattern.strip_suffix("/**") {
            Some(prefix) => prefix[1..] == *first,
            None => path.trim_end_matches('/') == *pattern,
        });
        match rule.map(|(_, allow)| *allow) {
            Some("public") => Self::Nobody,
            Some("authenticated") => Self::SignIn,
            Some("{ role: admin }") => Self::Admin,
            Some("{ mfa: true }") => Self::SecondFactor,
            Some(other) => panic!("teach the reference what {other} means"),
            None => Self::Impossible,
        }
    }

    fn is_met_by(self, who: Option<&Person>) -> bool {
        match self {
            Self::Nobody => true,
            Self::SignIn => who.is_some(),
            Self::Admin => who.is_some_and(Person::is_admin),
            Self::SecondFactor => who.is_some_and(Person::has_mfa),
            Self::Impossible => false,
        }
    }
}

/// The first reading of a forwarded path that `who` should not have got past, with its need.
pub fn violation(path: &[u8], who: Option<&Person>) -> Option<(String, Need)> {
    readings(path).into_iter().find_map(|reading| {
        let need = Need::of(&reading);
        let met = need.is_met_by(who);
        (!met).then(|| (String::from_utf8_lossy(&reading).into_owned(), need))
    })
}

const WAYS: u32 = 10;

/// The path under every combination of the ten ways of the security page.
fn readings(path: &[u8]) -> BTreeSet<Vec<u8>> {
    (0..1u32 << WAYS).flat_map(|set| [read(path, set, false), read(path, set, true)]).collect()
}

/// One combination. `decoded`: the program decodes escapes once before it looks, as most do.
fn read(path: &[u8], set: u32, decoded: bool) -> Vec<u8> {
    let on = |bit: u32| set & (1 << bit) != 0;
    let mut path = path.to_vec();
    if decoded {
        path = decode(&path, on(0), on(1));
    }
    if on(2) {
        path = decode(&path, true, true);
    }
    if on(3) {
        cut(&mut path, 0);
    }
    if on(4) {
        cut(&mut path, b'#');
    }
    if on(5) {
        path.iter_mut().filter(|b| **b == b'\\').for_each(|b| *b = b'/');
    }
    if on(6) {
        path = by_segment(&path, |s| Some(s.split(|b| *b == b';').next().unwrap_or_default().to_vec()));
    }
    if on(7) {
        let mut merged: Vec<u8> = Vec::new();
        path.iter()
            .filter(|b| {
                let again = **b == b'/' && merged.last() == Some(&b'/');
                if !again {
                    merged.push(**b);
                }
                !again
            })
            .for_each(drop);
        path = merged;
    }
    if on(8) {
        path = remove_dots(&path);
    }
    if on(9) {
        path = String::from_utf8_lossy(&path).to_lowercase().into_bytes();
    }
    path
}

fn decode(path: &[u8], slash: bool, backslash: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let hex = path.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        let value = hex.and_then(|h| u8::from_str_radix(h, 16).ok()).filter(|_| path[at] == b'%');
        match value {
            Some(b'/') if !slash => out.extend_from_slice(&path[at..at + 3]),
            Some(b'\\') if !backslash => out.extend_from_slice(&path[at..at + 3]),
            Some(value) => out.push(value),
            None => {
                out.push(path[at]);
                at += 1;
                continue;
            }
        }
        at += 3;
    }
    out
}

fn cut(path: &mut Vec<u8>, at: u8) {
    if let Some(end) = path.iter().position(|b| *b == at) {
        path.truncate(end);
    }
}

fn by_segment(path: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    path.split(|b| *b == b'/').filter_map(change).collect::<Vec<_>>().join(&b'/')
}

/// RFC 3986 section 5.2.4.
fn remove_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|b| *b == b'/').skip(1) {
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let mut out = b"/".to_vec();
    out.extend(kept.join(&b'/'));
    out
}

#[test]
fn the_reference_finds_what_it_is_for() {
    for (path, bad) in [
        ("/public/x", false),
        ("/public/a%20b/c;d=e/x.html", false),
        ("/public/../admin", true),
        ("/public/%2e%2e/admin", true),
        ("/public/..%2fadmin", true),
        ("/public/%252e%252e/admin", true),
        ("/public/..%5cadmin", true),
        ("/public\\..\\admin", true),
        ("/public/..;/admin", true),
        ("//admin", true),
        ("/PUBLIC/x", true),
        ("/public#/../x", true),
        ("/publi%63/x", true),
        ("/public/x%23y", false),
        ("/public%00x", true),
        ("/admin%23/../public/x", true),
    ] {
        assert_eq!(violation(path.as_bytes(), None).is_some(), bad, "{path}");
    }
}
