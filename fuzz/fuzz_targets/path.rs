//! Any bytes as a path: `cargo fuzz run path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stagedoor_fuzz::path(data));
