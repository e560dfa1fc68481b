//! What was written -> what it means: one file for each group of settings. Every reader notes its problems
//! and goes on; whether the result counts is decided at the end.

#[cfg(feature = "gateway")]
mod account;
pub(super) mod policy;
#[cfg(feature = "gateway")]
mod roles;
#[cfg(feature = "gateway")]
mod server;
#[cfg(feature = "gateway")]
mod services;
#[cfg(feature = "gateway")]
mod tests_of_rules;
#[cfg(feature = "gateway")]
mod upstreams;

#[cfg(feature = "gateway")]
use std::sync::Arc;

#[cfg(feature = "gateway")]
use super::raw::sections as s;
#[cfg(feature = "gateway")]
use super::raw::table::{Context, Field};
#[cfg(feature = "gateway")]
use super::raw::tree::Node;
#[cfg(feature = "gateway")]
use super::{LogSettings, Settings};
#[cfg(feature = "gateway")]
use crate::policy::Policy;
#[cfg(feature = "gateway")]
use crate::{account as account_part, gate, mail, proxy, web};

#[cfg(feature = "gateway")]
pub use tests_of_rules::{Actor, RuleTest};

/// The settings, if there was enough to build them from; `cx` holds all problems, errors among them.
#[cfg(feature = "gateway")]
pub(super) fn settings(cx: &Context<'_>, root: &Node) -> Option<Settings> {
    let root_field = Field { cx, node: root, path: String::new() };
    let root = root_field.table(&s::ROOT)?;
    let server = server::read(&root);
    let roles = roles::read(&root);
    let upstreams = upstreams::read(&root, &server);
    let (secret, store, redis) = services::secret_and_stores(&root);
    let mail = services::mail(&root);
    let token = services::token(&root, server.public_url.as_deref());
    let rotation = services::rotation(&root);
    let account = account::read(&root, &roles);
    let brand = root.text("brand").unwrap_or_default();
    let home_links = roles::home_links(&root, &roles);
    let log = root.sub("log", &s::LOG);
    let log = LogSettings { level: log.choice("level").to_owned(), json: log.choice("format") == "json" };
    let source = policy::source(&root, &roles.sources);
    let rule_tests = tests_of_rules::read(&root, &roles);
    let compiled = policy::compile(&root, &source);

    let public_url = server.public_url.clone()?;
    let auth_prefix = server.auth_prefix.clone()?;
    Some(Settings {
        proxy: proxy::Settings {
            listen: server.listen?,
            tls: server.tls,
            admin_listen: server.admin_listen?,
            trusted_proxies: server.trusted_proxies,
            forwarded: server.forwarded,
            proxy_protocol: server.proxy_protocol,
            limits: server.limits,
            upstreams,
            threads: server.threads,
            h2c: server.h2c,
            drain_delay: server.drain_delay,
            grace: server.grace,
            upgrade_socket: server.upgrade_socket,
        },
        gate: gate::Settings { public_url: public_url.clone(), auth_prefix: auth_prefix.clone() },
        web: web::Settings {
            public_url: public_url.clone(),
            auth_prefix: auth_prefix.clone(),
            brand: brand.clone(),
            home_links,
        },
        store: store?,
        redis,
        mail: mail::Settings { transport: mail.transport?, from: mail.from?, brand },
        token: token?,
        rotation,
        account: account_part::Settings {
            public_url,
            auth_prefix,
            roles: roles.registrations,
            session: account.session,
            password: account.password,
            lockout: account.lockout,
            rate_limits: account.rate_limits,
            registration: account.registration,
            second_factor: account.second_factor,
            deletion_undo: account.deletion_undo,
        },
        policy: compiled.map(Arc::<Policy>::new)?,
        policy_source: source,
        rule_tests,
        secret: secret?,
        log,
    })
}
