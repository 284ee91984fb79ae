//! The CPU time and memory of another process, from Linux's `/proc`.

use std::{fs, io, time::Duration};

/// The CPU time and the peak memory of a process up to now.
pub(crate) struct Usage {
    /// The user and system time of all its threads, also of those that have ended.
    pub(crate) cpu: Duration,
    /// The most memory that it ever held (`VmHWM`).
    pub(crate) rss_peak_kib: u64,
}

/// The unit of CPU times in `/proc`: 1/100 s, which does not depend on the kernel's own clock (`USER_HZ` on every architecture that
/// Hookgate is built for). Over a run of ten seconds that is exact to about one percent.
const TICK: Duration = Duration::from_millis(10);

impl Usage {
    /// Reads the usage of a process. Fails if there is no such process, or if its files are not as proc(5) describes them.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
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

/// Returns the sum of the fields 14 (`utime`) and 15 (`stime`). They are counted from the end of the name, field 2, which may hold blanks.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn rss_peak_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 5 0 0 0 70 8 0 0 20 0 3 0 100";
        assert_eq!(cpu_ticks(stat), Some(78));
        assert_eq!(cpu_ticks("42 (cut) S 1"), None);
    }

    #[test]
    fn peak_memory_is_the_high_water_mark() {
        assert_eq!(rss_peak_kib("VmPeak:\t  9 kB\nVmHWM:\t   1234 kB\nVmRSS:\t 1 kB\n"), Some(1234));
        assert_eq!(rss_peak_kib("Name: zombie\n"), None);
    }
}
