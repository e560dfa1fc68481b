//! Names, labels and how many series there can be.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

/// The only labels there are. None of them can hold a person, a path or an address.
const LABELS: &[&str] = &[
    "factor",
    "job",
    "kind",
    "le",
    "operation",
    "outcome",
    "policy",
    "reason",
    "rule",
    "state",
    "status",
    "upstream",
    "version",
    "way",
];

fn busy() -> Metrics {
    let m = Metrics::new();
    for status in [101, 200, 302, 404, 502] {
        m.proxied(Some(3), status);
        m.answered(status);
        m.refused("no_rule", None, status);
    }
    m.login("success", "ok", "totp");
    m.registration("new");
    m.verification("success");
    m.reset("done");
    m.factor("totp", "right");
    m.refresh("rotated");
    m.limited("login");
    m.limiter_error();
    m.lockout();
    m.hashed(Duration::from_millis(20));
    m.stored("read", Duration::from_millis(1), true);
    m.stored("transaction", Duration::from_millis(1), false);
    m.job("codes", "done", Duration::from_millis(1));
    m.reloaded(true, 1_800_000_000);
    m.upstream("app", 2);
    m.redis("limit", Duration::from_millis(1), true);
    m.redis("turn", Duration::from_millis(1), false);
    m.redis_breaker(true);
    m.limiter_fell_back();
    m.of_upstream("app").trouble(Trouble::Tls);
    m.level(Level::MailsAge, 12);
    m.stream_cut("stream_revoked");
    m.store_connections("busy", 1);
    m.revocation_lag("poll", Duration::from_millis(1));
    m.revocation_poll("all");
    m.revocation_message("sent");
    m.measure_process();
    m
}

/// The labels of one line of the page.
fn labels(line: &str) -> Vec<&str> {
    let Some((_, rest)) = line.split_once('{') else { return Vec::new() };
    let inside = rest.rsplit_once('}').unwrap().0;
    inside.split("\",").map(|pair| pair.split_once('=').unwrap().0).collect()
}

#[test]
fn d_12_labels_are_a_fixed_set() {
    let page = busy().render();
    let used: BTreeSet<&str> = page.lines().filter(|l| !l.starts_with('#')).flat_map(labels).collect();
    assert_eq!(used, LABELS.iter().copied().collect(), "every label, and no other");
}

#[test]
fn names_say_what_and_in_which_unit() {
    let page = busy().render();
    for line in page.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(name.starts_with("stagedoor_") || name.starts_with("process_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        assert!(kind != "histogram" || name.ends_with("_seconds"), "{line}");
    }
}

#[test]
fn levels_stand_in_the_order_of_their_names() {
    let m = Metrics::new();
    for (at, (level, name, _)) in Level::ALL.into_iter().enumerate() {
        m.level(level, at as u64 + 40);
        assert!(m.render().contains(&format!("\n{name} {}\n", at + 40)), "{name}");
    }
}

#[test]
fn the_process_is_seen() {
    let page = busy().render();
    let value = |name: &str| -> f64 {
        let line = page.lines().find(|l| l.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_start_time_seconds") > 1.6e9);
}

/// What a subscriber writes.
#[derive(Clone, Default)]
struct Lines(std::sync::Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn case_5_28_a_panic_is_counted_and_is_one_line_with_its_place() {
    Metrics::count_panics();
    let (lines, before) = (Lines::default(), PANICS.get());
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let died =
        tracing::subscriber::with_default(subscriber, || std::panic::catch_unwind(|| panic!("an example")));
    assert!(died.is_err() && PANICS.get() > before);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in ["panicked at a fault in this program", "an example", "src/metrics/tests.rs"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
