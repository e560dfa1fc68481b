//! The bytes of a request head: `cargo fuzz run raw_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stagedoor_fuzz::raw_head(data));
