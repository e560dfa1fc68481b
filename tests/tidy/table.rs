//! Who may import whom, and where crates from outside live. Everything not named here is refused.

/// A part and those it may import. `"part: Name Other"` allows only these names of it. What has no row or entry
/// here is banned; so `web` sees no `store`, and `gate` and `proxy` see neither `store` nor `account`.
pub const PARTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    // Counters only; everyone but model and policy may count, and it knows nobody.
    ("metrics", &[]),
    ("policy", &["model"]),
    ("token", &["model", "metrics"]),
    // What nodes share: connections to Redis and nothing about what they are used for.
    ("shared", &["model", "metrics"]),
    ("limiter", &["model", "metrics", "shared: Redis Script jitter"]),
    ("store", &["model", "metrics"]),
    ("mail", &["model", "store", "metrics"]),
    ("account", &["model", "store", "token", "limiter", "mail", "metrics"]),
    ("gate", &["model", "policy", "token", "limiter", "metrics"]),
    // The layer checks the gateway's assertions and tokens itself; it mints nothing and opens no vault. `require` asks
    // the policy about one requirement.
    (
        "tower_layer",
        &[
            "gate",
            "model",
            "policy: Ask Caller Outcome Policy PolicySource Problems RequirementSource RoleSet RuleSource",
            "token: AssertionClaims AssertionVerifier JwksError Rejection RequestBinding Revocations Verifier",
        ],
    ),
    // Stands in for a gateway in the tests of services, so it mints.
    ("test_kit", &["gate", "model", "token", "tower_layer"]),
    ("proxy", &["gate", "model", "metrics"]),
    // Of policy only what explains a decision, of token only what publishes keys.
    ("web", &["account", "gate", "model", EXPLAIN, "token: KeyRing", "metrics"]),
    ("jobs", &["store", "token", "mail", "limiter", "account", "model", "metrics"]),
    ("config", CONFIG),
    ("app", ALL),
    // `check` runs the tests of the rules, so it asks the policy as the gate does; `user` and `demo` make accounts.
    (
        "cli",
        &[
            "app",
            "config",
            "model",
            EXPLAIN,
            "policy: Ask Caller Outcome Policy WhenUnknown",
            "account: Accounts CreateUser Error",
        ],
    ),
    // Command line in, exit code out.
    ("main", &["cli"]),
];

/// The part of policy that tells people why.
const EXPLAIN: &str =
    "policy: Candidate Described Explanation Ingredient Question State Verdict WhenUnknown explain";

/// Of every part its settings and the types they are made of; of policy the compiler and what it takes.
const CONFIG: &[&str] = &[
    "model",
    "policy: Policy PolicySource Problem RequirementSource RoleSource RouteSource RuleSource Severity WhenUnknown closest compile",
    "account: Argon2Settings LockoutSettings PasswordPolicy PasswordSettings RateLimits Registration RegistrationSettings \
     RoleRegistration SecondFactorSettings SessionSettings Settings",
    "gate: AssertionMode IdentityNames Settings",
    "limiter: Quota Settings",
    "mail: Settings SmtpSettings TransportSettings",
    "proxy: Balance ForwardedFamily Health Limits Protocol Server Settings TlsListener Upstream UpstreamTls",
    "shared: Settings",
    "store: PostgresSettings Settings",
    "token: Algorithm Rotation Settings",
    "web: HomeLink Settings",
];

/// The composition root puts everything together; only `cli` is above it.
const ALL: &[&str] = &[
    "model",
    "metrics",
    "policy",
    "token",
    "limiter",
    "shared",
    "store",
    "mail",
    "account",
    "gate",
    "tower_layer",
    "proxy",
    "web",
    "jobs",
    "config",
];

/// Crates from outside and the places (starts of paths) where they may be used.
pub const HOMES: &[(&str, &[&str])] = &[
    ("serde_yaml", &["src/config/"]),
    ("yaml_serde", &["src/config/"]),
    ("jsonwebtoken", &["src/token/"]),
    ("argon2", &["src/account/password"]),
    ("lettre", &["src/mail/"]),
    ("redis", &["src/shared/"]),
    ("rusqlite", &["src/store/engine/sqlite"]),
    ("tokio_postgres", &["src/store/engine/postgres"]),
    ("tokio_postgres_rustls", &["src/store/engine/postgres"]),
    ("deadpool_postgres", &["src/store/engine/postgres"]),
    ("refinery", &["src/store/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("prometheus", &["src/metrics/"]),
    ("pingora", &["src/proxy/", "src/app/"]),
    ("h2", &["src/proxy/http2"]),
    ("rustix", &["src/app/room.rs", "src/app/hand_over/", "src/account/password"]),
    ("x509_parser", &["src/proxy/tls"]),
    ("axum", &["src/web/", "src/app/", "src/tower_layer/extract.rs"]),
    ("askama", &["src/web/", "src/mail/"]),
    ("mimalloc", &["src/main.rs"]),
];

/// Parts that must not know a crate wherever else it may live.
pub const BANS: &[(&str, &[&str])] = &[
    ("model", &["tokio", "axum", "pingora", "rusqlite", "tokio_postgres", "serde_yaml", "yaml_serde"]),
    ("policy", &["tokio", "axum", "pingora", "rusqlite", "tokio_postgres", "serde_yaml", "yaml_serde"]),
    // If it needs a status code, it is in the wrong file.
    (
        "account",
        &["http", "axum", "pingora", "rusqlite", "tokio_postgres", "redis", "lettre", "hyper", "tower_http"],
    ),
];

/// What a row says about one other part.
pub struct Edge {
    /// Whom.
    pub part: &'static str,
    /// Which names; `None`: all.
    only: Option<Vec<&'static str>>,
}

impl Edge {
    /// Whether it covers this name of the other part; the part itself (`use crate::part;`) is covered by any.
    pub fn covers(&self, part: &str, name: Option<&str>) -> bool {
        self.part == part
            && name.is_none_or(|name| self.only.as_ref().is_none_or(|only| only.contains(&name)))
    }
}

/// What a part may import.
pub fn edges(part: &str) -> Vec<Edge> {
    let row = PARTS.iter().find(|(p, _)| *p == part).map_or(&[][..], |(_, row)| row);
    let edge = |entry: &&'static str| match entry.split_once(':') {
        Some((part, names)) => Edge { part, only: Some(names.split_whitespace().collect()) },
        None => Edge { part: entry, only: None },
    };
    row.iter().map(edge).collect()
}
