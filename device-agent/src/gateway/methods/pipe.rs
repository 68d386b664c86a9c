//! An output of a program: kept up to a limit, read on beyond it, so that the program does not wait for a reader.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that are read at a time.
const CHUNK: usize = 8 * 1024;

/// What was written.
#[derive(Debug, Default)]
pub struct Output {
    pub bytes: Vec<u8>,
    /// There was more.
    pub truncated: bool,
}

/// The reading end.
#[derive(Debug)]
pub struct Pipe<R> {
    reader: Option<R>,
    limit: usize,
    output: Output,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    pub fn new(reader: Option<R>, limit: usize) -> Self {
        Self { reader, limit, output: Output::default() }
    }

    /// Reads until the other end is closed. Nothing is lost when it is dropped half-way.
    pub async fn read_to_end(&mut self) {
        // Not in the future, which would be as large.
        let mut chunk = vec![0; CHUNK];
        while let Some(reader) = &mut self.reader {
            match reader.read(&mut chunk).await {
                Ok(0) | Err(_) => self.reader = None,
                Ok(len) => {
                    let room = self.limit - self.output.bytes.len();
                    let bytes = chunk.get(..len).unwrap_or_default();
                    self.output.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                    self.output.truncated |= len > room;
                }
            }
        }
    }

    /// The same, and never ends.
    pub async fn read_on(&mut self) {
        self.read_to_end().await;
        std::future::pending().await
    }

    pub fn into_output(self) -> Output {
        self.output
    }
}
