//! The keys of roles, upstreams, routes and rules, and the words of the requirement language.

use super::keys::Default::{Nothing, Required, Text};
use super::keys::Kind::{
    Choice, Duration, Flag, Number, Section as Sub, Size, Special, Text as Words, Texts,
};
use super::keys::{Key, Section, key};

pub(in crate::config) static ROLE: Section = Section {
    path: "roles.<name>",
    doc: "A role. Exactly one open role is the default, unless every role is closed.",
    keys: &[
        key("permissions", Texts, Text("[]"), "What the role grants: `events.view`, `events.*` or `*`."),
        key(
            "registration",
            Choice(&["open", "approval", "closed"]),
            Text("closed"),
            "`open`: anyone may pick it. `approval`: anyone may ask. `closed`: only an admin gives it. A role with `*` is never open.",
        ),
        key("default", Flag, Text("false"), "Whether a person who picks nothing gets it."),
    ],
};

pub(in crate::config) static UPSTREAM: Section = Section {
    path: "upstreams.<name>",
    doc: "An application. The name is the audience of its assertions.",
    keys: &[
        key(
            "servers",
            Special("a list of addresses, or of tables with `url` and `weight`"),
            Required,
            "Its servers: `http://HOST:PORT` or `https://HOST:PORT`. All addresses of a name are servers. `[]`: a proxy of `server.trusted_proxies` reaches it and asks here first (docs/forward-auth.md).",
        ),
        key(
            "balance",
            Choice(&["round_robin", "least_requests", "user_hash"]),
            Text("round_robin"),
            "Which server gets a request. `least_requests`: the one with the fewest under way. `user_hash`: the same one for the same person, or the same client address where nobody is signed in.",
        ),
        key(
            "protocol",
            Choice(&["http1", "http2", "auto"]),
            Text("http1"),
            "`http2` (gRPC needs it): HTTP/2 only, without TLS by prior knowledge. `auto`: with TLS what the server prefers, without TLS HTTP/1.1. WebSockets always go by HTTP/1.1.",
        ),
        key(
            "tls",
            Sub,
            Text("{}"),
            "How the certificates of `https://` servers are checked. They always are.",
        ),
        key(
            "max_in_flight",
            Number(1, 1_000_000),
            Text("10000"),
            "Requests under way at most, open WebSockets included; one more gets 503 `upstream_busy` at once.",
        ),
        key(
            "resolve_every",
            Duration("1s", "1h"),
            Text("30s"),
            "How often names of servers are resolved again. What was good last is kept while that fails.",
        ),
        key("timeouts", Sub, Text("{}"), "How long to wait for it."),
        key(
            "identity",
            Special("a preset (stagedoor, remote, x-forwarded, x-auth-request) or a table of header names"),
            Text("stagedoor"),
            "Under which header names identity is passed on.",
        ),
        key(
            "assertion",
            Choice(&["session", "request", "off"]),
            Text("session"),
            "`session`: one signed assertion for each session, used again while fresh. `request`: one for each request, bound to method, host and path. `off`: none.",
        ),
        key("health", Sub, Nothing, "An active health check; null: none."),
    ],
};

pub(in crate::config) static SERVER_OF: Section = Section {
    path: "upstreams.<name>.servers[]",
    doc: "A server with a share of its own; the address alone is the short form.",
    keys: &[
        key("url", Words, Required, "`http://HOST:PORT` or `https://HOST:PORT`."),
        key("weight", Number(1, 100), Text("1"), "Its share of the requests, compared to the other servers."),
    ],
};

pub(in crate::config) static UPSTREAM_TLS: Section = Section {
    path: "upstreams.<name>.tls",
    doc: "How the certificates of `https://` servers are checked.",
    keys: &[
        key(
            "ca",
            Words,
            Nothing,
            "A PEM file with the only authorities to trust, relative to the folder of this file; null: those of the system.",
        ),
        key(
            "server_name",
            Words,
            Nothing,
            "The name that the certificate must carry; null: the host of the server.",
        ),
    ],
};

pub(in crate::config) static TIMEOUTS: Section = Section {
    path: "upstreams.<name>.timeouts",
    doc: "How long to wait for the upstream.",
    keys: &[
        key("connect", Duration("10ms", "5m"), Text("3s"), "Time to connect."),
        key("read", Duration("10ms", "24h"), Text("60s"), "Time to wait for the next bytes of an answer."),
        key("write", Duration("10ms", "24h"), Text("30s"), "Time to wait for the upstream to take bytes."),
        key("idle", Duration("1s", "1h"), Text("90s"), "How long an unused connection is kept."),
    ],
};

pub(in crate::config) static IDENTITY: Section = Section {
    path: "upstreams.<name>.identity",
    doc: "Header names, each replacing the one of the preset. Clients can never send them.",
    keys: &[
        key("preset", Choice(PRESETS), Text("stagedoor"), "Where the names that are not given come from."),
        key("user_id", Words, Nothing, "The account id."),
        key("email", Words, Nothing, "The address."),
        key("name", Words, Nothing, "The display name, percent-encoded UTF-8."),
        key("roles", Words, Nothing, "Comma list."),
        key("permissions", Words, Nothing, "Comma list."),
        key("session", Words, Nothing, "The session id."),
        key("amr", Words, Nothing, "How the person signed in; comma list."),
        key("auth_time", Words, Nothing, "When; seconds since 1970."),
        key("assertion", Words, Nothing, "The signed assertion."),
    ],
};

/// The sets of header names that have a name.
pub(in crate::config) const PRESETS: &[&str] = &["stagedoor", "remote", "x-forwarded", "x-auth-request"];

pub(in crate::config) static HEALTH: Section = Section {
    path: "upstreams.<name>.health",
    doc: "An active health check.",
    keys: &[
        key("path", Words, Required, "The path to GET; 200 means well."),
        key("interval", Duration("1s", "1h"), Text("5s"), "How often."),
    ],
};

pub(in crate::config) static ROUTE: Section = Section {
    path: "routes[]",
    doc: "Paths that belong to an upstream.",
    keys: &[
        key("path", Words, Required, "A pattern."),
        key("host", Words, Nothing, "Only for this host name; null: every host."),
        key("upstream", Words, Required, "A name from `upstreams`."),
        key(
            "strip_prefix",
            Words,
            Nothing,
            "What the upstream does not see of the path: whole segments of text with which `path` begins. Rules are about the whole path. The upstream gets it as `X-Forwarded-Prefix`.",
        ),
        key(
            "max_body",
            Size("0B", "1024GiB"),
            Nothing,
            "Largest request body; null: `server.limits.body_bytes`.",
        ),
        key(
            "forward_token",
            Flag,
            Text("false"),
            "Whether the upstream also gets the client's access token.",
        ),
        key("allow_semicolon", Flag, Text("false"), "Whether `;` may be in a path."),
        key(
            "case_insensitive",
            Flag,
            Text("false"),
            "For upstreams that take `/Admin` and `/admin` for the same.",
        ),
        key(
            "on_revocation_unknown",
            Choice(&["deny", "grace"]),
            Nothing,
            "While this node cannot tell which sign-ins have ended: `deny` answers 503 to people who are signed in, `grace` lets a token pass that has not expired. null: `deny` where the rule asks for `mfa`, `max_age` or what only a role with `*` holds, else `grace`.",
        ),
    ],
};

pub(in crate::config) static RULE: Section = Section {
    path: "rules[]",
    doc: "Who may ask for a path. See docs/rules.md.",
    keys: &[
        key("path", Words, Required, "A pattern."),
        key("host", Words, Nothing, "Only for this host name; null: every host."),
        key("methods", Texts, Nothing, "Only for these methods, GET meaning HEAD too; null: every method."),
        key("allow", Special("a requirement"), Required, "What is asked for."),
        key("tests", Special("a list of tables"), Text("[]"), "Decisions that `stagedoor check` verifies."),
    ],
};

pub(in crate::config) static RULE_TEST: Section = Section {
    path: "rules[].tests[]",
    doc: "A request and the decision it must get.",
    keys: &[
        key("as", Special("`anonymous`, a role or a list of roles"), Required, "Who asks."),
        key(
            "path",
            Words,
            Required,
            "The path asked for, without a query. `{me}` stands for the id of who asks.",
        ),
        key("method", Words, Text("GET"), "The method."),
        key("host", Words, Nothing, "The host; null: that of `server.public_url`."),
        key("mfa", Flag, Text("false"), "Whether the person signed in with a second factor."),
        key("age", Duration("0s", "365d"), Text("0s"), "Time since the person signed in."),
        key("ip", Words, Text("127.0.0.1"), "The client's address."),
        key("expect", Choice(&["allow", "deny"]), Required, "The decision."),
    ],
};

/// The words of the requirement language; exactly one of them makes a requirement.
pub(in crate::config) static REQUIREMENT: Section = Section {
    path: "requirements.<name>",
    doc: "A requirement is one of the words `public`, `authenticated`, `deny`, the name of a requirement, or a table with exactly one of these keys.",
    keys: CRITERIA,
};

const CRITERIA: &[Key] = &[
    key("role", Words, Nothing, "Holds this role."),
    key("any_role", Texts, Nothing, "Holds one of these roles."),
    key("all_roles", Texts, Nothing, "Holds all of these roles."),
    key("permission", Words, Nothing, "A role of the person grants this permission."),
    key("any_permission", Texts, Nothing, "A role of the person grants one of these permissions."),
    key("owner", Words, Nothing, "The captured segment of this name is the person's id, or `me`."),
    key("mfa", Flag, Nothing, "Signed in with a second factor; only `true`."),
    key("max_age", Duration("1s", "365d"), Nothing, "Signed in or confirmed no longer ago than this."),
    key(
        "network",
        Special("a list of address ranges such as 10.0.0.0/8"),
        Nothing,
        "The client's address is in one of these ranges.",
    ),
    key("any_of", Special("a list of requirements"), Nothing, "One of these requirements holds."),
    key("all_of", Special("a list of requirements"), Nothing, "All of these requirements hold."),
    key(
        "not",
        Special("a requirement"),
        Nothing,
        "The requirement does not hold; never satisfied by an anonymous person.",
    ),
];

/// Every table, in the order of the reference.
pub(in crate::config) fn all() -> [&'static Section; 28] {
    use super::{sections as s, sections_limits as limits, sections_stores as stores};
    [
        &s::ROOT,
        &s::SERVER,
        &s::TLS,
        &limits::LIMITS,
        &stores::STORE,
        &stores::REDIS,
        &s::MAIL,
        &s::TOKEN,
        &s::SESSION,
        &s::PASSWORD,
        &s::ARGON2,
        &s::LOCKOUT,
        &s::RATE_LIMITS,
        &s::REGISTRATION,
        &s::SECOND_FACTOR,
        &s::HOME_LINK,
        &s::LOG,
        &ROLE,
        &UPSTREAM,
        &SERVER_OF,
        &UPSTREAM_TLS,
        &TIMEOUTS,
        &IDENTITY,
        &HEALTH,
        &ROUTE,
        &REQUIREMENT,
        &RULE,
        &RULE_TEST,
    ]
}

/// Keys that people look for, and why there are none (yet).
pub(in crate::config) fn later(section: &str, key: &str) -> Option<&'static str> {
    match (section, key) {
        ("", "cors") => Some("this build answers no pre-flight requests yet"),
        ("rules[]", "rate_limit") => Some("this build has no limits per rule yet"),
        ("rules[]", "shadow") => {
            Some("this build has no shadow rules yet; `stagedoor check --against` compares two files")
        }
        ("routes[]", "rewrite") => Some(
            "a rewritten path would not be the one that was decided on; `strip_prefix` cuts whole segments off",
        ),
        _ => None,
    }
}
