//! Any bytes on a connection to the whole gateway: `cargo fuzz run gateway`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: stagedoor_fuzz::start_gateway(),
    |data: &[u8]| stagedoor_fuzz::gateway(data)
);
