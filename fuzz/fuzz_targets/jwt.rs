//! Any string that might be a token: `cargo fuzz run jwt`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stagedoor_fuzz::jwt(data));
