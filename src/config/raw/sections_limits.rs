//! The keys of what a client may send, how much of it, and how slowly.

use super::keys::Default::Text;
use super::keys::Kind::{Duration, Number, Size};
use super::keys::{Section, key};

pub(in crate::config) static LIMITS: Section = Section {
    path: "server.limits",
    doc: "What a client may send before any rule is asked.",
    keys: &[
        key("head_bytes", Size("4KiB", "1MiB"), Text("32KiB"), "Request line and header fields together."),
        key("headers", Number(10, 1000), Text("100"), "Number of header fields."),
        key("head_timeout", Duration("1s", "5m"), Text("10s"), "Time for the whole head."),
        key(
            "idle_timeout",
            Duration("1s", "1h"),
            Text("75s"),
            "How long a kept-alive connection may be silent.",
        ),
        key(
            "body_bytes",
            Size("1KiB", "1024GiB"),
            Text("10MiB"),
            "Request body, unless the route has its own `max_body`.",
        ),
        key(
            "body_timeout",
            Duration("1s", "1h"),
            Text("30s"),
            "How long to wait for the next piece of a request body.",
        ),
        key(
            "connections_per_address",
            Number(1, 1_000_000),
            Text("1024"),
            "Open connections from one address.",
        ),
        key(
            "connections",
            Number(1, 10_000_000),
            Text("20000"),
            "Open connections from all addresses, but no more than three quarters of the files that the process may open. When all places are taken, whoever has been idle for longest makes room.",
        ),
        key(
            "min_request_rate",
            Number(0, 1_000_000_000),
            Text("240"),
            "Bytes per second of a request body, over its life so far and after 5 s of grace; 0: no limit.",
        ),
        key(
            "min_response_rate",
            Number(0, 1_000_000_000),
            Text("240"),
            "Bytes per second of an answer that a client has to take while any wait for it, after 5 s of grace; 0: no limit.",
        ),
        key(
            "websocket_idle",
            Duration("1s", "30d"),
            Text("10m"),
            "How long nothing may pass over a WebSocket, in either direction.",
        ),
    ],
};
