//! The side of the command: finds the service, asks, and shows how far the work has come.

use std::cell::Cell;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::{Letter, Line, Request, VERSION};
use crate::cli::said::Said;
use crate::cli::view::text;
use crate::cli::{Context, Exit, Failure, console, drive, progress};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Status};
use crate::cycle::report::Progress;

/// A service that is alive says something every few seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Asks the service that keeps the configured state; `None` where none runs. The rest of the
/// configuration file may be wrong: the service runs on the one that it has.
pub(in crate::cli) fn ask(context: &Context, request: Request) -> Result<Option<Said>, Failure> {
    receive(context, request, &mut |_| Ok(()))
}

/// The same for a request that is answered with a file: `take` is given its pieces, in order.
pub(in crate::cli) fn receive(
    context: &Context,
    request: Request,
    take: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<Option<Said>, Failure> {
    let Some((service, status)) = config::whereabouts(&context.config, &context.environment) else {
        return Ok(None);
    };
    text::set_zone(&service.time_zone);
    let state = service.state_dir;
    let only_looks = request.only_looks();
    let letter = Letter {
        manntall_control: VERSION,
        state_dir: state.canonicalize().unwrap_or(state).display().to_string(),
        by: context.who(),
        form: context.form(),
        request,
    };
    let mut line = serde_json::to_string(&letter).unwrap_or_default();
    line.push('\n');
    drive::block_on(async {
        for path in &status.control_sockets {
            let stream = match UnixStream::connect(path).await {
                Ok(stream) => stream,
                Err(error) if error.kind() == ErrorKind::PermissionDenied && path.exists() => {
                    return Err(closed(path, &status));
                }
                Err(_) => continue,
            };
            let mut signals = drive::signals()?;
            let is_heard = Cell::new(false);
            let said = tokio::select! {
                said = converse(stream, &line, (only_looks, &is_heard), take) => said?,
                () = signals.next() => {
                    let words = interrupted(only_looks, is_heard.get());
                    return Err(Failure::new(Exit::Interrupted, words));
                }
            };
            if let Some(said) = said {
                return Ok(Some(said));
            }
        }
        Ok(None)
    })
}

/// What whoever breaks off a command may know: a service that has answered has the task, and of one that has
/// not nobody can say.
fn interrupted(only_looks: bool, is_heard: bool) -> &'static str {
    if only_looks {
        "interrupted; it was only asked, so nothing was changed"
    } else if is_heard {
        "interrupted; the service goes on with what it was told"
    } else {
        "Interrupted before the service answered: nobody knows whether it took this; look with: manntall status"
    }
}

fn closed(path: &Path, status: &Status) -> Failure {
    let Status { readers, approvers, .. } = status;
    let path = path.display();
    Failure::new(
        Exit::Failed,
        format!(
            "the service's socket {path} is closed to you: to look, be a member of the group \
             {readers}; to approve and change things, of {approvers} as well. Then log in anew"
        ),
    )
}

/// What the service says; `None` when it keeps another state.
async fn converse(
    stream: UnixStream,
    text: &str,
    (only_looks, is_heard): (bool, &Cell<bool>),
    take: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<Option<Said>, Failure> {
    let failed = |what: &str| {
        let next = if only_looks {
            "it was only asked, so nothing was changed. Ask again"
        } else {
            "whether it was done shows: manntall status, manntall explain"
        };
        Failure::new(Exit::Failed, format!("{what} the service; {next}"))
    };
    let (read, mut write) = stream.into_split();
    // A service that refuses a request answers before it has read all of it.
    let told = write.write_all(text.as_bytes()).await.is_ok();
    let mut lines = BufReader::new(read).lines();
    let (sender, progress) = watch::channel(Progress::default());
    let clock = SystemClock::start();
    let talk = async {
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line,
                () = clock.sleep(SILENCE_MAX) => return Err(failed("there is no answer from")),
            };
            let missing =
                if told { "the answer was cut off by" } else { "nothing could be told to" };
            let line = line.ok().flatten().ok_or_else(|| failed(missing))?;
            is_heard.set(true);
            match serde_json::from_str(&line) {
                Ok(Line::Waiting) => {}
                Ok(Line::Progress(progress)) => drop(sender.send(progress)),
                Ok(Line::Note(words)) => console::talk(&words),
                Ok(Line::Piece(piece)) => take(&piece)?,
                Ok(Line::OtherState) => return Ok(None),
                Ok(Line::Said(said)) => return Ok(Some(said)),
                Err(_) => {
                    return Err(Failure::new(
                        Exit::Failed,
                        "the service runs another version of this program: restart it",
                    ));
                }
            }
        }
    };
    tokio::select! {
        said = talk => said,
        () = progress::show(progress) => Ok(None),
    }
}
