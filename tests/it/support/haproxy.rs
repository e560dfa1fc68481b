//! A real HAProxy that shares requests out between gateways and asks each whether it is ready.

use std::net::SocketAddr;

use super::{FrontProxy, Node, RawClient};
use crate::flows_process::{Ports, eventually};

/// A running HAProxy; ends when dropped.
pub struct Haproxy(FrontProxy);

impl Haproxy {
    /// In front of these gateways, by turns, while `/readyz` of each says so.
    pub fn start(nodes: &[Node]) -> Self {
        let ports = Ports::lease(2);
        let server = |node: &Node| {
            format!(
                "  server {} {} check addr 127.0.0.1 port {} inter 100ms fall 1 rise 1\n",
                node.name(),
                node.public(),
                node.admin().port()
            )
        };
        let servers: String = nodes.iter().map(server).collect();
        let text = format!(
            "global\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  \
             timeout server 60s\n  timeout check 2s\n  retries 3\n  option redispatch\n  \
             retry-on conn-failure empty-response\nfrontend all\n  bind {}\n  default_backend gateways\n\
             listen operator\n  bind {}\n  stats enable\n  stats uri /\nbackend gateways\n  balance roundrobin\n  \
             option httpchk\n  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost\n{servers}",
            ports.address(0),
            ports.address(1),
        );
        Self(FrontProxy::haproxy_with(ports, &text))
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Waits until it takes this gateway for ready, or for not.
    pub fn await_up(&self, node: &Node, up: bool) {
        eventually("HAProxy notices", || {
            let mut client = RawClient::try_connect(self.0.port(1)).ok()?;
            client.send("GET /;csv HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let page = client.answer().ok()?.text();
            let line = page.lines().find(|l| l.starts_with(&format!("gateways,{},", node.name())))?;
            let is_up = line.split(',').any(|word| word == "UP");
            (is_up == up).then_some(())
        });
    }
}
