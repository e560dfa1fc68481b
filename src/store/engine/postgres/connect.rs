//! Connections: their settings and TLS.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper as Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
    Timeouts,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{ACQUIRE, ANSWER, STATEMENT};
use crate::store::StoreError;
use crate::store::settings::PostgresSettings;

/// How long to try to reach the server.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the kernel may wait for an acknowledgement: a server that has vanished is noticed.
const UNACKNOWLEDGED: Duration = Duration::from_secs(4);

/// What a pool is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    Read,
    /// One connection beside the others, see [`crate::store::engine::Engine::watch`].
    Watch,
}

/// Whether connections can be made from this; asks no server.
///
/// # Errors
/// [`StoreError::Server`] that says what is wrong with the URL or the file of roots; it does not repeat the URL.
pub(in crate::store) fn check(settings: &PostgresSettings) -> Result<(), StoreError> {
    let config = read(settings)?;
    if is_local(&config) { Ok(()) } else { tls(settings.ca.as_deref()).map(drop) }
}

/// A pool that opens connections as they are needed.
pub(super) fn pool(settings: &PostgresSettings, kind: Kind) -> Result<Pool, StoreError> {
    let mut config = read(settings)?;
    config.application_name("stagedoor").connect_timeout(CONNECT).tcp_user_timeout(UNACKNOWLEDGED);
    config.options(limits(config.get_options()));
    if config.get_hosts().len() > 1 {
        // A replica lags: what it does not know yet would pass for what did not happen.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if is_local(&config) {
        config.ssl_mode(SslMode::Disable);
        Manager::from_config(config, tokio_postgres::NoTls, manager)
    } else {
        // A connection that need not be encrypted protects from nobody.
        config.ssl_mode(SslMode::Require);
        Manager::from_config(config, tls(settings.ca.as_deref())?, manager)
    };
    Pool::builder(manager)
        .max_size(share(settings.connections, kind))
        .timeouts(Timeouts { wait: Some(ACQUIRE), create: Some(CONNECT), recycle: Some(CONNECT) })
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(move |client, _| Box::pin(restrict(client, kind))))
        .build()
        .map_err(|e| StoreError::Server(e.to_string()))
}

/// Only one pool may change anything. Not an option of the connection: the server that is looked for is one that takes
/// changes, and it would seem to be none.
async fn restrict(client: &mut Client, kind: Kind) -> Result<(), HookError> {
    if kind == Kind::Write {
        return Ok(());
    }
    client.batch_execute("SET default_transaction_read_only = on").await.map_err(HookError::Backend)
}

/// What the server is to enforce, after what the URL says: a process that hangs must not hold locks either.
fn limits(given: Option<&str>) -> String {
    let (statement, idle) = (STATEMENT.as_millis(), ANSWER.as_millis());
    let mut options = given.map(|given| format!("{given} ")).unwrap_or_default();
    options += &format!("-c statement_timeout={statement} -c idle_in_transaction_session_timeout={idle}");
    options
}

/// One to watch, and of the rest half each; no pool is empty.
fn share(connections: usize, kind: Kind) -> usize {
    let rest = connections.saturating_sub(1);
    let write = rest / 2;
    let share = match kind {
        Kind::Write => write,
        Kind::Read => rest - write,
        Kind::Watch => 1,
    };
    share.max(1)
}

fn read(settings: &PostgresSettings) -> Result<Config, StoreError> {
    // What the parser says may repeat a part of the password.
    let config = Config::from_str(settings.url.expose()).map_err(|_| wrong_url())?;
    if config.get_hosts().is_empty() { Err(wrong_url()) } else { Ok(config) }
}

fn wrong_url() -> StoreError {
    StoreError::Server(
        "the URL cannot be read; write postgres://user:password@host/database, special characters as %XX, and \
         ?sslmode=disable only where nobody else can listen"
            .to_owned(),
    )
}

/// Whether the connection needs no TLS: a socket in the file system, or the operator says so.
fn is_local(config: &Config) -> bool {
    config.get_ssl_mode() == SslMode::Disable
        || config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
}

/// The system's roots and those of the config; certificate and name are always checked.
fn tls(ca: Option<&Path>) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let wrong = |e: &dyn std::fmt::Display| StoreError::Server(format!("{}: {e}", path.display()));
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
            roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        }
        if roots.len() == before {
            return Err(wrong(&"there is no certificate in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| StoreError::Server(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
