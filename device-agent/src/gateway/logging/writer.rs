//! Lines of the log on their way to standard error, through a bounded queue: nothing waits for a reader that stalls.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait; further ones are dropped, and their number is told.
const WAITING: usize = 1024;

/// How long the end of the process waits for what waits to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The way into the queue. Each event is one write.
#[derive(Debug, Clone)]
pub struct Lines {
    queue: SyncSender<Option<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
}

/// Writes what waits, when it is dropped.
#[derive(Debug)]
pub struct Guard {
    queue: SyncSender<Option<Vec<u8>>>,
    /// Disconnected when all is written.
    written: Receiver<()>,
}

impl Lines {
    pub fn to_standard_error() -> io::Result<(Self, Guard)> {
        Self::to(io::stderr())
    }

    fn to(out: impl Write + Send + 'static) -> io::Result<(Self, Guard)> {
        let (queue, lines) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = dropped.clone();
        let (writes, written) = channel();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            write(&lines, out, &counted);
            drop::<Sender<()>>(writes);
        })?;
        Ok((Self { queue: queue.clone(), dropped }, Guard { queue, written }))
    }
}

/// Until the guard says that there will be no more.
fn write(lines: &Receiver<Option<Vec<u8>>>, mut out: impl Write, dropped: &AtomicU64) {
    while let Ok(Some(line)) = lines.recv() {
        // There is nowhere to say that the log cannot be written.
        let _ = out.write_all(&line);
        match dropped.swap(0, Ordering::Relaxed) {
            0 => {}
            count => drop(writeln!(out, "{count} lines of the log were dropped, because they were not read")),
        }
    }
    let _ = out.flush();
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Some(line.to_vec())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A full queue means that nobody reads: there is nothing to wait for. With room in it the reader may have stalled all the same.
        if self.queue.try_send(None).is_ok() {
            let _ = self.written.recv_timeout(LAST_WORDS);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes to a channel, and waits for leave before each write.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(line.to_vec());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_and_counted_and_nothing_waits() {
        let (leave, waits) = mpsc::channel();
        let (wrote, written) = mpsc::channel();
        let (mut lines, guard) = Lines::to(Slow(waits, wrote)).unwrap();
        for _ in 0..WAITING + 10 {
            lines.write_all(b"line\n").unwrap();
        }
        drop((leave, guard, lines));
        let all: Vec<u8> = written.iter().flatten().collect();
        let text = String::from_utf8(all).unwrap();
        assert!(text.starts_with("line\n"), "{text}");
        assert!(text.contains("lines of the log were dropped"), "{text}");
    }

    #[test]
    fn a_reader_that_stalls_does_not_hold_up_the_end() {
        let (leave, waits) = mpsc::channel();
        let (wrote, written) = mpsc::channel();
        let (mut lines, guard) = Lines::to(Slow(waits, wrote)).unwrap();
        lines.write_all(b"line\n").unwrap();
        drop(guard);
        assert!(written.try_recv().is_err(), "it still waits for leave");
        drop(leave);
    }

    #[test]
    fn what_waits_is_written_at_the_end() {
        let (leave, waits) = mpsc::channel();
        let (wrote, written) = mpsc::channel();
        let (mut lines, guard) = Lines::to(Slow(waits, wrote)).unwrap();
        lines.write_all(b"last\n").unwrap();
        drop(leave);
        drop(guard);
        assert_eq!(written.try_iter().flatten().collect::<Vec<_>>(), b"last\n");
    }
}
