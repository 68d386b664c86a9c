//! What the benchmark asks the system: cores, CPU time of a process, resident memory, descriptor limit, cost of a sync.

use std::fs::{self, File};
use std::io::{self, Write};
use std::mem::{MaybeUninit, size_of};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The cores that this process may run on.
pub fn cores() -> Vec<usize> {
    // SAFETY: an all-zero `cpu_set_t` is an empty set, and the call writes at most its size.
    let (outcome, set) = unsafe {
        let mut set: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set), set)
    };
    if outcome != 0 {
        return vec![0];
    }
    // SAFETY: the index stays below the set's size.
    (0..libc::CPU_SETSIZE as usize).filter(|core| unsafe { libc::CPU_ISSET(*core, &set) }).collect()
}

/// Keeps the calling thread on these cores. Makes no allocation, so that a forked child may call it.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    // SAFETY: an all-zero `cpu_set_t` is an empty set; cores come from `cores()` and so lie below its size.
    let outcome = unsafe {
        let mut set: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        for core in cores {
            libc::CPU_SET(*core, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// CPU time of a process since its start, in user and kernel mode, of all its threads and of those that ended. Unlike
/// `/proc/<pid>/stat` it is not rounded to clock ticks.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is valid for the call.
    let error = unsafe { libc::clock_getcpuclockid(pid, &mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    clock_time(clock)
}

/// The same of this process.
pub fn own_cpu_time() -> io::Result<Duration> {
    clock_time(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock_time(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default()))
}

/// CPU time of a process as `/proc/<pid>/stat` says it, in clock ticks: a cross-check of [`cpu_time`].
pub fn cpu_time_by_ticks(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    // The command's name is in parentheses and may hold spaces; utime and stime are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap_or_default()).sum();
    // SAFETY: no pointers are involved.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(Duration::from_secs_f64(ticks as f64 / per_second.max(1) as f64))
}

/// Memory of a process that is in RAM, in bytes.
pub fn resident(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).with_context(|| format!("{path} has no VmRSS"))
}

/// Raises the limit of open files as far as it goes without privileges. Children inherit it.
pub fn raise_descriptor_limit(wanted: u64) -> anyhow::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is valid for the calls.
    let outcome = unsafe {
        match libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) {
            0 => {
                limit.rlim_cur = limit.rlim_max;
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit)
            }
            error => error,
        }
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error()).context("limit of open files");
    }
    if limit.rlim_cur < wanted {
        bail!("{wanted} open files are needed, but the hard limit is {} (ulimit -Hn)", limit.rlim_cur);
    }
    Ok(())
}

/// What a durable write of one page costs in a directory: the median of some.
pub fn sync_cost(dir: &Path) -> io::Result<Duration> {
    let path = dir.join("sync-cost");
    let mut file = File::create(&path)?;
    let mut costs = Vec::new();
    for _ in 0..32 {
        let begun = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        costs.push(begun.elapsed());
    }
    fs::remove_file(path)?;
    costs.sort_unstable();
    Ok(costs[costs.len() / 2])
}

/// The processor's name.
pub fn processor() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Processes that want to run, over the last minute: figures of a busy machine are worth less.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}
