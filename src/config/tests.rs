//! What is refused, where the report says so, and that what is shipped loads.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw::keys::{Default as KeyDefault, Kind};
use super::raw::sections_policy;
use super::*;
use crate::account::{PasswordPolicy, Registration};
use crate::gate::{AssertionMode, IdentityNames};

const BASE: &str = r#"server:
  public_url: https://events.example.org
secret: "${SECRET}"
roles:
  admin: { permissions: ["*"] }
  user: { permissions: [notes.view], registration: open, default: true }
upstreams:
  app: { servers: ["http://127.0.0.1:3000"] }
routes:
  - { path: /**, upstream: app }
rules:
  - { path: /, allow: public }
  - { path: /admin/**, allow: { role: admin } }
"#;

const GOOD_SECRET: &str = "q9Jd3rV0nTz6mB1xWc8yLk5hGf2sEa7uPi4oR+Nv/Ms=";

fn env(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some(GOOD_SECRET.into()),
        "SAMPLE" => Some("changeme".into()),
        "MAIL_PASSWORD" => Some("hunter2-canary".into()),
        _ => None,
    }
}

fn parse_text(text: &str) -> (Option<Settings>, Report) {
    parse(text, "test.yaml", Path::new("/nowhere"), &env)
}

fn good(text: &str) -> Settings {
    let (settings, report) = parse_text(text);
    assert_eq!(report.problems(), [], "{report}");
    settings.unwrap()
}

/// `BASE` with `more` behind it.
fn with(more: &str) -> String {
    format!("{BASE}{more}")
}

/// The only problem of `text`, as `line:column path: message (help)`.
#[track_caller]
fn only(text: &str) -> String {
    let (settings, report) = parse_text(text);
    assert_eq!(report.problems().len(), 1, "{report}");
    assert!(settings.is_none(), "{report}");
    let p = &report.problems()[0];
    format!("{}:{} {}: {} ({})", p.line, p.column, p.path, p.message, p.help.as_deref().unwrap_or_default())
}

/// Every `(text, start of the only problem, part of it)`.
#[track_caller]
fn refused(cases: &[(String, &str, &str)]) {
    let said: Vec<String> = cases.iter().map(|(text, ..)| only(text)).collect();
    let odd: Vec<_> = cases
        .iter()
        .zip(&said)
        .filter(|((_, start, part), said)| !said.starts_with(start) || !said.contains(part))
        .map(|((_, start, part), said)| format!("{said}\n  wanted {start} … {part}"))
        .collect();
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

fn repository(file: &str) -> PathBuf {
    std::path::absolute(file!()).unwrap().ancestors().nth(3).unwrap().join(file)
}

fn shipped(file: &str) -> (String, Settings) {
    let text = std::fs::read_to_string(repository(file)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (settings, report) = parse(&text, file, dir.path(), &|_| None);
    assert_eq!(report.problems(), [], "{report}");
    (text, settings.unwrap())
}

#[test]
fn the_shipped_configuration_loads_without_a_warning() {
    let (_, settings) = shipped("config.yaml");
    assert_eq!(settings.gate.public_url, "http://localhost:8080");
    assert_eq!(settings.token.issuer, "http://localhost:8080");
    assert_eq!(settings.proxy.upstreams[0].servers[0].port, 3000);
    assert_eq!(settings.account.roles.len(), 3);
    assert_eq!(settings.account.roles[1].registration, Registration::Approval);
    assert_eq!(settings.account.password.argon2.memory_kib, 19 * 1024);
    assert!(settings.rule_tests.len() > 10);
}

#[test]
fn the_examples_load_without_a_warning() {
    for file in ["examples/roles/admin-user.yaml", "examples/roles/admin-manager-employee-auditor.yaml"] {
        shipped(file);
    }
}

#[test]
fn the_shipped_configuration_mentions_every_key() {
    let text = std::fs::read_to_string(repository("config.yaml")).unwrap();
    for (section, key) in key_paths() {
        let said = text.lines().any(|line| {
            line.match_indices(key).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = line[at + key.len()..].chars().next();
                let start = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
                // A key has its colon; in lists of words (tests) a blank or comma will do.
                start && after.is_some_and(|c| ": ,(".contains(c))
            })
        });
        assert!(said, "config.yaml does not mention `{key}` of `{section}`");
    }
}

/// What is commented out in `config.yaml` shows the default; uncommented it changes nothing.
#[test]
fn the_commented_defaults_of_the_shipped_configuration_are_the_defaults() {
    let text = std::fs::read_to_string(repository("config.yaml")).unwrap();
    let mut shown = 0;
    let identity = "upstreams.<name>.identity"; // shows the names of the preset
    let keys = || sections_policy::all().into_iter().filter(|s| s.path != identity).flat_map(|s| s.keys);
    // One name can be a key of several tables: what is shown is the default of one of them.
    let of_another = |name: &str, v: &str| {
        keys().any(|k| k.name == name && matches!(k.default, KeyDefault::Text(d) if d == v))
    };
    for key in keys() {
        let default = match key.default {
            KeyDefault::Text(default) => default,
            KeyDefault::Nothing => "null",
            KeyDefault::Required => continue,
        };
        let prefix = format!("# {}: ", key.name);
        let values: Vec<&str> = text
            .lines()
            .filter_map(|l| l.trim_start().strip_prefix(&prefix))
            .map(|l| l.split(" #").next().unwrap_or_default().trim())
            .collect();
        let shows = values.is_empty()
            || text.contains(&format!(" {}: \"{default}\"", key.name))
            || values.contains(&default)
            || values.iter().all(|v| v.starts_with('{') || of_another(key.name, v));
        assert!(shows, "{}: {values:?} but the default is {default}", key.name);
        shown += usize::from(values.contains(&default));
    }
    assert!(shown > 10, "{shown}");
}

#[test]
fn the_documentation_carries_the_reference_of_the_code() {
    let text = std::fs::read_to_string(repository("docs/configuration.md")).unwrap();
    assert!(text.contains(reference().trim_end()), "put this into docs/configuration.md:\n{}", reference());
}

#[test]
fn every_default_is_a_value_of_its_kind() {
    let settings = good(BASE);
    assert_eq!(settings.proxy.limits.head_bytes, 32 << 10);
    assert_eq!(settings.account.session.keep_idle_timeout, Duration::from_secs(12 * 3600));
    assert_eq!(settings.account.rate_limits.resend.limit, 1);
    assert_eq!(settings.proxy.upstreams[0].identity, IdentityNames::default());
    let store::Settings::Sqlite { path } = &settings.store else { panic!("{:?}", settings.store) };
    assert_eq!(path, std::path::Path::new("/nowhere/stagedoor.db"));
    for key in sections_policy::all().iter().flat_map(|s| s.keys) {
        let (KeyDefault::Text(default), Kind::Choice(words)) = (key.default, key.kind) else { continue };
        assert!(words.contains(&default), "{}", key.name);
    }
}

/// A key that is declared but not read would be ignored in silence (N-02).
#[test]
fn n_02_every_declared_key_is_read() {
    let frames: &[(&str, &str)] = &[
        ("", "KEY"),
        ("server", "server: {KEY}"),
        ("server.limits", "server: {limits: {KEY}}"),
        ("store", "store: {KEY}"),
        ("redis", "redis: {KEY}"),
        ("mail", "mail: {transport: smtp, KEY}"),
        ("token", "token: {KEY}"),
        ("session", "session: {KEY}"),
        ("password", "password: {KEY}"),
        ("password.argon2", "password: {argon2: {KEY}}"),
        ("lockout", "lockout: {KEY}"),
        ("rate_limits", "rate_limits: {KEY}"),
        ("registration", "registration: {KEY}"),
        ("second_factor", "second_factor: {KEY}"),
        ("home_links[]", "home_links: [{KEY}]"),
        ("log", "log: {KEY}"),
        ("roles.<name>", "roles: {r: {KEY}}"),
        ("upstreams.<name>", "upstreams: {u: {KEY}}"),
        ("upstreams.<name>.servers[]", "upstreams: {u: {servers: [{KEY}]}}"),
        ("upstreams.<name>.tls", "upstreams: {u: {servers: [\"https://a:1\"], tls: {KEY}}}"),
        ("upstreams.<name>.timeouts", "upstreams: {u: {timeouts: {KEY}}}"),
        ("upstreams.<name>.identity", "upstreams: {u: {identity: {KEY}}}"),
        ("upstreams.<name>.health", "upstreams: {u: {health: {KEY}}}"),
        ("server.tls", "server: {tls: {KEY}}"),
        ("routes[]", "routes: [{KEY}]"),
        ("requirements.<name>", "requirements: {r: {KEY}}"),
        ("rules[]", "rules: [{KEY}]"),
        ("rules[].tests[]", "rules: [{tests: [{KEY}]}]"),
    ];
    for (section, key) in key_paths() {
        let (_, frame) = frames.iter().find(|(s, _)| *s == section).expect(section);
        let frame = if key == "dir" { frame.replace("smtp", "file") } else { (*frame).to_owned() };
        for bad in ["[[]]", "true", "\"\\u0001\""] {
            let text = frame.replace("KEY", &format!("{key}: {bad}"));
            let (_, report) = parse_text(&text);
            if report.problems().iter().any(|p| p.path.rsplit(['.', ']']).any(|s| s.starts_with(key))) {
                break;
            }
            assert!(bad != "\"\\u0001\"", "{section}: `{key}` takes anything:\n{report}");
        }
    }
}

#[test]
fn n_01_the_text_itself() {
    refused(&[
        (String::new(), "1:1 ", "empty"),
        ("a: [1\nb: 2".into(), "2:", "not the YAML"),
        ("server:\n\tlisten: x".into(), "2:", "not the YAML"),
        (with("rules: []\n"), "14:1 rules: ", "a second time"),
        (BASE.replace("registration: open", "registration: open, registration: open"), "6:", "a second time"),
        (with("---\nserver: {}\n"), "15:1 ", "second YAML document"),
        (with("? [a]\n: 1\n"), "14:3 ", "keys are texts"),
        (with("log: !warn {}\n"), "14:", "tags"),
        ("- a\n".into(), "1:1 ", "a list where a table"),
    ]);
    let big = format!("{BASE}# {}\n", "x".repeat(MAX_BYTES));
    assert!(only(&big).contains("more than 1048576 bytes"));
}

#[test]
fn n_02_unknown_keys_have_a_suggestion() {
    refused(&[
        (with("sesion: {}\n"), "14:1 sesion: ", "did you mean `session`?"),
        (with("log: { level: info, fromat: json }\n"), "14:21 log.fromat: ", "did you mean `format`?"),
        (
            BASE.replace("  public_url", "  grace_perod_seconds: 5\n  public_url"),
            "2:3 server.grace_perod_seconds: ",
            "allowed: ",
        ),
        (
            BASE.replace("allow: public", "alow: x, allow: public"),
            "12:16 rules[0].alow: ",
            "did you mean `allow`?",
        ),
        (
            BASE.replace("allow: public", "shadow: true, allow: public"),
            "12:16 rules[0].shadow: ",
            "--against",
        ),
        (
            BASE.replace("upstream: app", "upstream: app, rewrite: /x"),
            "10:33 routes[0].rewrite: ",
            "cuts whole segments off",
        ),
    ]);
}

#[test]
fn n_01_wrong_types_and_values() {
    refused(&[
        (with("brand: 7\n"), "14:8 brand: ", "quotes"),
        (with("brand: \"a${HOME}\"\n"), "14:8 brand: ", "not read here"),
        (with("log:\n"), "14:5 log: ", "leave the key out"),
        (with("log: info\n"), "14:6 log: ", "a text where a table"),
        (with("log: { level: inof }\n"), "14:15 log.level: ", "did you mean `info`?"),
        (with("session: { idle_timeout: 30 }\n"), "14:26 session.idle_timeout: ", "30s for seconds"),
        (with("session: { idle_timeout: 1s }\n"), "14:26 session.idle_timeout: ", "from 1m to 365d"),
        (with("session: { max_per_account: \"3\" }\n"), "14:29 session.max_per_account: ", "without quotes"),
        (with("session: { max_per_account: 0 }\n"), "14:29 session.max_per_account: ", "from 1 to 1000"),
        (with("password: { argon2: { memory: 19MB } }\n"), "14:31 password.argon2.memory: ", "write 19MiB"),
        (with("rate_limits: { login: 5/m }\n"), "14:23 rate_limits.login: ", "write 5/1m"),
        (with("token: { assertion_ttl: 61s }\n"), "14:25 token.assertion_ttl: ", "to 60s"),
        (with("token: { algorithm: HS256 }\n"), "14:21 token.algorithm: ", "ES256"),
        (with("token: { issuer: \"${SECRET}\" }\n"), "14:18 token.issuer: ", "public_url"),
    ]);
}

#[test]
fn numbers_that_do_not_fit_each_other() {
    refused(&[
        (with("session: { idle_timeout: 13h }\n"), "14:10 session.keep_idle_timeout: ", "earlier"),
        (
            with("session: { absolute_timeout: 1h }\n"),
            "14:30 session.absolute_timeout: ",
            "keep_idle_timeout",
        ),
        (with("lockout: { max_duration: 1m }\n"), "14:26 lockout.max_duration: ", "lockout.duration"),
        (with("password: { policy: nist, min_length: 8 }\n"), "14:39 password.min_length: ", "15"),
        (with("password: { argon2: { memory: 7MiB } }\n"), "14:31 password.argon2.memory: ", "too cheap"),
        (
            with("password: { argon2: { memory: 1MiB, iterations: 50 } }\n"),
            "14:31 password.argon2.memory: ",
            "from 7MiB",
        ),
    ]);
    let nist = good(&with("password: { policy: nist }\n")).account.password;
    assert_eq!((nist.policy, nist.min_length), (PasswordPolicy::Nist, 15));
}

#[test]
fn addresses() {
    let url = |to: &str| BASE.replace("https://events.example.org", to);
    let server = |line: &str| BASE.replace("  public_url", &format!("  {line}\n  public_url"));
    refused(&[
        (url("http://events.example.org"), "2:15 server.public_url: ", "write https://events.example.org"),
        (url("http://localhost.evil.org"), "2:15 server.public_url: ", "plain http"),
        (url("https://a.org/path"), "2:15 server.public_url: ", "without a path"),
        (url("https://me@a.org"), "2:15 server.public_url: ", "scheme, host"),
        (url("ftp://a.org"), "2:15 server.public_url: ", "scheme, host"),
        (server("listen: localhost:80"), "2:11 server.listen: ", "write 127.0.0.1:80"),
        (server("admin_listen: 127.0.0.1:8080"), "2:17 server.admin_listen: ", "also `server.listen`"),
        (server("auth_prefix: auth/"), "2:16 server.auth_prefix: ", "write /auth"),
        (server("trusted_proxies: [10.0.0.1/8]"), "2:21 server.trusted_proxies[0]: ", "write 10.0.0.0/8"),
        (server("proxy_protocol: true"), "2:19 server.proxy_protocol: ", "in `server.trusted_proxies`"),
        (server("forwarded: both"), "2:14 server.forwarded: ", "x-forwarded, forwarded"),
        (server("trusted_proxies: [0.0.0.0/0]"), "2:20 server.trusted_proxies: ", "whole Internet"),
        (
            BASE.replace("  public_url: https://events.example.org", "  threads: 2"),
            "2:3 server: ",
            "`public_url` is missing",
        ),
    ]);
    for (said, meant) in [
        ("http://LOCALHOST:80/", "http://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://A.org:443", "https://a.org"),
    ] {
        assert_eq!(good(&url(said)).gate.public_url, meant);
    }
    let (settings, report) = parse_text(&server("admin_listen: 0.0.0.0:9090"));
    assert!(settings.is_some() && report.warnings().count() == 1, "{report}");
}

#[test]
fn n_04_weak_secrets_are_refused_and_never_shown() {
    let secret = |value: &str| BASE.replace("${SECRET}", value);
    refused(&[
        (secret("changeme"), "3:9 secret: ", "a sample"),
        (secret(GOOD_SECRET), "3:9 secret: ", "not written into the configuration"),
        (secret("${SAMPLE}"), "3:9 secret: ", "a sample"),
        (secret("${MISSING}"), "3:9 secret: ", "`${MISSING}` is not set"),
        (secret("${MAIL_PASSWORD}"), "3:9 secret: ", "bytes of key material"),
    ]);
    for value in ["changeme", GOOD_SECRET, "${SAMPLE}", "${MAIL_PASSWORD}"] {
        let said = only(&secret(value));
        assert!(
            !said.contains(GOOD_SECRET) && !said.contains("hunter2") && !said.contains("changeme"),
            "{said}"
        );
    }
    let debug = format!("{:?}", good(BASE));
    assert!(!debug.contains(GOOD_SECRET));
}

#[test]
fn n_12_an_open_secret_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = BASE.replace("${SECRET}", "file:key");
    let read = || parse(&text, "test.yaml", dir.path(), &env);
    assert!(read().0.is_some(), "a missing file is made at the first start");
    std::fs::write(dir.path().join("key"), GOOD_SECRET).unwrap();
    let mode =
        |m| std::fs::set_permissions(dir.path().join("key"), std::fs::Permissions::from_mode(m)).unwrap();
    mode(0o644);
    let (settings, report) = read();
    assert!(settings.is_none());
    assert!(
        report.to_string().contains("chmod 600") && !report.to_string().contains(GOOD_SECRET),
        "{report}"
    );
    mode(0o600);
    assert_eq!(read().0.unwrap().secret.load().unwrap().expose(), GOOD_SECRET);
}

#[test]
fn stores_and_mail() {
    refused(&[
        (with("store: { url: \"postgres://me:hunter2@db:x/x\" }\n"), "14:15 store.url: ", "cannot be read"),
        (with("store: { url: \"postgres://me@db/x\", ca: none.pem }\n"), "14:15 store.url: ", "none.pem"),
        (with("store: { connections: 5 }\n"), "14:23 store.connections: ", "postgres://"),
        (with("store: { url: \"mysql:x\" }\n"), "14:15 store.url: ", "sqlite:PATH"),
        (with("redis: { url: \"http://:hunter2@r\" }\n"), "14:15 redis.url: ", "the scheme is redis"),
        (with("redis: { url: \"rediss://r\", ca: none.pem }\n"), "14:15 redis.url: ", "none.pem"),
        (with("redis: { ca: none.pem }\n"), "14:14 redis.ca: ", "no Redis"),
        (with("redis: { url: \"redis://r\", timeout: 2s }\n"), "14:37 redis.timeout: ", "1s"),
        (with("redis: { url: \"redis://r\", prefix: \"a b\" }\n"), "14:36 redis.prefix: ", "letters"),
        (with("mail: { transport: file }\n"), "14:7 mail: ", "needs the key `dir`"),
        (with("mail: { dir: x }\n"), "14:14 mail.dir: ", "transport: file"),
        (with("mail: { ca: x.pem }\n"), "14:13 mail.ca: ", "transport: smtp"),
        (with("mail: { transport: smtp, url: \"mail.org\" }\n"), "14:31 mail.url: ", "smtps://"),
        (with("mail: { transport: smtp, url: \"smtp://${NONE}@h\" }\n"), "14:31 mail.url: ", "${NONE}"),
        (with("mail: { from: nobody }\n"), "14:15 mail.from: ", "no-reply@example.org"),
    ]);
    assert!(!only(&with("store: { url: \"postgres://me:hunter2@db:x/x\" }\n")).contains("hunter2"));
    assert!(!only(&with("redis: { url: \"redis://:hunter2/@r\" }\n")).contains("hunter2"));
    let redis = good(&with("redis: { url: \"redis://:${MAIL_PASSWORD}@r\" }\n")).redis.unwrap();
    assert_eq!(redis.url.expose(), "redis://:hunter2-canary@r");
    assert_eq!((redis.timeout.as_millis(), redis.prefix.as_str()), (50, "stagedoor:"));
    assert!(!format!("{redis:?}").contains("hunter2"));
    assert!(good(&with("redis: { url: null }\n")).redis.is_none());
    let mail = good(&with("mail: { transport: smtp, url: \"smtps://u:${MAIL_PASSWORD}@h\" }\n")).mail;
    let mail::TransportSettings::Smtp(server) = &mail.transport else { panic!("{mail:?}") };
    assert_eq!((server.url.expose(), server.timeout.as_secs()), ("smtps://u:hunter2-canary@h", 15));
    let with_ca =
        good(&with("mail: { transport: smtp, url: \"smtps://h\", ca: my.pem, timeout: 3s }\n")).mail;
    let mail::TransportSettings::Smtp(server) = &with_ca.transport else { panic!("{with_ca:?}") };
    assert!(server.ca.as_ref().is_some_and(|p| p.ends_with("my.pem")) && server.timeout.as_secs() == 3);
    assert!(!format!("{mail:?}").contains("hunter2"));
    let store = good(&with("redis: { url: null }\nstore: { url: \"sqlite::memory:\" }\n")).store;
    assert!(matches!(&store, store::Settings::Sqlite { path } if path.as_os_str() == ":memory:"));
    let ours = "store: { url: \"postgres://me:${MAIL_PASSWORD}@db/x\", connections: 5 }\n";
    let store = good(&with(ours)).store;
    let store::Settings::Postgres(server) = &store else { panic!("{store:?}") };
    assert_eq!((server.url.expose(), server.connections), ("postgres://me:hunter2-canary@db/x", 5));
    assert!(!format!("{store:?}").contains("hunter2"));
    assert!(store != good(&with(&ours.replace("${MAIL_PASSWORD}", "other"))).store, "a restart is asked for");
}

#[test]
fn roles() {
    let user = |to: &str| BASE.replace("registration: open, default: true", to);
    refused(&[
        (
            BASE.replace("[\"*\"] }", "[\"*\"], registration: open }"),
            "5:46 roles.admin.registration: ",
            "every permission",
        ),
        (user("registration: open"), "5:3 roles: ", "no role is the default"),
        (user("registration: approval, default: true"), "6:", "is not open"),
        (
            user("registration: open, default: true }\n  more: { registration: open, default: true"),
            "7:",
            "second default",
        ),
        (
            user("registration: opne, default: true").replace("default: true", ""),
            "6:",
            "did you mean `open`?",
        ),
        (BASE.replace("notes.view", "Notes"), "6:25 roles.user.permissions[0]: ", "lower-case"),
        (BASE.replace("  user:", "  User:"), "6:9 roles.User: ", "lower-case letter"),
        (
            with("home_links: [{ title: A, href: /a, roles: [usr] }]\n"),
            "14:44 home_links[0].roles[0]: ",
            "did you mean `user`?",
        ),
        (
            with("home_links: [{ title: A, href: \"//evil.org\" }]\n"),
            "14:32 home_links[0].href: ",
            "this origin",
        ),
    ]);
    good(&user("registration: closed"));
}

#[test]
fn an_upstream_without_servers_is_another_proxys() {
    let base = BASE.replace("[\"http://127.0.0.1:3000\"]", "[]");
    let trusting = base.replace("server:\n", "server:\n  trusted_proxies: [10.0.0.4]\n");
    assert!(good(&trusting).proxy.upstreams[0].servers.is_empty());
    let watched = trusting.replace("servers: []", "servers: [], health: { path: /healthz }");
    assert!(only(&watched).contains("no server to ask"));
}

#[test]
fn upstreams_and_routes() {
    let app = |more: &str| BASE.replace("3000\"]", &format!("3000\"], {more}"));
    refused(&[
        (BASE.replace("upstream: app", "upstream: ap"), "10:28 routes[0].upstream: ", "did you mean `app`?"),
        (BASE.replace("  - { path: /**, upstream: app }", "  []"), "10:3 routes: ", "no route"),
        (BASE.replace("[\"http://127.0.0.1:3000\"]", "[]"), "8:19 upstreams.app.servers: ", "no server"),
        (BASE.replace(":3000", ":3000/x"), "8:20 upstreams.app.servers[0]: ", "without a path"),
        (BASE.replace(":3000", ":8080"), "8:20 upstreams.app.servers[0]: ", "circles"),
        (app("assertion: never"), "8:", "session"),
        (app("identity: remot"), "8:", "did you mean `remote`?"),
        (app("identity: { user_id: x_user }"), "8:", "letters, digits and `-`"),
        (app("identity: { user_id: authorization }"), "8:", "another meaning"),
        (app("identity: { user_id: x-auth-email }"), "8:", "also the name for"),
        (app("health: { interval: 5s }"), "8:", "`path` is missing"),
    ]);
    let (settings, report) =
        parse_text(&BASE.replace("routes:", "  old: { servers: [\"http://old:1\"] }\nroutes:"));
    assert!(settings.is_some() && report.to_string().contains("no route leads to"), "{report}");
    let upstream =
        &good(&app("identity: { preset: remote, roles: X-Roles }, assertion: off")).proxy.upstreams[0];
    assert_eq!(
        (upstream.identity.user_id.as_str(), upstream.identity.roles.as_str()),
        ("remote-user", "x-roles")
    );
    assert_eq!(upstream.assertion, AssertionMode::Off);
    let v6 =
        good(&BASE.replace("http://127.0.0.1:3000", "https://[::1]")).proxy.upstreams[0].servers[0].clone();
    assert_eq!((v6.host.as_str(), v6.port, v6.tls), ("::1", 443, true));
}

#[test]
fn rules() {
    let allow = |to: &str| BASE.replace("{ role: admin }", to);
    refused(&[
        (allow("{ role: amin }"), "13:39 rules[1].allow.role: ", "admin"),
        (allow("{ any_role: [admin, usr] }"), "13:51 rules[1].allow.any_role[1]: ", "usr"),
        (allow("{ any_role: [] }"), "13:43 rules[1].allow.any_role: ", "empty list"),
        (allow("{ rol: admin }"), "13:33 rules[1].allow.rol: ", "did you mean `role`?"),
        (allow("{ role: admin, mfa: true }"), "13:31 rules[1].allow: ", "all_of: ["),
        (allow("{}"), "13:31 rules[1].allow: ", "exactly one key"),
        (allow("{ mfa: false }"), "13:38 rules[1].allow.mfa: ", "not: { mfa: true }"),
        (allow("{ max_age: 10 }"), "13:42 rules[1].allow.max_age: ", "10m"),
        (allow("{ network: [10.0.0.0/33] }"), "13:43 rules[1].allow.network[0]: ", "address range"),
        (allow("{ any_of: [] }"), "13:41 rules[1].allow.any_of: ", "without parts"),
        (allow("{ not: }"), "13:", "nothing is not"),
        (allow("staff"), "13:31 rules[1].allow: ", "staff"),
        (allow("[admin]"), "13:31 rules[1].allow: ", "a requirement"),
        (allow("{ owner: user }"), "13:31 rules[1].allow: ", "user"),
        (BASE.replace("{ path: /, allow", "{ path: x, allow"), "12:13 rules[0].path: ", "start"),
        (BASE.replace("path: /admin/**", "path: []"), "13:13 rules[1].path: ", "not a text"),
        (BASE.replace("path: /admin/**, ", ""), "13:5 rules[1]: ", "`path` is missing"),
        (
            BASE.replace(", allow: public", ", methods: [], allow: public"),
            "12:25 rules[0].methods: ",
            "empty list",
        ),
        (with("  - { path: /, allow: deny }\n"), "14:5 rules[2]: ", "rules[0]"),
        (
            BASE.split("  - { path: /, allow").next().unwrap().replace("rules:", "rules: []"),
            "11:8 rules: ",
            "no rule",
        ),
    ]);
    let lost = BASE.replace("path: /admin/**, ", "").replace("{ role: admin }", "{ owner: user }");
    assert!(only(&lost).contains("`path` is missing"));
    let deep = format!("{}public{}", "{ not: ".repeat(20), " }".repeat(20));
    assert!(only(&allow(&deep)).contains("too deep"));
}

#[test]
fn many_problems_are_reported_at_once_and_in_order() {
    let text = "server:\n  listen: here\n  public_url: http://x.org\n  colour: red\nsecret: changeme\n\
                roles:\n  a: { permissions: [\"*\"], registration: open }\nupstreams:\n  u: { servers: [x] }\n\
                routes:\n  - { path: /**, upstream: v }\nrules:\n  - { path: /, allow: { role: b } }\n  - { allow: { mfa: 1 } }\n\
                token: { algorithm: none }\ntoken: {}\n";
    let (settings, report) = parse_text(text);
    assert!(settings.is_none());
    let places: Vec<(usize, &str)> = report.errors().map(|p| (p.line, p.path.as_str())).collect();
    assert_eq!(
        places,
        [
            (2, "server.listen"),
            (3, "server.public_url"),
            (4, "server.colour"),
            (5, "secret"),
            (7, "roles"),
            (7, "roles.a.registration"),
            (9, "upstreams.u.servers[0]"),
            (11, "routes[0].upstream"),
            (13, "rules[0].allow.role"),
            (14, "rules[1]"),
            (14, "rules[1].allow.mfa"),
            (15, "token.algorithm"),
            (16, "token"),
        ],
        "{report}"
    );
    let shown = report.to_string();
    assert!(
        shown.starts_with("test.yaml:2:11: error: server.listen: \"here\" is not an IP address"),
        "{shown}"
    );
    assert!(shown.contains("\n    help: "), "{shown}");
}

#[test]
fn files_that_cannot_be_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.yaml");
    assert!(load(&path).unwrap_err().to_string().contains("cannot be read"));
    std::fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
    let report = load(&path).unwrap_err();
    assert_eq!(
        (report.problems()[0].line, report.problems()[0].message.as_str()),
        (2, "the file is not UTF-8 text")
    );
    std::fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("more than"));
}

proptest::proptest! {
    /// Whatever is changed in the shipped file: no panic, and settings exactly when there is no error.
    #[test]
    fn changed_files_load_or_are_refused(at in 0usize..6000, drop in 0usize..12, put in "[-a-z:{}\\[\\]\"'#&*!,$0 \n]{0,4}") {
        let mut text = std::fs::read_to_string(repository("config.yaml")).unwrap();
        let floor = |mut i: usize| { while !text.is_char_boundary(i) { i -= 1; } i };
        let start = floor(at.min(text.len()));
        let end = floor((at + drop).min(text.len())).max(start);
        text.replace_range(start..end, &put);
        let (settings, report) = parse_text(&text);
        proptest::prop_assert_eq!(settings.is_none(), report.has_errors(), "{}", report);
    }
}

#[test]
fn upstreams_in_depth() {
    use crate::proxy::{Balance, Protocol};
    let upstream = |written: &str| BASE.replace("servers: [\"http://127.0.0.1:3000\"]", written);
    let all = "servers: [\"https://a:1\"], balance: user_hash, protocol: auto, max_in_flight: 7, resolve_every: 5s, \
               tls: { ca: my.pem, server_name: b.example }";
    let read = &good(&upstream(all)).proxy.upstreams[0];
    assert_eq!((read.balance, read.protocol), (Balance::UserHash, Protocol::Auto));
    assert_eq!((read.max_in_flight, read.resolve_every.as_secs()), (7, 5));
    assert_eq!(read.tls.ca.as_deref(), Some(Path::new("/nowhere/my.pem")));
    assert_eq!(read.tls.server_name.as_deref(), Some("b.example"));
    let weighted = "servers: [{ url: \"http://a:1\", weight: 3 }, \"http://b:1\"]";
    let read = &good(&upstream(weighted)).proxy.upstreams[0];
    assert_eq!(read.servers.iter().map(|s| s.weight).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(
        (read.balance, read.protocol, read.max_in_flight),
        (Balance::RoundRobin, Protocol::Http1, 10_000)
    );
    for (written, path, part) in [
        ("servers: [\"http://a:1\"], tls: { ca: x }", "upstreams.app.tls: ", "https://"),
        (
            "servers: [\"https://a:1\"], tls: { server_name: \"a b\" }",
            "upstreams.app.tls.server_name: ",
            "host name",
        ),
        ("servers: [{ url: \"a:1\" }]", "upstreams.app.servers[0].url: ", "http://HOST:PORT"),
        ("servers: [{ url: \"http://a:1\", weight: 0 }]", "upstreams.app.servers[0].weight: ", "1 to 100"),
        ("servers: [{ weight: 2 }]", "upstreams.app.servers[0]: ", "`url` is missing"),
        (
            "servers: [\"http://a:1\", { url: \"http://a:1\", weight: 2 }]",
            "upstreams.app.servers[1]: ",
            "already",
        ),
        ("servers: [\"http://a:1\"], balance: leest", "upstreams.app.balance: ", "least_requests"),
        ("servers: [\"http://a:1\"], max_in_flight: 0", "upstreams.app.max_in_flight: ", "from 1"),
    ] {
        let said = only(&upstream(written));
        assert!(said.contains(path) && said.contains(part), "{said}");
    }
}
