//! Prepares a gateway's store for the benchmarks, with the gateway's own secret and keys:
//!
//! - `tokens CONFIG tokens N FILE` writes N access tokens of N different people and sessions to FILE, one a line
//! - `tokens CONFIG revocations N` puts N live revocations into the store, half of them of sessions, half of accounts
//!
//! The gate believes a token by its signature and the absence of a revocation, so the people need no accounts.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use stagedoor::app::{Office, Surroundings};
use stagedoor::config::{self, Settings};
use stagedoor::model::{AccountId, Clock, RoleName, SessionId, SystemClock, SystemEntropy, Timestamp};
use stagedoor::store::{Revocation, Store, Tx};
use stagedoor::token::{AccessGrant, KeyRing, Mint, SigningKey, StoredKey, Vault};

/// Revocations in one transaction.
const BATCH: usize = 10_000;
/// No revocation expires while the benchmarks run.
const LIVE: Duration = Duration::from_secs(24 * 3600);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        [config, "tokens", n, file] => tokens(config, n, file),
        [config, "revocations", n] => revocations(config, n),
        // `cargo bench` starts every bench, with a flag.
        _ => {
            eprintln!("usage: tokens CONFIG (tokens N FILE | revocations N) (started by benches/run)");
            return ExitCode::SUCCESS;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tokens: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The settings, and the store with at least one signing key in it.
fn open(config: &str) -> Result<(Settings, Store), Box<dyn Error>> {
    let settings = config::load(Path::new(config)).map_err(|report| report.to_string())?;
    let around =
        Surroundings { clock: Arc::new(SystemClock::new()), entropy: Arc::new(SystemEntropy), config: None };
    drop(Office::open(&settings, &around)?);
    let store = Store::open(&settings.store)?;
    Ok((settings, store))
}

fn tokens(config: &str, n: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let n: usize = n.parse()?;
    let (settings, store) = open(config)?;
    let now = SystemClock::new().now();
    let mint = mint(&settings, &store)?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    for i in 0..n {
        writeln!(out, "{}", mint.access(&grant(i, &settings, now)?, now).0)?;
    }
    Ok(out.flush()?)
}

fn mint(settings: &Settings, store: &Store) -> Result<Mint, Box<dyn Error>> {
    let vault = Vault::new(&settings.secret.load()?)?;
    let rows = block_on(store.signing_keys())?;
    let keys = rows.into_iter().map(|row| {
        let stored = StoredKey {
            kid: row.kid,
            algorithm: row.algorithm,
            sealed_private: row.sealed_private,
            created_at: row.created_at,
            retired_at: row.retired_at,
        };
        SigningKey::open(&vault, &stored)
    });
    let ring = KeyRing::from_keys(keys.collect::<Result<_, _>>()?)?;
    Ok(Mint::new(Arc::new(ArcSwap::from_pointee(ring)), settings.token.clone(), Arc::new(SystemEntropy)))
}

fn grant(i: usize, settings: &Settings, now: Timestamp) -> Result<AccessGrant, Box<dyn Error>> {
    let roles = vec![RoleName::parse("participant")?];
    Ok(AccessGrant {
        account: AccountId::random(&SystemEntropy),
        session: SessionId::random(&SystemEntropy),
        email: format!("person{i}@example.org"),
        email_verified: true,
        name: format!("Person Number {i}"),
        permissions: settings.policy.permissions(&roles),
        roles,
        amr: vec!["pwd".to_owned()],
        auth_time: now,
    })
}

fn revocations(config: &str, n: &str) -> Result<(), Box<dyn Error>> {
    let n: usize = n.parse()?;
    let (_, store) = open(config)?;
    let now = SystemClock::new().now();
    let until = now.after(LIVE);
    for start in (0..n).step_by(BATCH) {
        let mut tx = Tx::new();
        for i in start..n.min(start + BATCH) {
            tx.revoke(if i % 2 == 0 {
                Revocation::Session { session: SessionId::random(&SystemEntropy), until }
            } else {
                Revocation::Account { account: AccountId::random(&SystemEntropy), before: now, until }
            });
        }
        block_on(store.commit(tx))?;
    }
    Ok(())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime without threads needs nothing").block_on(work)
}
