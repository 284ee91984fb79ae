//! The CPU time and memory of another process and its descendants, from Linux's `/proc`.

use std::{fs, io, time::Duration};

/// The CPU time and the peak memory of a process and all its descendants up to now.
#[derive(Default)]
pub(crate) struct Usage {
    /// The user and system time of all threads, also of threads and processes that have ended.
    pub(crate) cpu: Duration,
    /// The sum of the most memory that each process ever held (`VmHWM`). What several of them share counts several times.
    pub(crate) rss_peak_kib: u64,
}

/// The unit of CPU times in `/proc`: 1/100 s, which does not depend on the kernel's own clock (`USER_HZ` on every architecture that
/// Hookgate is built for). Over a run of ten seconds that is exact to about one percent.
const TICK: Duration = Duration::from_millis(10);

impl Usage {
    /// Reads the usage of a process and of all its descendants. Fails if there is no such process, if one ends meanwhile, or if their files
    /// are not as proc(5) describes them.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let mut total = Self::default();
        for process in family(pid, &parents()?) {
            let Self { cpu, rss_peak_kib } = Self::of_one(process)?;
            total.cpu += cpu;
            total.rss_peak_kib += rss_peak_kib;
        }
        Ok(total)
    }

    fn of_one(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_err(|error| io::Error::new(error.kind(), format!("process {pid}: {error}")))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let cpu = cpu_ticks(&stat).map(|ticks| TICK * ticks);
        let rss_peak_kib = rss_peak_kib(&status);
        match (cpu, rss_peak_kib) {
            (Some(cpu), Some(rss_peak_kib)) => Ok(Self { cpu, rss_peak_kib }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("process {pid} has ended, or is another user's"))),
        }
    }
}

/// Returns each process of this machine with its parent.
fn parents() -> io::Result<Vec<(u32, u32)>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ends during the search has no file any more.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        parents.extend(parent(&stat).map(|parent| (pid, parent)));
    }
    Ok(parents)
}

/// Returns a process and all its descendants, given each process with its parent.
fn family(pid: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(&member) = family.get(at) {
        family.extend(parents.iter().filter(|(_, parent)| *parent == member).map(|(child, _)| child));
        at += 1;
    }
    family
}

/// Returns the fields of a `stat` file from field 3 on. They are counted from the end of the name, field 2, which may hold blanks.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

/// Returns the field 4 (`ppid`).
fn parent(stat: &str) -> Option<u32> {
    fields(stat)?.nth(1)?.parse().ok()
}

/// Returns the sum of the fields 14 to 17: `utime` and `stime`, and the same of children that have ended (`cutime` and `cstime`).
fn cpu_ticks(stat: &str) -> Option<u32> {
    let times: Vec<u32> = fields(stat)?.skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

fn rss_peak_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::parent_id, process};

    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let stat = "42 (a ) b) S 7 42 42 0 -1 4194560 5 0 0 0 70 8 500 60 20 0 3 0 100";
        assert_eq!(cpu_ticks(stat), Some(638));
        assert_eq!(parent(stat), Some(7));
        let cut = "42 (cut) S 7 42 42 0 -1 4194560 5 0 0 0 70 8 500";
        assert_eq!(cpu_ticks(cut), None);
        assert_eq!(parent("42 (cut) S"), None);
    }

    #[test]
    fn a_family_has_children_and_grandchildren_and_nobody_else() {
        let parents = [(1, 0), (30, 20), (10, 1), (20, 10), (21, 10), (11, 1), (12, 11)];
        assert_eq!(family(10, &parents), [10, 20, 21, 30]);
        assert_eq!(family(11, &parents), [11, 12]);
        assert_eq!(family(30, &parents), [30]);
    }

    #[test]
    fn the_parent_of_this_process_is_found() {
        assert!(parents().unwrap().contains(&(process::id(), parent_id())));
    }

    #[test]
    fn peak_memory_is_the_high_water_mark() {
        assert_eq!(rss_peak_kib("VmPeak:\t  9 kB\nVmHWM:\t   1234 kB\nVmRSS:\t 1 kB\n"), Some(1234));
        assert_eq!(rss_peak_kib("Name: zombie\n"), None);
    }
}
