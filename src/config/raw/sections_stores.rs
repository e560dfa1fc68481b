//! The keys of what is kept outside the process: the store, and what nodes share.

use super::keys::Default::{Nothing, Text};
use super::keys::Kind::{Duration, Number, Reference, Text as Words};
use super::keys::{Section, key};

pub(in crate::config) static STORE: Section = Section {
    path: "store",
    doc: "Where accounts, sessions and keys are kept. Needs a restart.",
    keys: &[
        key(
            "url",
            Reference,
            Text("sqlite:stagedoor.db"),
            "`sqlite:PATH`, relative to the folder of this file, `sqlite::memory:`, or `postgres://user:password@host/database`. PostgreSQL is asked over TLS unless the URL ends in `?sslmode=disable`.",
        ),
        key("ca", Words, Nothing, "With PostgreSQL: a PEM file with further authorities to trust."),
        key(
            "connections",
            Number(2, 1000),
            Text("16"),
            "With PostgreSQL: how many connections this process makes at most.",
        ),
    ],
};

pub(in crate::config) static REDIS: Section = Section {
    path: "redis",
    doc: "What several nodes share: counters, turns and news. Needs a restart.",
    keys: &[
        key(
            "url",
            Reference,
            Nothing,
            "null: everything is counted in this process (one node). Else `redis://user:password@host/db`, `redis+sentinel://host,host/service` or `redis+cluster://host,host`; `rediss` in place of `redis` is TLS.",
        ),
        key("ca", Words, Nothing, "With TLS: a PEM file of authorities to trust instead of the system's."),
        key(
            "timeout",
            Duration("5ms", "1s"),
            Text("50ms"),
            "How long one call may take; then the node goes on by itself.",
        ),
        key("prefix", Words, Text("stagedoor:"), "What every key and channel begins with."),
    ],
};
