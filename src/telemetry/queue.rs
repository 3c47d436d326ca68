//! A queue between the service and whoever reads its stderr. A pipe that nobody reads fills up, and
//! writing to it then waits for ever; a log must not hold up leavers. So lines are handed to a thread of
//! their own, and where too many wait the next are left out, and counted in the log itself.
//!
//! Commands write directly: a person waits for each line.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// So many lines wait at the most: some minutes of a busy service.
const LINES_MAX: usize = 4_096;

/// The end of the process waits so long for the last lines to be read.
const LAST_LINES_MAX: Duration = Duration::from_secs(2);

/// What the thread is told.
enum Told {
    Line(Vec<u8>),
    /// Answer once everything before was written.
    End(SyncSender<()>),
}

/// Hands lines on. Clones lead to the same thread.
#[derive(Clone)]
pub(super) struct Queue {
    sender: SyncSender<Told>,
    lost: Arc<AtomicU64>,
}

/// The queue of this process, if it has one. There is one log, as there is one stderr.
static OWN: RwLock<Option<Queue>> = RwLock::new(None);

impl Queue {
    /// A queue to `out`, which a thread of its own writes to; none where the system gives no thread.
    pub(super) fn start(out: impl Write + Send + 'static) -> Option<Self> {
        let (sender, receiver) = sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || write_on(out, &receiver, &count)).ok()?;
        Some(Self { sender, lost })
    }

    /// From now on this is the queue of the process.
    pub(super) fn install(&self) {
        *OWN.write().unwrap_or_else(PoisonError::into_inner) = Some(self.clone());
    }

    /// The queue of the process, if it has one.
    pub(super) fn own() -> Option<Self> {
        OWN.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands a line on as it is.
    pub(super) fn say(&self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    fn send(&self, line: &[u8]) {
        if self.sender.try_send(Told::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything was written, though not for ever; `false` when it was not.
    pub(super) fn finish(&self) -> bool {
        let (done, is_done) = sync_channel(1);
        self.sender.try_send(Told::End(done)).is_ok()
            && is_done.recv_timeout(LAST_LINES_MAX).is_ok()
    }
}

fn write_on(mut out: impl Write, receiver: &Receiver<Told>, lost: &AtomicU64) {
    for told in receiver {
        match told {
            Told::Line(line) => {
                // Nobody can be told that nobody can be told.
                let _ = out.write_all(&line);
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let _ =
                        writeln!(out, "{lost} lines of the log are missing here: nobody read it");
                }
            }
            Told::End(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
    }
}

/// Takes one event, which comes as one piece.
pub(super) struct Line(Queue);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line(self.clone())
    }
}

#[cfg(test)]
mod tests;
