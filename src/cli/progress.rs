//! One line on the terminal while long work goes on: how much is done, how fast, and for how long still.
//! Nothing where stderr is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use crate::cycle::report::Progress;

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
    line.0.set_style(style(READING));
    while progress.changed().await.is_ok() {
        let Progress { reading, done, open, held: _ } = *progress.borrow_and_update();
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
