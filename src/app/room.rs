//! Sockets are files, and of those a process may open so many. The limit that is in force is raised as far as it may be;
//! a quarter stays free for connections to applications, for the store and for files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So many connections of clients there is room for.
pub(super) fn for_connections(wanted: usize) -> usize {
    let files = raise();
    let room = files.map_or(usize::MAX, |files| files - files / 4);
    let cap = room.min(wanted);
    if cap < wanted {
        tracing::warn!(wanted, cap, files, "fewer connections than configured: too few files may be open");
    } else {
        tracing::info!(cap, files, "connections of clients at most");
    }
    cap
}

/// The limit that is now in force; `None`: there is none.
fn raise() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised =
        current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current };
    files.and_then(|n| usize::try_from(n).ok())
}
