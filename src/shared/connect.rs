//! Connections to each kind of deployment. Certificates and names are always checked.

use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode, Value,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::topology::{Kind, Topology};
use super::{Settings, Unusable};

/// How long one server may take to accept and greet. Longer than a call may take: a connection that comes too late for
/// one call serves the next.
const GREETING: Duration = Duration::from_secs(1);

/// A connection that many calls use at once.
#[derive(Clone)]
pub(super) enum Link {
    /// To one server.
    One(MultiplexedConnection),
    /// To all of a cluster. Boxed: it is several times as large.
    Cluster(Box<ClusterConnection>),
}

impl Link {
    pub(super) async fn ask(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(one) => cmd.query_async(one).await,
            Self::Cluster(cluster) => cmd.query_async(cluster.as_mut()).await,
        }
    }
}

/// Makes connections.
pub(super) struct Connector {
    topology: Topology,
    certificates: Option<TlsCertificates>,
}

impl Connector {
    /// # Errors
    /// [`Unusable`] where no connection could ever be made.
    pub(super) fn new(settings: &Settings) -> Result<Self, Unusable> {
        let topology = Topology::parse(settings.url.expose())?;
        let certificates = settings.ca.as_deref().map(certificates).transpose()?;
        if certificates.is_some() && !topology.tls {
            return Err(Unusable("authorities are for TLS: write rediss:// or remove `ca`".into()));
        }
        Ok(Self { topology, certificates })
    }

    /// A connection for calls; asks the sentinels, where there are any, who is master now.
    pub(super) async fn connect(&self) -> RedisResult<Link> {
        if self.topology.kind == Kind::Cluster {
            let cluster = self.cluster()?.get_async_connection().await?;
            return Ok(Link::Cluster(Box::new(cluster)));
        }
        let config = config();
        let client = self.client(0, ProtocolVersion::RESP2).await?;
        Ok(Link::One(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// Whether a connection finds its way by itself after an error: that to a cluster learns which node has the key now,
    /// and giving it up for one dead node would cost the calls to the others.
    pub(super) fn mends_itself(&self) -> bool {
        self.topology.kind == Kind::Cluster
    }

    /// A connection for a channel. In a cluster any node hears what is published on any other: the `turn`-th is taken.
    pub(super) async fn listen(
        &self,
        turn: usize,
        hear: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> RedisResult<MultiplexedConnection> {
        // Only RESP3 tells messages from answers, so that the connection can be asked whether it is alive.
        let client = self.client(turn, ProtocolVersion::RESP3).await?;
        client.get_multiplexed_async_connection_with_config(&config().set_push_sender(hear)).await
    }

    async fn client(&self, turn: usize, protocol: ProtocolVersion) -> RedisResult<Client> {
        if let Kind::Sentinel(service) = &self.topology.kind {
            return self.sentinel(service, protocol)?.async_get_client().await;
        }
        let address = self.addresses().nth(turn % self.topology.hosts.len()).ok_or_else(no_host)?;
        let mut login = RedisConnectionInfo::default().set_db(self.topology.db).set_protocol(protocol);
        if let Some(user) = &self.topology.login.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.topology.login.password {
            login = login.set_password(password.expose());
        }
        let info = address.into_connection_info()?.set_redis_settings(login).set_tcp_settings(tcp());
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }

    fn sentinel(
        &self,
        service: &str,
        protocol: ProtocolVersion,
    ) -> RedisResult<redis::sentinel::SentinelClient> {
        let (master, sentinel) = (&self.topology.login, &self.topology.sentinel_login);
        let mut builder = SentinelClientBuilder::new(self.addresses(), service, SentinelServerType::Master)?
            .set_client_to_redis_db(self.topology.db)
            .set_client_to_redis_protocol(protocol)
            .set_client_to_redis_tcp_settings(tcp());
        if self.topology.tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        if let Some(user) = &master.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &master.password {
            builder = builder.set_client_to_redis_password(password.expose());
        }
        if let Some(user) = &sentinel.user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &sentinel.password {
            builder = builder.set_client_to_sentinel_password(password.expose());
        }
        builder.build()
    }

    fn cluster(&self) -> RedisResult<redis::cluster::ClusterClient> {
        // A call is tried again with other means (the local limiter) long before a cluster has been mended.
        let mut builder = redis::cluster::ClusterClient::builder(self.addresses())
            .connection_timeout(GREETING)
            .response_timeout(GREETING)
            .retries(1)
            .tcp_settings(tcp());
        if let Some(user) = &self.topology.login.user {
            builder = builder.username(user);
        }
        if let Some(password) = &self.topology.login.password {
            builder = builder.password(password.expose());
        }
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        builder.build()
    }

    fn addresses(&self) -> impl Iterator<Item = ConnectionAddr> {
        let tls = self.topology.tls;
        self.topology.hosts.iter().cloned().map(move |(host, port)| match tls {
            true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host, port),
        })
    }
}

fn no_host() -> RedisError {
    RedisError::from((redis::ErrorKind::InvalidClientConfig, "no server is named"))
}

/// Without a limit of its own for answers: the caller has one.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(GREETING)).set_response_timeout(None)
}

/// Calls are small and somebody waits for each.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn certificates(path: &Path) -> Result<TlsCertificates, Unusable> {
    let wrong = |e: &dyn std::fmt::Display| Unusable(format!("{}: {e}", path.display()));
    let pem = std::fs::read(path).map_err(|e| wrong(&e))?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|e| wrong(&e))?;
    if found.is_empty() {
        return Err(wrong(&"there is no certificate in it"));
    }
    Ok(TlsCertificates { client_tls: None, root_cert: Some(pem) })
}
