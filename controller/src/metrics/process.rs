//! The process by the names that Prometheus' own clients use. Read from `/proc`: elsewhere than on Linux they are left out.

use prometheus_client::registry::Unit;

use super::page::{Page, one};

/// Adds them to the page.
pub(super) fn show(page: &mut Page) {
    if let Some(stat) = read("/proc/self/stat").as_deref().and_then(Stat::parse) {
        page.seconds("process_cpu", "User and system time of this process", stat.cpu_seconds);
        let help = "Resident memory of this process";
        page.gauges("process_resident_memory", help, Some(Unit::Bytes), one(stat.resident_bytes));
        let help = "Address space of this process";
        page.gauges("process_virtual_memory", help, Some(Unit::Bytes), one(stat.virtual_bytes));
        if let Some(boot) = boot_seconds() {
            let help = "When this process started, since 1970";
            page.gauges("process_start_time", help, Some(Unit::Seconds), one(boot + stat.started_seconds));
        }
        page.gauges("process_threads", "Threads of this process", None, one(stat.threads));
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // The look itself opens one.
        let open = u64::try_from(open.count()).unwrap_or(u64::MAX).saturating_sub(1);
        page.gauges("process_open_fds", "File descriptors that are open", None, one(open));
    }
    if let Some(most) = read("/proc/self/limits").as_deref().and_then(fds_max) {
        page.gauges("process_max_fds", "File descriptors that may be open", None, one(most));
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// What `/proc/self/stat` tells (proc(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: u64,
    /// After the machine's start.
    started_seconds: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name, in parentheses, and may have any character in it.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc(5) counts from 1, and the first of these is the third.
        let number = |field: usize| fields.get(field.checked_sub(3)?)?.parse::<u64>().ok();
        let seconds = |ticks: u64| as_f64(ticks) / as_f64(rustix::param::clock_ticks_per_second());
        let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
        Some(Self {
            cpu_seconds: seconds(number(14)? + number(15)?),
            threads: number(20)?,
            started_seconds: seconds(number(22)?),
            virtual_bytes: number(23)?,
            resident_bytes: number(24)?.saturating_mul(page_bytes),
        })
    }
}

/// Exact below 2^53.
#[allow(clippy::cast_precision_loss, reason = "times, for people")]
const fn as_f64(number: u64) -> f64 {
    number as f64
}

/// When the machine started, in seconds since 1970.
fn boot_seconds() -> Option<f64> {
    let stat = read("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// The soft limit; `None` where there is none.
fn fds_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Stat, fds_max};

    #[test]
    fn a_name_may_have_anything_in_it() {
        let ticks = rustix::param::clock_ticks_per_second();
        let page = u64::try_from(rustix::param::page_size()).unwrap_or_default();
        let text =
            format!("7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 {ticks} {ticks} 0 0 20 0 9 0 {} 4096 3 99", ticks * 5);
        let expected =
            Stat { cpu_seconds: 2.0, threads: 9, started_seconds: 5.0, virtual_bytes: 4096, resident_bytes: 3 * page };
        assert_eq!(Stat::parse(&text), Some(expected));
        assert_eq!(Stat::parse("7 (a"), None);
        assert_eq!(
            fds_max("Limit  Soft\nMax open files            1024                 4096                 files\n"),
            Some(1024)
        );
        assert_eq!(fds_max("Max open files            unlimited            unlimited            files\n"), None);
    }
}
