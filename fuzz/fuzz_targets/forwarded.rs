//! Any chain of forwarded addresses: `cargo fuzz run forwarded`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stagedoor_fuzz::forwarded(data));
