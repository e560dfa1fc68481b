//! Any bytes on a connection to the whole gateway: `cargo fuzz run gateway`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stagedoor_fuzz::gateway(data));
