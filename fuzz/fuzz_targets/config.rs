//! Any text as a configuration: `cargo fuzz run config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stagedoor_fuzz::config(data));
