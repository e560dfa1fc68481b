//! New rules and certificates when their files change, and on SIGHUP.
//!
//! Files are compared by their contents, each second: that sees edits, renames and swapped symbolic links alike, on
//! every file system. Contents count once two looks in a row have seen the same, so that a file is not read while it
//! is being written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::signal::unix::{SignalKind, signal};

use super::reload::{Contents, Reloader};
use crate::jobs::{Job, Scope};

/// Reloads when one of the files has changed.
pub(super) struct FileWatch {
    reloader: Arc<Reloader>,
    /// Something new, seen once.
    fresh: Mutex<Option<Contents>>,
}

impl FileWatch {
    /// Watches the files that `reloader` reads.
    pub(super) fn new(reloader: Arc<Reloader>) -> Self {
        Self { reloader, fresh: Mutex::default() }
    }

    /// Whether there is something that was not read yet and has stopped changing. What was read is not read again,
    /// whoever asked for it, so that a broken file is not tried again and again.
    fn has_changed(&self) -> bool {
        let now = self.reloader.look();
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let new = !self.reloader.has_read(&now);
        let settled = new && fresh.as_ref() == Some(&now);
        *fresh = (new && !settled).then_some(now);
        settled
    }
}

#[async_trait]
impl Job for FileWatch {
    fn name(&self) -> &'static str {
        "file_watch"
    }

    fn scope(&self) -> Scope {
        Scope::Node
    }

    /// A change takes effect within two of these.
    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn run(&self) -> Result<u64, String> {
        if !self.has_changed() {
            return Ok(0);
        }
        // What came of it is in the log and in the metrics.
        Ok(u64::from(in_background(&self.reloader).await))
    }
}

/// Reloads each time the process gets SIGHUP; for ever.
pub(super) async fn on_hangup(reloader: Arc<Reloader>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be received; use the admin listener to reload");
        return;
    };
    while hangup.recv().await.is_some() {
        in_background(&reloader).await;
    }
}

/// Compiling a large set of rules takes its time: not on a thread that others wait for.
async fn in_background(reloader: &Arc<Reloader>) -> bool {
    let reloader = reloader.clone();
    tokio::task::spawn_blocking(move || reloader.reload().is_ok()).await.unwrap_or(false)
}
