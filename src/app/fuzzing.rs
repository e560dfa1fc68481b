//! What the fuzz targets reach of this part; compiled for them alone (`cfg(fuzzing)`).

use std::sync::Arc;

use pingora::server::configuration::ServerConf;

use super::Gateway;
use crate::proxy::{Drain, Guard};

impl Gateway {
    /// What waits until every request has been served.
    #[must_use]
    pub fn drain(&self) -> Arc<Drain> {
        self.drain.clone()
    }

    /// What serves connections, without listeners: a target brings its own streams. The rest of the gateway ends.
    #[must_use]
    pub fn into_guard(self, conf: &Arc<ServerConf>) -> Guard {
        // Store and accounts live in the front's own endpoints; their runtime must outlive this call.
        std::mem::forget(self.runtime);
        Guard::new(conf, self.front, self.settings.proxy.h2c, usize::MAX)
    }
}
