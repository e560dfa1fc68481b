//! Real proxies in front, set up as the documentation says: its blocks, with the addresses of the test in them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{RawClient, until};
use crate::flows_process::Ports;

/// A running proxy; ends when dropped.
pub struct FrontProxy {
    child: Child,
    ports: Ports,
    _folder: TempDir,
}

/// The first block of a page in this language.
fn block<'p>(page: &'p str, language: &str) -> &'p str {
    let block = page.split(&format!("```{language}\n")).nth(1).expect("a block in this language");
    block.split("```").next().expect("that ends")
}

const FORWARD_AUTH: &str = include_str!("../../../docs/forward-auth.md");
const OPERATORS: &str = include_str!("../../../docs/operators.md");

impl FrontProxy {
    /// nginx in front of `application`, asking `gateway`, for `host`, on the first of `ports`.
    pub fn nginx(ports: Ports, host: &str, gateway: SocketAddr, application: SocketAddr) -> Self {
        Self::nginx_with(ports, |address| {
            block(FORWARD_AUTH, "nginx")
                .replace("listen 80;", &format!("listen {address};"))
                .replace("app.example.org", host)
                .replace("127.0.0.1:8080", &gateway.to_string())
                .replace("127.0.0.1:3000", &application.to_string())
        })
    }

    /// nginx with the server blocks that `servers` writes for the address of the first of `ports`.
    pub fn nginx_with(ports: Ports, servers: impl FnOnce(SocketAddr) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display();
        let server = servers(ports.address(0));
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {at}/{name};\n"))
            .collect();
        let rest = format!("http {{\naccess_log off;\n{temporary}{server}}}\n");
        Self::run_nginx((ports, folder), "", &rest)
    }

    /// nginx that passes on bytes to `gateway` and says from whom they are.
    pub fn nginx_stream(ports: Ports, gateway: SocketAddr) -> Self {
        let stream = block(OPERATORS, "nginx")
            .replace("listen 443;", &format!("listen {};", ports.address(0)))
            .replace("10.0.0.5:8443", &gateway.to_string());
        // A module of its own in Debian, built in elsewhere.
        let module = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
        let load =
            if module.exists() { format!("load_module {};\n", module.display()) } else { String::new() };
        Self::run_nginx((ports, tempfile::tempdir().expect("a folder")), &load, &stream)
    }

    fn run_nginx((ports, folder): (Ports, TempDir), modules: &str, rest: &str) -> Self {
        let at = folder.path().display();
        // Root's workers would be nobody's, who may not write here.
        let user =
            if std::fs::metadata("/proc/self").is_ok_and(|m| is_root(&m)) { "user root;\n" } else { "" };
        let text = format!(
            "{modules}{user}daemon off;\nworker_processes 1;\npid {at}/pid;\nerror_log {at}/error.log;\n\
             events {{ worker_connections 256; }}\n{rest}"
        );
        let conf = folder.path().join("nginx.conf");
        let (prefix, log) = (at.to_string(), format!("{at}/error.log"));
        let args = ["-p", &prefix, "-e", &log, "-c", &conf.display().to_string()].map(str::to_owned);
        Self::run("nginx", &args, (ports, folder), (&conf, &text))
    }

    /// HAProxy that passes on bytes to `gateway` and says from whom they are, in this `version` of the PROXY protocol.
    pub fn haproxy(ports: Ports, version: u8, gateway: SocketAddr) -> Self {
        let sends = if version == 1 { "send-proxy" } else { "send-proxy-v2" };
        let listen = block(OPERATORS, "haproxy")
            .replace("bind :443", &format!("bind {}", ports.address(0)))
            .replace("10.0.0.5:8443", &gateway.to_string())
            .replace("send-proxy-v2", sends);
        let text = format!(
            "global\n    maxconn 200\ndefaults\n    timeout connect 5s\n    timeout client 30s\n    \
             timeout server 30s\n{listen}"
        );
        Self::haproxy_with(ports, &text)
    }

    /// HAProxy as `text` configures it, for the first of `ports`.
    pub fn haproxy_with(ports: Ports, text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let conf = folder.path().join("haproxy.cfg");
        let args = ["-db", "-q", "-f", &conf.display().to_string()].map(str::to_owned);
        Self::run("haproxy", &args, (ports, folder), (&conf, text))
    }

    /// Caddy in front of `application`, asking `gateway`, for `host`, on the first of `ports`.
    pub fn caddy(ports: Ports, host: &str, gateway: SocketAddr, application: SocketAddr) -> Self {
        let site = block(FORWARD_AUTH, "caddyfile")
            .replace("app.example.org {", &format!("http://{host}:{} {{\nbind 127.0.0.1", ports.first))
            .replace("127.0.0.1:8080", &gateway.to_string())
            .replace("127.0.0.1:3000", &application.to_string());
        let folder = tempfile::tempdir().expect("a folder");
        let conf = folder.path().join("Caddyfile");
        let text = format!("{{\nadmin off\nauto_https off\n}}\n{site}");
        let args =
            ["run", "--adapter", "caddyfile", "--config", &conf.display().to_string()].map(str::to_owned);
        Self::run("caddy", &args, (ports, folder), (&conf, &text))
    }

    fn run(
        program: &str,
        args: &[String],
        (ports, folder): (Ports, TempDir),
        (conf, text): (&Path, &str),
    ) -> Self {
        std::fs::write(conf, text).expect("a file");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let child = Command::new(program)
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .env("HOME", folder.path())
            .args(args)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{program} is installed, scripts/test sees to it: {e}"));
        let proxy = Self { child, ports, _folder: folder };
        until(program, || RawClient::try_connect(proxy.address()).ok());
        proxy
    }

    pub fn address(&self) -> SocketAddr {
        self.ports.address(0)
    }

    /// Another one of its ports.
    pub fn port(&self, n: u16) -> SocketAddr {
        self.ports.address(n)
    }
}

fn is_root(process: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(process) == 0
}

impl Drop for FrontProxy {
    fn drop(&mut self) {
        // TERM lets the master end its worker; KILL would leave that one behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
