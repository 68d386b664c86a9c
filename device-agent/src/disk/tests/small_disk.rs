//! A disk without room, by a limit on the files of the process. Only where each test has a process of its own.

/// No file may become larger while this is held.
pub struct SmallDisk(libc::rlimit);

impl SmallDisk {
    pub fn new(bytes: u64) -> Option<Self> {
        if std::env::var_os("NEXTEST").is_none() {
            eprintln!("skipped: the tests share one process");
            return None;
        }
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both calls get a valid structure; without the signal a write that finds no room fails.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &mut before), 0);
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &libc::rlimit { rlim_cur: bytes, ..before }), 0);
        }
        Some(Self(before))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // SAFETY: the structure is that of the kernel.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &self.0) }, 0);
    }
}
