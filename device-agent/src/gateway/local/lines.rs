//! Lines of a client, bounded in length and in the time that one may take.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

/// Longest line. Telemetry of the largest size fits in, as base64 with a full property bag.
pub const MAX_LINE: usize = 400 * 1024;
/// How long a line may take from its first byte to its end. Between lines a client may be silent.
pub const LINE_TIME: Duration = Duration::from_secs(10);

/// What ends a connection.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("a line may have {MAX_LINE} bytes")]
    TooLong,
    #[error("a line was not complete after {LINE_TIME:?}")]
    TooSlow,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The lines. Nothing is lost when a future of it is dropped half-way.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    buffer: BytesMut,
    /// How much of the buffer is known to have no end of a line.
    searched: usize,
    begun: Option<Instant>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::new(), searched: 0, begun: None }
    }

    /// The next line without its end, or `None` when the client is done. What comes after the last end of a line is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, LineError> {
        loop {
            if let Some(line) = self.complete() {
                return Ok(Some(line));
            }
            // One byte more than the longest line is its end.
            let room = (MAX_LINE + 1).saturating_sub(self.buffer.len());
            if room == 0 {
                return Err(LineError::TooLong);
            }
            let mut buffer = (&mut self.buffer).limit(room);
            let read = self.reader.read_buf(&mut buffer);
            let len = match self.begun {
                Some(begun) => timeout_at(begun + LINE_TIME, read).await.map_err(|_| LineError::TooSlow)??,
                None => read.await?,
            };
            if len == 0 {
                return Ok(None);
            }
            self.begun.get_or_insert_with(Instant::now);
        }
    }

    fn complete(&mut self) -> Option<Bytes> {
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(self.searched + at + 1);
        line.truncate(self.searched + at);
        self.searched = 0;
        // A new line has its own time, and none as long as nothing of it is there. An idle client keeps no memory.
        self.begun = (!self.buffer.is_empty()).then(Instant::now);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Some(line.freeze())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_however_they_are_cut() {
        let (mut client, server) = duplex(4);
        let write = tokio::spawn(async move { client.write_all(b"one\n\ntwo and\n rest").await });
        let mut lines = Lines::new(server);
        for expected in ["one", "", "two and"] {
            assert_eq!(lines.next().await.unwrap().unwrap(), expected);
        }
        assert_eq!(lines.next().await.unwrap(), None);
        write.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_longest_line_passes_and_a_longer_one_does_not() {
        for (len, fits) in [(MAX_LINE, true), (MAX_LINE + 1, false)] {
            let (mut client, server) = duplex(64 * 1024);
            let write = tokio::spawn(async move {
                let mut line = vec![b'x'; len];
                line.push(b'\n');
                let _ = client.write_all(&line).await;
            });
            let line = Lines::new(server).next().await;
            assert_eq!(line.is_ok(), fits, "{len}");
            write.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_line_has_a_time_limit_and_silence_between_lines_has_none() {
        let (mut client, server) = duplex(64);
        let mut lines = Lines::new(server);
        assert!(tokio::time::timeout(10 * LINE_TIME, lines.next()).await.is_err(), "silence is waited for");
        client.write_all(b"hal").await.unwrap();
        let begun = Instant::now();
        assert!(matches!(lines.next().await, Err(LineError::TooSlow)));
        assert_eq!(begun.elapsed(), LINE_TIME);
    }
}
