//! The keys of everything but roles, routes and rules.

use super::keys::Default::{Nothing, Required, Text};
use super::keys::Kind::{
    Address, Choice, Duration, Flag, Networks, Number, Quota, Reference, Section as Sub, Size, Special,
    Text as Words,
};
use super::keys::{Section, key};

pub(in crate::config) static ROOT: Section = Section {
    path: "",
    doc: "The whole file.",
    keys: &[
        key("server", Sub, Text("{}"), "Listeners, public address and limits."),
        key(
            "secret",
            Reference,
            Text("file:stagedoor.secret"),
            "Encrypts signing keys and second-factor seeds at rest. At least 32 bytes of key material: `file:PATH` (made with mode 0600 at the first start if it is missing) or `${NAME}`. Shared by all nodes.",
        ),
        key("store", Sub, Text("{}"), "Where accounts and sessions are kept."),
        key("redis", Sub, Text("{}"), "What several nodes share."),
        key("mail", Sub, Text("{}"), "How mail leaves."),
        key("token", Sub, Text("{}"), "Access tokens and assertions."),
        key("session", Sub, Text("{}"), "How long people stay signed in."),
        key("password", Sub, Text("{}"), "What a password must be and what hashing it costs."),
        key("lockout", Sub, Text("{}"), "When an account is locked."),
        key("rate_limits", Sub, Text("{}"), "How often things may be tried."),
        key("registration", Sub, Text("{}"), "Who may register."),
        key("second_factor", Sub, Text("{}"), "Codes by mail or app, remembered devices, step-up."),
        key(
            "deletion_undo",
            Duration("0s", "90d"),
            Text("7d"),
            "How long a person who closed the account can change their mind.",
        ),
        key("brand", Words, Text("Stagedoor"), "The name on pages and in mails."),
        key(
            "home_links",
            Special("a list of tables"),
            Text("[]"),
            "Links on the home page of signed-in people.",
        ),
        key("log", Sub, Text("{}"), "The log on standard error."),
        key("roles", Special("a table of names"), Required, "The roles of the deployment, by name."),
        key(
            "upstreams",
            Special("a table of names"),
            Required,
            "The applications behind the gateway, by name.",
        ),
        key(
            "routes",
            Special("a list of tables"),
            Required,
            "Which upstream a path belongs to; at least one.",
        ),
        key(
            "requirements",
            Special("a table of names"),
            Text("{}"),
            "Requirements with a name, to be used in rules.",
        ),
        key("rules", Special("a list of tables"), Required, "Who may; what no rule allows is refused."),
    ],
};

pub(in crate::config) static SERVER: Section = Section {
    path: "server",
    doc: "Listeners, the public address and limits. Listen addresses and `threads` need a restart.",
    keys: &[
        key("listen", Address, Text("127.0.0.1:8080"), "Where people and programs connect."),
        key(
            "tls",
            Sub,
            Nothing,
            "A listener with TLS; null: none, something in front of `listen` does the TLS.",
        ),
        key(
            "admin_listen",
            Address,
            Text("127.0.0.1:9090"),
            "Where the operator connects: metrics, health, reload, local mailbox. Keep it private.",
        ),
        key(
            "public_url",
            Words,
            Required,
            "Scheme, host and port that people see. Mailed links and redirects start with it. Plain http only on localhost.",
        ),
        key("auth_prefix", Words, Text("/auth"), "Where Stagedoor's own pages live."),
        key("trusted_proxies", Networks, Text("[]"), "Your own proxies, which say who the client is."),
        key(
            "forwarded",
            Choice(&["x-forwarded", "forwarded"]),
            Text("x-forwarded"),
            "Where requests from `trusted_proxies` say it: in `X-Forwarded-For` and `-Proto`, or in `Forwarded` (RFC 7239). Only in the fields that your proxy writes itself: the others it passes on as its client sent them.",
        ),
        key(
            "proxy_protocol",
            Flag,
            Text("false"),
            "Whether connections begin with a header of the PROXY protocol (version 1 or 2) that says it. Then only `trusted_proxies` may connect.",
        ),
        key("threads", Number(1, 1024), Nothing, "Threads that serve requests; null: one for each core."),
        key("h2c", Flag, Text("false"), "Whether clients may speak HTTP/2 without TLS by prior knowledge."),
        key(
            "drain_delay",
            Duration("0s", "10m"),
            Text("0s"),
            "How long to serve on after SIGTERM while readiness already says `stopping`: as long as a load balancer takes to notice. 0s where nobody looks at readiness.",
        ),
        key(
            "grace",
            Duration("0s", "1h"),
            Text("30s"),
            "How long requests in flight may take to finish on SIGTERM.",
        ),
        key(
            "upgrade_socket",
            Words,
            Nothing,
            "Where `stagedoor serve --upgrade` asks the running process for its listeners: a file in a folder that only this user may enter. Relative to the folder of this file; null: nowhere.",
        ),
        key("limits", Sub, Text("{}"), "What a client may send."),
    ],
};

pub(in crate::config) static TLS: Section = Section {
    path: "server.tls",
    doc: "A listener with TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1. With it, `server.listen` only sends browsers on to https and refuses everything else that does not come from `trusted_proxies`. The two files are read again when they change.",
    keys: &[
        key("listen", Address, Required, "Where people and programs connect by TLS."),
        key(
            "certificate",
            Words,
            Required,
            "A PEM file: this server's certificate, then the intermediate ones. Relative to the folder of this file.",
        ),
        key("key", Words, Required, "A PEM file: the private key of the first certificate."),
    ],
};

pub(in crate::config) static MAIL: Section = Section {
    path: "mail",
    doc: "How mail leaves the house.",
    keys: &[
        key(
            "transport",
            Choice(&["mailbox", "file", "smtp"]),
            Text("mailbox"),
            "`mailbox`: kept in memory, shown on the admin listener. `file`: one `.eml` file for each mail. `smtp`: a server.",
        ),
        key("from", Words, Text("Stagedoor <no-reply@localhost>"), "The sender of every mail."),
        key("dir", Words, Nothing, "With `file`: the folder, relative to the folder of this file."),
        key(
            "url",
            Reference,
            Nothing,
            "With `smtp`: `smtps://user:${SMTP_PASSWORD}@host`, or `smtp://…?tls=required` for STARTTLS.",
        ),
        key(
            "ca",
            Words,
            Nothing,
            "With `smtp`: a PEM file of certificate authorities to trust besides those of the system.",
        ),
        key(
            "timeout",
            Duration("1s", "40s"),
            Text("15s"),
            "With `smtp`: how long one step of the conversation may take.",
        ),
    ],
};

pub(in crate::config) static TOKEN: Section = Section {
    path: "token",
    doc: "Access tokens (JWT) and the assertions that upstreams get.",
    keys: &[
        key(
            "algorithm",
            Choice(&["ES256", "EdDSA", "RS256"]),
            Text("ES256"),
            "With which new signing keys are made.",
        ),
        key("access_ttl", Duration("1m", "1h"), Text("10m"), "Life of an access token."),
        key("assertion_ttl", Duration("5s", "60s"), Text("60s"), "Life of an assertion; at most 60 s."),
        key(
            "issuer",
            Words,
            Text("${public_url}"),
            "`iss` of every token. `${public_url}` stands for `server.public_url`.",
        ),
        key("audience", Words, Text("stagedoor"), "`aud` of access tokens."),
        key("leeway", Duration("0s", "30s"), Text("5s"), "How far clocks may be apart."),
        key(
            "cache_entries",
            Number(0, 10_000_000),
            Text("100000"),
            "How many verified tokens are remembered.",
        ),
        key(
            "rotate_every",
            Duration("0s", "3650d"),
            Text("90d"),
            "How long a key signs before the next one follows; 0s: until `stagedoor keys rotate`.",
        ),
        key(
            "publish_before",
            Duration("6m", "7d"),
            Text("10m"),
            "How long a new key stands in the key set before it signs; longer than upstreams keep the set.",
        ),
    ],
};

pub(in crate::config) static SESSION: Section = Section {
    path: "session",
    doc: "How long people stay signed in.",
    keys: &[
        key(
            "idle_timeout",
            Duration("1m", "365d"),
            Text("30m"),
            "A session that is not used for this long ends.",
        ),
        key("keep_idle_timeout", Duration("1m", "365d"), Text("12h"), "The same with \"keep me signed in\"."),
        key(
            "absolute_timeout",
            Duration("1m", "365d"),
            Text("30d"),
            "A session ends after this long, used or not.",
        ),
        key(
            "refresh_reuse_window",
            Duration("0s", "1m"),
            Text("10s"),
            "How long the predecessor of a refresh token still gets the same successor.",
        ),
        key(
            "max_per_account",
            Number(1, 1000),
            Text("20"),
            "Sessions of one person; the oldest ends when there is one more.",
        ),
    ],
};

pub(in crate::config) static PASSWORD: Section = Section {
    path: "password",
    doc: "What a password must be.",
    keys: &[
        key(
            "policy",
            Choice(&["classes", "nist"]),
            Text("classes"),
            "`classes`: upper case, lower case, digit and special character. `nist`: 15 characters or more and no classes.",
        ),
        key("min_length", Number(8, 64), Nothing, "Characters; null: 8, or 15 with `nist`."),
        key("max_length", Number(64, 1024), Text("256"), "Characters; longer ones are refused, never cut."),
        key("argon2", Sub, Text("{}"), "What one hash costs."),
    ],
};

pub(in crate::config) static ARGON2: Section = Section {
    path: "password.argon2",
    doc: "Argon2id. Memory times iterations is at least 35 MiB (OWASP's lowest choices). Stored hashes follow at the next sign-in.",
    keys: &[
        key("memory", Size("7MiB", "4GiB"), Text("19MiB"), "Memory of one hash."),
        key("iterations", Number(1, 50), Text("2"), "Passes over the memory."),
        key("parallelism", Number(1, 64), Text("1"), "Lanes."),
        key(
            "workers",
            Number(1, 256),
            Nothing,
            "Hashes at once; null: one for each core, as far as half of the memory goes.",
        ),
        key("queue", Number(0, 100_000), Text("64"), "How many may wait; the next one is answered 503."),
        key(
            "queue_deadline",
            Duration("100ms", "1m"),
            Text("3s"),
            "How long one may wait before it is answered 503.",
        ),
    ],
};

pub(in crate::config) static LOCKOUT: Section = Section {
    path: "lockout",
    doc: "When an account is locked, and for how long.",
    keys: &[
        key("failures", Number(1, 1000), Text("5"), "So many failures …"),
        key("within", Duration("1m", "30d"), Text("30m"), "… within this time lock the account …"),
        key(
            "duration",
            Duration("1s", "30d"),
            Text("15m"),
            "… for this long; each further lock doubles it …",
        ),
        key("max_duration", Duration("1s", "365d"), Text("24h"), "… up to this."),
    ],
};

pub(in crate::config) static RATE_LIMITS: Section = Section {
    path: "rate_limits",
    doc: "How often things may be tried.",
    keys: &[
        key("login", Quota, Text("5/1m"), "Sign-in, per address and per account."),
        key("register", Quota, Text("10/1h"), "Registration, per address."),
        key("password_reset", Quota, Text("5/1h"), "Reset mails, per address."),
        key("password_reset_account", Quota, Text("3/1h"), "Reset mails, per account."),
        key("otp", Quota, Text("5/10m"), "Codes, per account."),
        key("refresh", Quota, Text("60/1m"), "Refreshes, per session."),
        key("resend", Quota, Text("1/1m"), "Mails sent again on request, per account."),
    ],
};

pub(in crate::config) static REGISTRATION: Section = Section {
    path: "registration",
    doc: "Who may register. Accounts that an admin or the command line makes are not held to it.",
    keys: &[
        key("enabled", Flag, Text("true"), "Whether anybody may."),
        key(
            "domains",
            Special("a list of domains"),
            Text("[]"),
            "Only addresses of exactly these domains, such as `example.org`; empty: of any.",
        ),
    ],
};

pub(in crate::config) static SECOND_FACTOR: Section = Section {
    path: "second_factor",
    doc: "Codes by mail or app, remembered devices, and when people are asked to confirm that it is them.",
    keys: &[
        key(
            "required_roles",
            Special("a list of role names"),
            Text("[]"),
            "People with one of these roles are always asked for a second factor; a code by mail if they have set up nothing else.",
        ),
        key("code_ttl", Duration("1m", "1h"), Text("10m"), "Life of a mailed code and its challenge."),
        key("tries", Number(1, 20), Text("5"), "How often a challenge may be tried."),
        key(
            "remember_device",
            Duration("0s", "365d"),
            Text("30d"),
            "How long a device that the person asked to be remembered is not asked again.",
        ),
        key(
            "elevation",
            Duration("1m", "12h"),
            Text("10m"),
            "How long a proof of identity counts for sensitive actions (changing the address, switching off a factor, deleting the account, administration).",
        ),
    ],
};

pub(in crate::config) static HOME_LINK: Section = Section {
    path: "home_links[]",
    doc: "A link on the home page.",
    keys: &[
        key("title", Words, Required, "What it says."),
        key("href", Words, Required, "A path on this origin, such as `/events`."),
        key("roles", Special("a list of role names"), Text("[]"), "Who sees it; empty: everyone."),
    ],
};

pub(in crate::config) static LOG: Section = Section {
    path: "log",
    doc: "The log on standard error.",
    keys: &[
        key(
            "level",
            Choice(&["error", "warn", "info", "debug", "trace"]),
            Text("info"),
            "The least important line that is written.",
        ),
        key("format", Choice(&["json", "text"]), Text("json"), "One JSON object a line, or text for people."),
    ],
};
