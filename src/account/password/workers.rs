//! How many passwords are hashed at once if nobody says: one for each core, as far as the memory goes.

use std::fs::read_to_string;
use std::path::Path;
use std::thread::available_parallelism;

/// This part of the memory hashing may take: a half. The rest is for connections and the store.
const SHARE: u64 = 2;

/// As many as there are cores, and no more than fit into their share of the memory; one at least.
pub(super) fn by_default(hash_kib: u32) -> usize {
    let cores = available_parallelism().map_or(1, Into::into);
    let Some(memory) = memory(Path::new("/")) else { return cores };
    let room = memory / SHARE / (u64::from(hash_kib) << 10);
    let workers = usize::try_from(room).unwrap_or(cores).clamp(1, cores);
    if workers < cores {
        let memory_mib = memory >> 20;
        tracing::warn!(
            workers,
            cores,
            memory_mib,
            "fewer passwords are hashed at once than there are cores: little memory"
        );
    }
    workers
}

/// What this process may use at most, in bytes: the memory of the machine, or the least limit of a cgroup around the process
/// (`memory.max` of version 2, `memory.limit_in_bytes` of version 1). `None` where the system does not say.
fn memory(root: &Path) -> Option<u64> {
    let groups = root.join("sys/fs/cgroup");
    let of_groups = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = of_groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (top, file) = if controllers.is_empty() {
            (groups.clone(), "memory.max")
        } else if controllers.split(',').any(|c| c == "memory") {
            (groups.join("memory"), "memory.limit_in_bytes")
        } else {
            return Vec::new();
        };
        // A container may not see its own path, but then its limit is at the top.
        let around = Path::new(path.trim_start_matches('/')).ancestors();
        around.filter_map(|group| number(&read_to_string(top.join(group).join(file)).ok()?)).collect()
    });
    limits.chain(of_machine(root)).min()
}

fn of_machine(root: &Path) -> Option<u64> {
    let text = read_to_string(root.join("proc/meminfo")).ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB"))?;
    Some(number(kib)? << 10)
}

/// `None` for `max` as well.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the system would say; a limit of version 1 that nobody set is a huge number.
    fn system(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        memory(root.path())
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1 kB\n");
    const ALL: Option<u64> = Some(16_000_000 << 10);

    #[test]
    fn case_5_26_the_least_limit_around_the_process_counts() {
        let two = ("proc/self/cgroup", "0::/system.slice/stagedoor.service\n");
        let one = ("proc/self/cgroup", "9:cpu,cpuacct:/a\n4:memory:/docker/4711\n0::/\n");
        let none = "9223372036854771712\n";
        assert_eq!(system(&[]), None);
        assert_eq!(system(&[MACHINE]), ALL);
        assert_eq!(system(&[MACHINE, two]), ALL);
        for (limits, expected) in [
            ([("system.slice/stagedoor.service", "536870912\n"), ("system.slice", "max\n")], 512 << 20),
            ([("system.slice/stagedoor.service", "max\n"), ("system.slice", "1073741824\n")], 1 << 30),
        ] {
            let [a, b] = limits.map(|(group, limit)| (format!("sys/fs/cgroup/{group}/memory.max"), limit));
            assert_eq!(system(&[MACHINE, two, (&a.0, a.1), (&b.0, b.1)]), Some(expected));
        }
        let own = "sys/fs/cgroup/memory/docker/4711/memory.limit_in_bytes";
        let top = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(system(&[MACHINE, one, (own, "268435456\n"), (top, none)]), Some(256 << 20));
        assert_eq!(
            system(&[MACHINE, one, (top, "268435456\n")]),
            Some(256 << 20),
            "a container sees itself as the top"
        );
        assert_eq!(system(&[MACHINE, one, (own, none), (top, none)]), ALL);
    }

    #[test]
    fn there_is_always_one_and_never_more_than_cores() {
        let cores = available_parallelism().unwrap().get();
        assert_eq!((by_default(1), by_default(u32::MAX)), (cores, 1));
    }
}
