//! `server`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use ipnet::IpNet;

use crate::config::raw::sections as s;
use crate::config::raw::sections_limits::LIMITS;
use crate::config::raw::table::{Field, Table};
use crate::proxy::{ForwardedFamily, Limits, TlsListener};

/// What `server` means; `None` where a problem was noted.
pub(super) struct Server {
    pub(super) listen: Option<SocketAddr>,
    pub(super) tls: Option<TlsListener>,
    pub(super) admin_listen: Option<SocketAddr>,
    pub(super) public_url: Option<String>,
    pub(super) auth_prefix: Option<String>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) forwarded: ForwardedFamily,
    pub(super) proxy_protocol: bool,
    pub(super) threads: Option<usize>,
    pub(super) h2c: bool,
    pub(super) drain_delay: Duration,
    pub(super) grace: Duration,
    pub(super) upgrade_socket: Option<PathBuf>,
    pub(super) limits: Limits,
}

pub(super) fn read(root: &Table<'_>) -> Server {
    let table = root.sub("server", &s::SERVER);
    let (listen, admin_listen) = (table.address("listen"), table.address("admin_listen"));
    check_listeners(&table, listen, admin_listen);
    let public_url = public_url(&table);
    let tls = table.sub_if("tls", &s::TLS).and_then(|t| tls(&t, &[listen, admin_listen]));
    if tls.is_some() && public_url.as_deref().is_some_and(|url| url.starts_with("http:")) {
        table
            .at("public_url")
            .error("it is plain http, and there is a TLS listener", "write https://…, as people will see it");
    }
    let trusted_proxies = trusted_proxies(&table);
    Server {
        listen,
        tls,
        admin_listen,
        public_url,
        auth_prefix: auth_prefix(&table),
        proxy_protocol: proxy_protocol(&table, &trusted_proxies),
        trusted_proxies,
        forwarded: match table.choice("forwarded") {
            "forwarded" => ForwardedFamily::Forwarded,
            _ => ForwardedFamily::XForwarded,
        },
        threads: table.number("threads").and_then(|n| usize::try_from(n).ok()),
        h2c: table.flag("h2c"),
        drain_delay: table.duration("drain_delay"),
        grace: table.duration("grace"),
        upgrade_socket: table.text("upgrade_socket").map(|path| table.at.cx.base.join(path)),
        limits: limits(&table.sub("limits", &LIMITS)),
    }
}

fn check_listeners(table: &Table<'_>, listen: Option<SocketAddr>, admin: Option<SocketAddr>) {
    let (Some(listen), Some(admin)) = (listen, admin) else { return };
    if listen == admin && listen.port() != 0 {
        table.at("admin_listen").error(
            format!("{admin} is also `server.listen`"),
            "give the admin listener a port of its own, out of reach of the public",
        );
    } else if !admin.ip().to_canonical().is_loopback() {
        table.at("admin_listen").warning(
            format!("{admin} can be reached from other machines, and asks nobody to sign in"),
            "listen on 127.0.0.1, or make sure that only your own network reaches it",
        );
    }
}

fn tls(table: &Table<'_>, taken: &[Option<SocketAddr>]) -> Option<TlsListener> {
    let path = |name: &str| table.text(name).map(|path| table.at.cx.base.join(path));
    let (listen, certificate, key) = (table.address("listen"), path("certificate"), path("key"));
    let listen = listen?;
    if listen.port() == 0 || taken.iter().flatten().any(|other| other.port() == listen.port()) {
        table
            .at("listen")
            .error("it needs a port that no other listener has", "write for example 0.0.0.0:8443");
        return None;
    }
    Some(TlsListener { listen, certificate: certificate?, key: key? })
}

/// How long a client may be slower than the least rates: who has just begun has no rate yet.
const RATE_GRACE: Duration = Duration::from_secs(5);

fn limits(table: &Table<'_>) -> Limits {
    Limits {
        head_bytes: table.size("head_bytes").and_then(|n| usize::try_from(n).ok()).unwrap_or_default(),
        headers: table.count("headers"),
        head_timeout: table.duration("head_timeout"),
        idle_timeout: table.duration("idle_timeout"),
        body_bytes: table.size("body_bytes").unwrap_or_default(),
        body_timeout: table.duration("body_timeout"),
        connections_per_address: table.count("connections_per_address"),
        connections: table.count("connections"),
        min_request_rate: table.count("min_request_rate"),
        min_response_rate: table.count("min_response_rate"),
        rate_grace: RATE_GRACE,
        websocket_idle: table.duration("websocket_idle"),
    }
}

/// Everybody as a trusted proxy means that everybody chooses their own address (F-01).
fn trusted_proxies(table: &Table<'_>) -> Vec<IpNet> {
    let nets = table.networks("trusted_proxies");
    if nets.iter().any(|n| n.prefix_len() == 0) {
        table.at("trusted_proxies").error(
            "the whole Internet is trusted to say who the client is",
            "name the addresses of your own proxies",
        );
    }
    nets
}

/// A header that anybody may send is nobody's word (F-09).
fn proxy_protocol(table: &Table<'_>, trusted: &[IpNet]) -> bool {
    let wanted = table.flag("proxy_protocol");
    if wanted && trusted.is_empty() {
        table.at("proxy_protocol").error(
            "nobody is in `trusted_proxies`, so every connection would be refused",
            "name the addresses of your load balancers in `server.trusted_proxies`",
        );
    }
    wanted
}

fn public_url(table: &Table<'_>) -> Option<String> {
    let text = table.text("public_url")?;
    let field = table.at("public_url");
    let origin = origin(&text);
    let Some((scheme, authority)) = origin else {
        field.expected(
            "scheme, host and optional port",
            "write for example https://events.example.org, without a path",
        );
        return None;
    };
    if scheme == "http" && !is_local(&authority) {
        field.error(
            format!(
                "plain http for `{authority}`: cookies and passwords would cross the network in the clear"
            ),
            format!("write https://{authority}; http is for localhost, 127.0.0.1 and [::1] only"),
        );
        return None;
    }
    Some(format!("{scheme}://{authority}"))
}

/// Scheme and lower-case authority of a URL that has nothing else; default ports are dropped.
pub(super) fn origin(text: &str) -> Option<(&'static str, String)> {
    let uri: Uri = text.parse().ok()?;
    let scheme = match uri.scheme_str()? {
        "http" => "http",
        "https" => "https",
        _ => return None,
    };
    let authority = uri.authority()?;
    let bare = uri.path() == "/"
        && uri.query().is_none()
        && !text.contains('#')
        && !authority.as_str().contains('@');
    let host = authority.host();
    let port_fits = authority.as_str() == host || authority.port_u16().is_some_and(|p| p != 0);
    if !bare || host.is_empty() || !port_fits {
        return None;
    }
    let default = if scheme == "http" { 80 } else { 443 };
    let host = host.to_ascii_lowercase();
    Some((
        scheme,
        match authority.port_u16() {
            Some(port) if port != default => format!("{host}:{port}"),
            _ => host,
        },
    ))
}

fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

fn auth_prefix(table: &Table<'_>) -> Option<String> {
    let text = table.text("auth_prefix")?;
    let field: Field<'_> = table.at("auth_prefix");
    let fits = text.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|segment| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
            !segment.is_empty() && segment.bytes().all(plain)
        })
    });
    if !fits {
        let help = format!("write /{}", text.trim_matches('/').to_ascii_lowercase());
        field.expected("a path of lower-case letters, digits, `-` and `_`, without a slash at the end", help);
        return None;
    }
    Some(text)
}
