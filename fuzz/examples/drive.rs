//! Drives a fuzz body without libFuzzer, with random bytes from a fixed seed:
//! `cargo run --manifest-path fuzz/Cargo.toml --example drive -- (path|decision) CASES`.
//! An example and not a binary, because `cargo fuzz build` instruments all binaries.

use std::process::ExitCode;

/// xorshift64*, so that a run can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.next() % most).map(|_| self.next().to_le_bytes()[4]).collect()
    }

    /// A path out of pieces that matter; plain random bytes are refused almost always.
    fn path(&mut self) -> Vec<u8> {
        const PIECES: [&str; 20] = [
            "/", "/", "/", "a", "B", ".", "..", "%2e", "%2F", "%5c", ";", "%3B", "%25", "61", "%36", "%23",
            "#", "%c3%a9", "%00", "~",
        ];
        let pieces = (0..self.next() % 12).map(|_| PIECES[(self.next() >> 32) as usize % PIECES.len()]);
        format!("/{}", pieces.collect::<String>()).into_bytes()
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let target = args.next().unwrap_or_default();
    let cases: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let mut random = Random(0x5EED_0057_A6ED_0012);
    for _ in 0..cases {
        match target.as_str() {
            "path" => stagedoor_fuzz::path(&random.path()),
            "decision" => stagedoor_fuzz::decision(&random.bytes(400)),
            _ => {
                eprintln!("usage: drive (path|decision) [CASES]");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{target}: {cases} cases passed");
    ExitCode::SUCCESS
}
