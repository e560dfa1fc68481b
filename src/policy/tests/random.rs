//! P-28: a million targets of random bytes. Whatever is let through to anybody must be open to anybody under every
//! other reading as well (INV-2).

use super::*;
use crate::policy::reference::{Answer, Asked, Model, answer};

const CASES: u32 = 1_000_000;

/// Bytes that mean something to somebody, so that a good part of the targets gets past the first check.
const TOKENS: [&[u8]; 32] = [
    b"/",
    b"/",
    b".",
    b"..",
    b"%2e",
    b"%2E%2e",
    b"%2f",
    b"%5c",
    b"\\",
    b";",
    b"%3b",
    b"%3B",
    b"?",
    b"%3f",
    b"#",
    b"%23",
    b"%25",
    b"%252e",
    b"%00",
    b"\0",
    b"%",
    b"%c3%a9",
    b"\xc3\xa9",
    b"%e0%80%af",
    b"admin",
    b"ADMIN",
    b"%61dmin",
    b"public",
    b"Api",
    b"x",
    b"+",
    b"~",
];

/// Small, without a period that matters, and the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % n
    }

    fn target(&mut self) -> Vec<u8> {
        let starts: [&[u8]; 6] = [b"", b"/", b"/public", b"/public/", b"/public/x/", b"/admin/../public"];
        let mut target = starts[self.below(6)].to_vec();
        for _ in 0..self.below(9) {
            match self.below(3) {
                // Any byte from 0x00 to 0xff.
                0 => target.push(self.next().to_le_bytes()[3]),
                _ => target.extend_from_slice(TOKENS[self.below(TOKENS.len())]),
            }
        }
        target
    }
}

/// What the heads of requests are held to before anybody asks what a path means.
fn path_of(target: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(target).ok()?;
    Some(text.split_once('?').map_or(text, |(path, _)| path))
}

#[test]
fn p_28_a_million_random_targets() {
    let source = sample();
    let policy = compiled(&source);
    let asked =
        Asked { method: "GET".into(), host: "localhost".into(), ip: [127, 0, 0, 1].into(), person: None };
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let (mut read, mut open) = (0, 0);
    for _ in 0..CASES {
        let target = noise.target();
        let Some(path) = path_of(&target).and_then(|raw| Policy::read_path(raw).ok()) else { continue };
        read += 1;
        if get(&policy, path.as_str(), None) != Ok(Outcome::Allowed { public: true }) {
            continue;
        }
        open += 1;
        for model in Model::ALL {
            let (rules, needed) = answer(&source, model, &model.segments(path.as_str()), &asked);
            assert_eq!(needed, Answer::Public, "{model:?} of {path} from {target:?}: {rules:?}");
        }
    }
    // Neither nothing nor everything: the test looks at what it is for.
    assert!(read > 50_000 && open > 10_000, "{read} were read, {open} were open to anybody");
}
