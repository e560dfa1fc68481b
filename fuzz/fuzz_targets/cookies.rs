//! Any Cookie fields: `cargo fuzz run cookies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stagedoor_fuzz::cookies(data));
