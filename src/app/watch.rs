//! New rules and certificates when their files change, and on SIGHUP.
//!
//! Files are compared by their contents, each second: that sees edits, renames and swapped symbolic links alike, on
//! every file system. Contents count once two looks in a row have seen the same, so that a file is not read while it
//! is being written.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::signal::unix::{SignalKind, signal};

use super::reload::Reloader;
use crate::config;
use crate::jobs::{Job, Scope};

/// The contents of all files; `None`: it cannot be read.
type Contents = Vec<Option<Vec<u8>>>;

/// Reloads when one of the files has changed.
pub(super) struct FileWatch {
    reloader: Arc<Reloader>,
    files: Vec<PathBuf>,
    seen: Mutex<Seen>,
}

struct Seen {
    /// What was read last, whether it was good or not: a broken file is not tried again and again.
    tried: Contents,
    /// Something else, seen once.
    fresh: Option<Contents>,
}

impl FileWatch {
    /// Watches the files that `reloader` reads; what they hold now is in force.
    pub(super) fn new(reloader: Arc<Reloader>) -> Self {
        let files = reloader.files();
        let seen = Mutex::new(Seen { tried: read(&files), fresh: None });
        Self { reloader, files, seen }
    }

    /// Whether there is something new that has stopped changing.
    fn has_changed(&self) -> bool {
        let now = read(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now == seen.tried {
            seen.fresh = None;
            return false;
        }
        if seen.fresh.as_ref() != Some(&now) {
            seen.fresh = Some(now);
            return false;
        }
        *seen = Seen { tried: now, fresh: None };
        true
    }
}

fn read(files: &[PathBuf]) -> Contents {
    use std::io::Read as _;
    let read = |path: &PathBuf| {
        let mut bytes = Vec::new();
        // What is longer than a configuration may be is refused when it is loaded; no need to hold it.
        let file = std::fs::File::open(path).ok()?;
        file.take(config::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    files.iter().map(read).collect()
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
