//! What the gateways of this process log, as an operator would read it.

use std::io::{self, Write};
use std::sync::{Mutex, Once};

use tracing_subscriber::fmt::MakeWriter;

static JOURNAL: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static START: Once = Once::new();

/// From now on everything from `info` on is kept.
pub fn keep() {
    START.call_once(|| {
        let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(Pen);
        let _ = log.with_max_level(tracing::Level::INFO).try_init();
    });
}

/// How much there is; a place to read on from.
pub fn length() -> usize {
    JOURNAL.lock().unwrap().len()
}

/// What was written since.
pub fn since(from: usize) -> Vec<u8> {
    JOURNAL.lock().unwrap()[from..].to_vec()
}

/// The refusals that were noted for a request, a line each.
pub fn refusals(request_id: &str) -> Vec<String> {
    let all = String::from_utf8(since(0)).expect("a log of text");
    let of_request = format!("\"request_id\":\"{request_id}\"");
    all.lines().filter(|l| l.contains(&of_request) && l.contains("\"reason\":")).map(str::to_owned).collect()
}

/// How many refusals with this status were noted.
pub fn lines_about(status: u16) -> usize {
    let all = String::from_utf8(since(0)).expect("a log of text");
    let with_status = format!("\"status\":{status},");
    all.lines().filter(|l| l.contains(&with_status) && l.contains("\"reason\":")).count()
}

#[derive(Clone, Copy)]
struct Pen;

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        JOURNAL.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Pen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}
