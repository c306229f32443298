//! What the system says of a process or thread (proc(5)).

use std::path::Path;
use std::time::Duration;

use super::BenchError;

/// User and system time so far, from a file `stat`: clock ticks of 10 ms.
pub(super) fn cpu(stat: &Path) -> Result<Duration, BenchError> {
    let stat = std::fs::read_to_string(stat)?;
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).ok_or(BenchError::NoFigure)?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok()).ok_or(BenchError::NoFigure);
    Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// Resident memory of a process, in KiB.
pub(super) fn rss(pid: u32) -> Result<u64, BenchError> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or(BenchError::NoFigure)?;
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).ok_or(BenchError::NoFigure)
}
