//! What a request costs with Pingora and nothing else: the plainest reverse proxy it can be, without guard, gate or
//! headers of its own. `bare ADDRESS UPSTREAM`. Same profile and same allocator as the gateway, so that the
//! difference between the two is what the gateway does.

use std::net::SocketAddr;
use std::process::ExitCode;

use async_trait::async_trait;
use pingora::Result;
use pingora::prelude::HttpPeer;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let parsed = match args.as_slice() {
        [listen, upstream] => upstream.parse().ok().map(|upstream| (listen, upstream)),
        _ => None,
    };
    // `cargo bench` starts every bench, with a flag instead of addresses.
    let Some((listen, upstream)) = parsed else {
        eprintln!("usage: bare ADDRESS UPSTREAM (started by benches/run)");
        return ExitCode::SUCCESS;
    };
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("bare: a TLS provider was already installed");
    }
    let conf = ServerConf { threads: 1, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever()
}
