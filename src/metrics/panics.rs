//! Panics, wherever they happen: caught by a task or a handler they would be seen nowhere else.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::{LazyLock, Once};

use prometheus::IntCounter;

/// Panics of the whole process; a hook cannot belong to one gateway.
pub(super) static PANICS: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::new("stagedoor_panics_total", "Panics, caught or not; each is a fault in the program.")
        .expect("a valid name")
});
static HOOK: Once = Once::new();

/// Begins to count.
pub(super) fn count() {
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            PANICS.inc();
            if tracing::event_enabled!(tracing::Level::ERROR) { tell(info) } else { usual(info) }
        }));
    });
}

fn tell(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let (at, why) = (info.location().map(tracing::field::display), info.payload_as_str());
    tracing::error!(at, why, thread = thread.name(), "panicked at a fault in this program");
}
