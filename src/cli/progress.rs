//! One line on the terminal while long work goes on: how much is done, how fast, and for how long still.
//! Nothing where stderr is no terminal, but for what is waited for: nobody should wait without knowing for what.

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::console;
use super::view::text;
use crate::cycle::report::Progress;
use crate::cycle::waiting::Waiting;

const WRITING: &str = "{bar:30} {human_pos} of {human_len} changes, {per_sec:.1}, {eta} left";
const READING: &str = "{spinner} reading Entra and the platform: {human_pos} objects";

/// The line; gone with the value.
struct Line(ProgressBar);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Shows the progress for as long as it is polled.
pub(super) async fn show(mut progress: watch::Receiver<Progress>) {
    let line = Line(ProgressBar::new(0));
    let style = |template| {
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
    };
    let mut writes = false;
    let mut waited_for = None;
    line.0.set_style(style(READING));
    while progress.changed().await.is_ok() {
        let Progress { reading, done, open, held: _, waiting } =
            progress.borrow_and_update().clone();
        if waiting != waited_for {
            if let Some(waiting) = &waiting {
                line.0.suspend(|| console::talk(&words(waiting)));
            }
            waited_for = waiting;
        }
        if done + open == 0 {
            line.0.set_position(reading);
            continue;
        }
        if !writes {
            writes = true;
            line.0.set_style(style(WRITING));
            line.0.reset();
        }
        line.0.set_length(done + open);
        line.0.set_position(done);
    }
    // The engine is gone; whoever polls this is about to stop.
    std::future::pending::<()>().await;
}

fn words(Waiting { what, until, seconds }: &Waiting) -> String {
    format!("Waits {seconds} s, until {}, for {}.", text::time(*until), text::harmless(what))
}
