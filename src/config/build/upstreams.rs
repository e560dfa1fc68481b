//! `upstreams`.

use http::HeaderName;

use super::server::{Server as Gateway, origin};
use crate::config::raw::sections_policy as p;
use crate::config::raw::table::{Field, Table};
use crate::config::raw::tree::Value;
use crate::config::suggest;
use crate::gate::{AssertionMode, IdentityNames};
use crate::proxy::{Balance, Health, Protocol, Server, Upstream, UpstreamTls};

/// Names that mean something to HTTP or to the gateway itself.
const TAKEN: [&str; 20] = [
    "host",
    "authorization",
    "cookie",
    "set-cookie",
    "connection",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "proxy-authorization",
    "date",
];

pub(super) fn read(root: &Table<'_>, gateway: &Gateway) -> Vec<Upstream> {
    let Some(field) = root.field("upstreams") else { return Vec::new() };
    let entries = field.named();
    if entries.is_empty() {
        field.error("there is no upstream", "name at least one application");
    }
    entries.iter().filter_map(|(name, _, field)| upstream(name, field, gateway)).collect()
}

fn upstream(name: &str, field: &Field<'_>, gateway: &Gateway) -> Option<Upstream> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        field.error(
            format!("`{}` is not a name for an upstream", name.escape_debug()),
            "use letters, digits, `-`, `_` and `.`, at most 64; it becomes the audience of assertions",
        );
    }
    let table = field.table(&p::UPSTREAM)?;
    let timeouts = table.sub("timeouts", &p::TIMEOUTS);
    let servers = servers(&table, gateway);
    let tls = tls(&table, servers.iter().any(|s| s.tls));
    Some(Upstream {
        name: name.to_owned(),
        servers,
        balance: match table.choice("balance") {
            "least_requests" => Balance::LeastRequests,
            "user_hash" => Balance::UserHash,
            _ => Balance::RoundRobin,
        },
        protocol: match table.choice("protocol") {
            "http2" => Protocol::Http2,
            "auto" => Protocol::Auto,
            _ => Protocol::Http1,
        },
        tls,
        max_in_flight: table.count("max_in_flight"),
        resolve_every: table.duration("resolve_every"),
        connect_timeout: timeouts.duration("connect"),
        read_timeout: timeouts.duration("read"),
        write_timeout: timeouts.duration("write"),
        idle_timeout: timeouts.duration("idle"),
        identity: identity(&table),
        assertion: match table.choice("assertion") {
            "request" => AssertionMode::Request,
            "off" => AssertionMode::Off,
            _ => AssertionMode::Session,
        },
        health: table.sub_if("health", &p::HEALTH).and_then(|t| health(&t)),
    })
}

fn servers(table: &Table<'_>, gateway: &Gateway) -> Vec<Server> {
    let Some(list) = table.field("servers") else { return Vec::new() };
    let items = list.items();
    if items.is_empty() && gateway.trusted_proxies.is_empty() {
        list.error(
            "there is no server",
            "write [\"http://127.0.0.1:3000\"]; a list may be empty where a proxy of `server.trusted_proxies` reaches the application and asks for verdicts",
        );
    } else if items.is_empty() && table.has("health") {
        table.at("health").error("there is no server to ask", "leave `health` out, or name a server");
    }
    let mut servers = Vec::new();
    for item in &items {
        let Some(server) = entry(item) else { continue };
        if gateway.listen.is_some_and(|l| l.port() == server.port && l.ip().to_string() == server.host) {
            item.error(
                "this is the gateway itself: every request would go in circles",
                "name the application's own port",
            );
        }
        let same = |s: &Server| (&s.host, s.port) == (&server.host, server.port);
        if servers.iter().any(same) {
            item.error("this server is in the list already", "remove one of the two");
        }
        servers.push(server);
    }
    servers
}

/// An address, or a table with an address and a weight.
fn entry(item: &Field<'_>) -> Option<Server> {
    let (text, at, weight) = if matches!(item.node.value, Value::Table(_)) {
        let table = item.table(&p::SERVER_OF)?;
        let weight = table.count("weight");
        (table.text("url")?, table.at("url"), weight)
    } else {
        (item.text()?.to_owned(), item.clone(), 1)
    };
    let server = server(&text, weight);
    if server.is_none() {
        at.expected("the address of a server", "write http://HOST:PORT or https://HOST:PORT, without a path");
    }
    server
}

fn tls(table: &Table<'_>, wanted: bool) -> UpstreamTls {
    let Some(table) = table.sub_if("tls", &p::UPSTREAM_TLS) else { return UpstreamTls::default() };
    if !wanted {
        table
            .at
            .error("no server of this upstream speaks TLS", "write https:// in `servers`, or remove `tls`");
    }
    let server_name = table.text("server_name");
    let fits = |name: &String| rustls::pki_types::ServerName::try_from(name.as_str()).is_ok();
    if server_name.as_ref().is_some_and(|name| !fits(name)) {
        table.at("server_name").expected("a host name", "write it without scheme and port");
    }
    UpstreamTls { ca: table.text("ca").map(|path| table.at.cx.base.join(path)), server_name }
}

/// Host names come without the brackets of IPv6 addresses.
fn server(text: &str, weight: u16) -> Option<Server> {
    let (scheme, authority) = origin(text)?;
    let tls = scheme == "https";
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host.to_owned(), port.parse().ok()?),
        _ => (authority, if tls { 443 } else { 80 }),
    };
    Some(Server { host: host.trim_start_matches('[').trim_end_matches(']').to_owned(), port, tls, weight })
}

fn health(table: &Table<'_>) -> Option<Health> {
    let (path, interval) = (table.text("path"), table.duration("interval"));
    let path = path?;
    if !path.starts_with('/') || path.contains(['#', ' ']) {
        table.at("path").expected("a path", "start it with a slash, such as /healthz");
    }
    Some(Health { path, interval })
}

fn preset(name: &str) -> IdentityNames {
    IdentityNames::preset(name).unwrap_or_default()
}

fn identity(table: &Table<'_>) -> IdentityNames {
    let Some(field) = table.field("identity") else { return IdentityNames::default() };
    if let Value::Text(name) = &field.node.value {
        if !p::PRESETS.contains(&name.as_str()) {
            field.expected("a preset", suggest::help(name, p::PRESETS.iter().copied()));
        }
        return preset(name);
    }
    field.table(&p::IDENTITY).map(|t| names(&t)).unwrap_or_default()
}

fn names(table: &Table<'_>) -> IdentityNames {
    let mut names = preset(table.choice("preset"));
    let mut seen: Vec<(String, &str)> = Vec::new();
    for (key, slot) in [
        ("user_id", &mut names.user_id),
        ("email", &mut names.email),
        ("name", &mut names.name),
        ("roles", &mut names.roles),
        ("permissions", &mut names.permissions),
        ("session", &mut names.session),
        ("amr", &mut names.amr),
        ("auth_time", &mut names.auth_time),
        ("assertion", &mut names.assertion),
    ] {
        if let Some(name) = table.text(key) {
            *slot = name.to_ascii_lowercase();
            check_name(&table.at(key), slot);
        }
        let folded = slot.replace(['_', '.'], "-");
        if let Some((_, other)) = seen.iter().find(|(name, _)| *name == folded) {
            table.at(key).error(format!("`{slot}` is also the name for `{other}`"), "give each its own name");
        }
        seen.push((folded, key));
    }
    names
}

/// A name that some servers fold to another one (`_`, `.`) could be forged from outside (I-02).
fn check_name(field: &Field<'_>, name: &str) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if HeaderName::try_from(name).is_err() || !name.bytes().all(plain) {
        field.expected("a header name of letters, digits and `-`", "write for example x-user-id");
    } else if TAKEN.contains(&name) || name.starts_with("sec-") {
        field.error(format!("the header `{name}` has another meaning"), "write for example x-user-id");
    }
}
