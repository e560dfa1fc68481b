//! What is counted about connections of clients.

use prometheus::{IntCounter, IntGauge};

use super::Metrics;
use super::make::Make;

pub(super) struct Doors {
    open: IntGauge,
    shed: IntCounter,
}

impl Doors {
    pub(super) fn new(m: &Make) -> Self {
        Self {
            open: m.gauge("stagedoor_connections_open", "Connections of clients."),
            shed: m.counter(
                "stagedoor_connections_shed_total",
                "Idle connections closed to make room for new ones.",
            ),
        }
    }
}

impl Metrics {
    /// A client has connected.
    pub fn connection_opened(&self) {
        self.doors.open.inc();
    }

    /// Its connection has ended.
    pub fn connection_closed(&self) {
        self.doors.open.dec();
    }

    /// An idle connection had to make room.
    pub fn connection_shed(&self) {
        self.doors.shed.inc();
    }
}
