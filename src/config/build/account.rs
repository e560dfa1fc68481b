//! `session`, `password`, `lockout`, `rate_limits`, `registration` and `second_factor`.

use std::time::Duration;

use super::roles::Roles;
use crate::account::{
    Argon2Settings, LockoutSettings, PasswordPolicy, PasswordSettings, RateLimits, RegistrationSettings,
    SecondFactorSettings, SessionSettings,
};
use crate::config::raw::sections as s;
use crate::config::raw::table::Table;
use crate::model::{Email, RoleName};

/// Memory times passes, in KiB: the lowest of the combinations that OWASP calls equal is 7 MiB with 5.
const MIN_ARGON2_WORK_KIB: u64 = 35 * 1024;

/// The numbers of the account system.
pub(super) struct Account {
    pub(super) session: SessionSettings,
    pub(super) password: PasswordSettings,
    pub(super) lockout: LockoutSettings,
    pub(super) rate_limits: RateLimits,
    pub(super) registration: RegistrationSettings,
    pub(super) second_factor: SecondFactorSettings,
    pub(super) deletion_undo: Duration,
}

pub(super) fn read(root: &Table<'_>, roles: &Roles) -> Account {
    Account {
        session: session(&root.sub("session", &s::SESSION)),
        password: password(&root.sub("password", &s::PASSWORD)),
        lockout: lockout(&root.sub("lockout", &s::LOCKOUT)),
        rate_limits: rate_limits(&root.sub("rate_limits", &s::RATE_LIMITS)),
        registration: registration(&root.sub("registration", &s::REGISTRATION)),
        second_factor: second_factor(&root.sub("second_factor", &s::SECOND_FACTOR), roles),
        deletion_undo: root.duration("deletion_undo"),
    }
}

fn session(table: &Table<'_>) -> SessionSettings {
    let settings = SessionSettings {
        idle_timeout: table.duration("idle_timeout"),
        keep_idle_timeout: table.duration("keep_idle_timeout"),
        absolute_timeout: table.duration("absolute_timeout"),
        refresh_reuse_window: table.duration("refresh_reuse_window"),
        max_per_account: table.count("max_per_account"),
    };
    if settings.keep_idle_timeout < settings.idle_timeout {
        table.at("keep_idle_timeout").error(
            "people who ask to stay signed in would be signed out earlier than others",
            "make it at least `session.idle_timeout`",
        );
    }
    if settings.absolute_timeout < settings.keep_idle_timeout {
        table.at("absolute_timeout").error(
            "a session would end before it can be idle for long enough",
            "make it at least `session.keep_idle_timeout`",
        );
    }
    settings
}

fn password(table: &Table<'_>) -> PasswordSettings {
    let nist = table.choice("policy") == "nist";
    let least: u64 = if nist { 15 } else { 8 };
    let min_length = table.number("min_length").unwrap_or(least);
    if min_length < least {
        table.at("min_length").error(
            format!("{min_length} is too short for the policy `nist`"),
            "write at least 15, or leave the key out",
        );
    }
    PasswordSettings {
        policy: if nist { PasswordPolicy::Nist } else { PasswordPolicy::Classes },
        min_length: usize::try_from(min_length).unwrap_or(usize::MAX),
        max_length: table.count("max_length"),
        argon2: argon2(&table.sub("argon2", &s::ARGON2)),
    }
}

fn argon2(table: &Table<'_>) -> Argon2Settings {
    let memory = table.size("memory").unwrap_or_default() / 1024;
    let iterations: u32 = table.count("iterations");
    let parallelism: u32 = table.count("parallelism");
    if memory * u64::from(iterations) < MIN_ARGON2_WORK_KIB {
        table.at("memory").error(
            format!("{memory} KiB with {iterations} pass(es) is too cheap to guess against"),
            "choose for example 19MiB with 2 iterations, 12MiB with 3 or 7MiB with 5",
        );
    }
    Argon2Settings {
        memory_kib: u32::try_from(memory).unwrap_or(u32::MAX),
        iterations,
        parallelism,
        workers: table.number("workers").and_then(|n| usize::try_from(n).ok()),
        queue: table.count("queue"),
        queue_deadline: table.duration("queue_deadline"),
    }
}

fn lockout(table: &Table<'_>) -> LockoutSettings {
    let settings = LockoutSettings {
        failures: table.count("failures"),
        within: table.duration("within"),
        duration: table.duration("duration"),
        max_duration: table.duration("max_duration"),
    };
    if settings.max_duration < settings.duration {
        table
            .at("max_duration")
            .error("the longest lock would be shorter than the first", "make it at least `lockout.duration`");
    }
    settings
}

fn rate_limits(table: &Table<'_>) -> RateLimits {
    RateLimits {
        login: table.quota("login"),
        register: table.quota("register"),
        password_reset: table.quota("password_reset"),
        password_reset_account: table.quota("password_reset_account"),
        otp: table.quota("otp"),
        refresh: table.quota("refresh"),
        resend: table.quota("resend"),
    }
}

fn registration(table: &Table<'_>) -> RegistrationSettings {
    let mut domains = Vec::new();
    for item in table.field("domains").map(|f| f.items()).unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        // What stands behind the @ of an address that we take, in its one spelling.
        match Email::parse(&format!("x@{text}")) {
            Ok(email) if !text.contains('@') => domains.push(email.domain().to_owned()),
            _ => item.expected("a domain", "write it as it stands behind the @, such as example.org"),
        }
    }
    RegistrationSettings { enabled: table.flag("enabled"), domains }
}

fn second_factor(table: &Table<'_>, roles: &Roles) -> SecondFactorSettings {
    let mut required_roles = Vec::new();
    for item in table.field("required_roles").map(|f| f.items()).unwrap_or_default() {
        let Some(name) = item.text() else { continue };
        roles.check(&item, name);
        required_roles.extend(RoleName::parse(name));
    }
    SecondFactorSettings {
        required_roles,
        code_ttl: table.duration("code_ttl"),
        tries: table.count("tries"),
        remember_device: table.duration("remember_device"),
        elevation: table.duration("elevation"),
    }
}
