//! Fields of an event as text, in one line: what a peer has put into them can neither begin another line nor steer a terminal.

use std::fmt::{self, Write};

use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// `message name=value name=value`.
pub fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(|out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        if field.name() != "message" {
            write!(out, "{}=", field.name())?;
        }
        write!(OneLine(out), "{value:?}")
    })
    .delimited(" ")
}

/// Writes control characters as they are written in source code.
struct OneLine<'a, W>(&'a mut W);

impl<W: Write> Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character.is_control() {
                true => write!(self.0, "{}", character.escape_default())?,
                false => self.0.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn what_a_peer_says_stays_in_its_line_and_steers_no_terminal() {
        let kept = Kept::default();
        let log =
            tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false).without_time().with_target(false);
        tracing::subscriber::with_default(log.fmt_fields(fields()).finish(), || {
            let said = "no\n2026 ERROR forged \u{1b}[2J\u{9b}";
            tracing::warn!(times = 2, said, error = %said, "told: {said}");
        });
        let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let one = r"no\n2026 ERROR forged \u{1b}[2J\u{9b}";
        assert_eq!(log, format!(" WARN told: {one} times=2 said=\"{one}\" error={one}\n"));
    }
}
