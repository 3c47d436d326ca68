//! Lines of JSON in which nothing acts on a terminal: to a program the text is the same.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use crate::core::visible::escaped;

/// Escapes what is written, one line at a time.
pub(super) struct Escaped<W>(pub(super) W);

impl<'line, M: MakeWriter<'line>> MakeWriter<'line> for Escaped<M> {
    type Writer = Escaped<M::Writer>;

    fn make_writer(&'line self) -> Self::Writer {
        Escaped(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for Escaped<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(escaped(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests;
