//! Any frames on a connection of HTTP/2 to the whole gateway: `cargo fuzz run gateway_h2`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: stagedoor_fuzz::start_gateway(),
    |data: &[u8]| stagedoor_fuzz::gateway_h2(data)
);
