//! What Linux says about this process.

use std::fs;

/// `/proc` counts time on processors in hundredths of a second, on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// One look.
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) memory_bytes: i64,
    pub(super) open_files: i64,
    /// Seconds since 1970.
    pub(super) started_at: i64,
}

/// `None` on other systems.
pub(super) fn usage() -> Option<Usage> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in parentheses, which may hold anything.
    let fields: Vec<f64> =
        stat.rsplit_once(')')?.1.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: i64 = resident.trim().trim_end_matches("kB").trim().parse().ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = boot.lines().find_map(|l| l.strip_prefix("btime "))?.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    let started_at = (boot + fields.get(19)? / TICKS_PER_SECOND) as i64;
    Some(Usage {
        cpu_seconds: (fields.get(11)? + fields.get(12)?) / TICKS_PER_SECOND,
        memory_bytes: kib * 1024,
        open_files: i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?,
        started_at,
    })
}
