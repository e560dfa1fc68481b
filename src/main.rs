//! The `stagedoor` binary: hands the arguments to [`stagedoor::cli`] and its result to the shell.

use std::process::ExitCode;

/// Argon2 and proxying both allocate a lot; mimalloc keeps the memory of the first from growing.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // First of all: two rustls providers are linked, so one has to be chosen before anything asks for TLS.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("stagedoor: a TLS provider was already installed");
    }
    ExitCode::from(stagedoor::cli::run(std::env::args_os()))
}
