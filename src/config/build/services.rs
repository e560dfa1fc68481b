//! `secret`, `store`, `redis`, `mail` and `token`.

use std::path::PathBuf;

use crate::config::raw::sections as s;
use crate::config::raw::sections_stores as stores;
use crate::config::raw::table::{Field, Table};
use crate::config::raw::tree::Value;
use crate::config::secrets::{self, SecretSource};
use crate::mail::{SmtpSettings, TransportSettings};
use crate::model::Secret;
use crate::{shared, store, token};

/// The operator's secret, the store and what the nodes share.
pub(super) fn secret_and_stores(
    root: &Table<'_>,
) -> (Option<SecretSource>, Option<store::Settings>, Option<shared::Settings>) {
    (secret(root), store(&root.sub("store", &stores::STORE)), redis(&root.sub("redis", &stores::REDIS)))
}

fn secret(root: &Table<'_>) -> Option<SecretSource> {
    let written = root.field("secret");
    let field = root.at("secret");
    let text = match &written {
        Some(f) => reference(f)?,
        None => "file:stagedoor.secret".to_owned(),
    };
    let source = if let Some(path) = text.strip_prefix("file:") {
        let path = field.cx.base.join(path);
        // A file that is not there yet is made at the first start.
        if !path.exists() {
            return Some(SecretSource::File(path));
        }
        SecretSource::File(path)
    } else if text.contains("${") {
        SecretSource::Env(Secret::new(expanded(&field, &text)?))
    } else {
        let sample = secrets::check(&text).err().map(|why| format!("; also, {why}")).unwrap_or_default();
        field.error(
            format!("a secret is not written into the configuration{sample}"),
            "write \"file:stagedoor.secret\" or \"${STAGEDOOR_SECRET}\"",
        );
        return None;
    };
    match source.load() {
        Ok(_) => Some(source),
        Err(error) => {
            field.error(error.to_string(), error.help());
            None
        }
    }
}

/// The text of a reference, unexpanded; problems never show it.
fn reference(field: &Field<'_>) -> Option<String> {
    match &field.node.value {
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        other => {
            let kind = if matches!(other, Value::Text(_)) { "an empty text" } else { other.kind() };
            field.error(
                format!("{kind} where `file:PATH` or a text with `${{NAME}}` is expected"),
                "put the reference in quotes",
            );
            None
        }
    }
}

fn expanded(field: &Field<'_>, text: &str) -> Option<String> {
    let value = secrets::expand(text, field.cx.env);
    value.map_err(|problem| field.error(problem, "set the environment variable, or use `file:PATH`")).ok()
}

/// The value of a key that takes references; `None` if there is none or a problem was noted.
fn resolved(table: &Table<'_>, name: &str) -> Option<Secret> {
    let field = table.field(name)?;
    let text = reference(&field)?;
    let Some(path) = text.strip_prefix("file:") else {
        return expanded(&field, &text).map(Secret::new);
    };
    match secrets::read_file(&field.cx.base.join(path)) {
        Ok(secret) => Some(secret),
        Err(error) => {
            field.error(error.to_string(), error.help());
            None
        }
    }
}

fn store(table: &Table<'_>) -> Option<store::Settings> {
    let url = if table.has("url") { resolved(table, "url")? } else { Secret::new("sqlite:stagedoor.db") };
    let field = table.at("url");
    let url = url.expose();
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return postgres(table, url);
    }
    for key in ["ca", "connections"] {
        if table.has(key) {
            table
                .at(key)
                .error("a SQLite store takes no such key", "write a postgres:// URL, or remove the key");
        }
    }
    let path = url.strip_prefix("sqlite:").map(|p| p.strip_prefix("//").unwrap_or(p));
    match path.filter(|p| !p.is_empty() && !p.contains(['?', '\0'])) {
        Some(":memory:") => Some(store::Settings::Sqlite { path: PathBuf::from(":memory:") }),
        Some(path) => Some(store::Settings::Sqlite { path: field.cx.base.join(path) }),
        None => {
            field.error(
                "not the address of a store",
                "write \"sqlite:PATH\", \"sqlite::memory:\" or \"postgres://…\"",
            );
            None
        }
    }
}

fn postgres(table: &Table<'_>, url: &str) -> Option<store::Settings> {
    let ca = table.text("ca").map(|path| table.at.cx.base.join(path));
    let settings =
        store::PostgresSettings { url: Secret::new(url), ca, connections: table.count("connections") };
    match settings.check() {
        Ok(()) => Some(store::Settings::Postgres(settings)),
        Err(e) => {
            table.at("url").error(
                e.to_string(),
                "write \"postgres://stagedoor:${DB_PASSWORD}@db.example.org/stagedoor\"",
            );
            None
        }
    }
}

/// `None` also where a problem was noted.
fn redis(table: &Table<'_>) -> Option<shared::Settings> {
    let ca = table.text("ca").map(|path| table.at.cx.base.join(path));
    let timeout = table.duration("timeout");
    let prefix = prefix(table);
    if table.field("url").is_none() {
        if table.has("ca") {
            table.at("ca").error("there is no Redis to reach", "write `url`, or remove the key");
        }
        return None;
    }
    let prefix = prefix?;
    let settings = shared::Settings { url: resolved(table, "url")?, ca, timeout, prefix };
    if let Err(e) = settings.check() {
        table
            .at("url")
            .error(e.to_string(), "write \"rediss://stagedoor:${REDIS_PASSWORD}@redis.example.org\"");
        return None;
    }
    Some(settings)
}

/// It becomes part of keys and channels, which people type and rules for access name.
fn prefix(table: &Table<'_>) -> Option<String> {
    let text = table.text("prefix")?;
    if text.len() > 64 || !text.chars().all(|c| c.is_ascii_alphanumeric() || ":._-".contains(c)) {
        table
            .at("prefix")
            .expected("up to 64 letters, digits and `:._-`", "write for example \"stagedoor:\"");
        return None;
    }
    Some(text)
}

/// What `mail` means; `None` where a problem was noted.
pub(super) struct Mail {
    pub(super) transport: Option<TransportSettings>,
    pub(super) from: Option<String>,
}

pub(super) fn mail(root: &Table<'_>) -> Mail {
    let table = root.sub("mail", &s::MAIL);
    let transport = table.choice("transport");
    for (key, owner) in [("dir", "file"), ("url", "smtp"), ("ca", "smtp"), ("timeout", "smtp")] {
        let needed = key == "dir" || key == "url";
        if table.has(key) && transport != owner {
            table.at(key).error(
                format!("the transport `{transport}` takes no `{key}`"),
                format!("write `transport: {owner}`, or remove the key"),
            );
        } else if needed && !table.has(key) && transport == owner {
            table.at.error(format!("the transport `{owner}` needs the key `{key}`"), s_help(key));
        }
    }
    let transport = match transport {
        "file" => table.text("dir").map(|dir| TransportSettings::File { dir: table.at.cx.base.join(dir) }),
        "smtp" => smtp(&table),
        _ => Some(TransportSettings::Mailbox),
    };
    Mail { transport, from: from(&table) }
}

fn s_help(key: &str) -> &'static str {
    if key == "dir" {
        "write for example `dir: mails`"
    } else {
        "write for example `url: \"smtps://user:${SMTP_PASSWORD}@mail.example.org\"`"
    }
}

fn smtp(table: &Table<'_>) -> Option<TransportSettings> {
    let ca = table.text("ca").map(|path| table.at.cx.base.join(path));
    let timeout = table.duration("timeout");
    let url = resolved(table, "url")?;
    let rest = url.expose().strip_prefix("smtps://").or_else(|| url.expose().strip_prefix("smtp://"));
    if rest.is_none_or(|r| r.is_empty() || r.starts_with('/')) {
        table.at("url").error("not the address of a mail server", "start it with smtps:// or smtp://");
        return None;
    }
    Some(TransportSettings::Smtp(SmtpSettings { url, ca, timeout }))
}

fn from(table: &Table<'_>) -> Option<String> {
    let text = table.text("from")?;
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => &text,
    };
    let fits = address.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !address.contains([' ', '<', '>', ','])
            && !domain.contains('@')
    });
    if !fits {
        table.at("from").expected("a sender", "write for example \"Stagedoor <no-reply@example.org>\"");
        return None;
    }
    Some(text)
}

pub(super) fn token(root: &Table<'_>, public_url: Option<&str>) -> Option<token::Settings> {
    let table = root.sub("token", &s::TOKEN);
    let issuer = issuer(&table, public_url);
    let audience = table.text("audience");
    Some(token::Settings {
        algorithm: table.choice("algorithm").parse().ok()?,
        access_ttl: table.duration("access_ttl"),
        assertion_ttl: table.duration("assertion_ttl"),
        issuer: issuer?,
        audience: audience?,
        leeway: table.duration("leeway"),
        cache_entries: table.count("cache_entries"),
    })
}

/// A key signs for at least this long.
const SHORTEST_KEY_LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

pub(super) fn rotation(root: &Table<'_>) -> token::Rotation {
    let table = root.sub("token", &s::TOKEN);
    let every = Some(table.duration("rotate_every")).filter(|d| !d.is_zero());
    if every.is_some_and(|d| d < SHORTEST_KEY_LIFE) {
        table
            .at("rotate_every")
            .expected("0s, or a duration from 1d", "keys that change more often help nobody");
    }
    token::Rotation { every, publish_before: table.duration("publish_before") }
}

/// `${public_url}` is the one reference that is read here; secrets must not end up in every token.
fn issuer(table: &Table<'_>, public_url: Option<&str>) -> Option<String> {
    let written = table.field("issuer");
    let text = match &written {
        Some(field) => match &field.node.value {
            Value::Text(text) if text.contains("${") => text.clone(),
            _ => field.text()?.to_owned(),
        },
        None => "${public_url}".to_owned(),
    };
    let lookup = |name: &str| (name == "public_url").then(|| public_url.unwrap_or("unknown").to_owned());
    match secrets::expand(&text, &lookup) {
        Ok(issuer) => Some(issuer),
        Err(_) => {
            table
                .at("issuer")
                .error("only `${public_url}` is read here", "write \"${public_url}\" or the issuer itself");
            None
        }
    }
}
