//! A real nginx: in front, set up as docs/forward-auth.md says, or as a test needs it.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{RawClient, until};
use crate::flows_process::Ports;

/// A running nginx; ends when dropped.
pub struct Nginx {
    child: Child,
    ports: Ports,
    _folder: TempDir,
}

/// The server block of the documentation.
fn documented() -> &'static str {
    let page = include_str!("../../../docs/forward-auth.md");
    let block = page.split("```nginx\n").nth(1).expect("a block for nginx");
    block.split("```").next().expect("that ends")
}

impl Nginx {
    /// In front of `application`, asking `gateway`, for `host`, on the first of `ports`.
    pub fn start(ports: Ports, host: &str, gateway: SocketAddr, application: SocketAddr) -> Self {
        Self::with(ports, |address| {
            documented()
                .replace("listen 80;", &format!("listen {address};"))
                .replace("app.example.org", host)
                .replace("127.0.0.1:8080", &gateway.to_string())
                .replace("127.0.0.1:3000", &application.to_string())
        })
    }

    /// With the server blocks that `servers` writes for the address of the first of `ports`.
    pub fn with(ports: Ports, servers: impl FnOnce(SocketAddr) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display();
        let server = servers(ports.address(0));
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {at}/{name};\n"))
            .collect();
        // Root's workers would be nobody's, who may not write here.
        let user =
            if std::fs::metadata("/proc/self").is_ok_and(|m| is_root(&m)) { "user root;\n" } else { "" };
        let text = format!(
            "{user}daemon off;\nworker_processes 1;\npid {at}/pid;\nerror_log {at}/error.log;\n\
             events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
        );
        let conf = folder.path().join("nginx.conf");
        std::fs::write(&conf, text).expect("a file");
        let child = Command::new("nginx")
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .args(["-p", &at.to_string(), "-e", &format!("{at}/error.log"), "-c"])
            .arg(&conf)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed; scripts/test sees to it");
        let nginx = Self { child, ports, _folder: folder };
        until("nginx", || RawClient::try_connect(nginx.address()).ok());
        nginx
    }

    pub fn address(&self) -> SocketAddr {
        self.ports.address(0)
    }
}

fn is_root(process: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(process) == 0
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // TERM lets the master end its worker; KILL would leave that one behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
