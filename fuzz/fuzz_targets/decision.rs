//! Any small policy and any request: `cargo fuzz run decision`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stagedoor_fuzz::decision(data));
