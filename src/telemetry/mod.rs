//! Sets up what is logged, and where: the journal under systemd, else lines on stderr, as text or JSON.
//! Object ids only, never names or values.
//!
//! What matters is logged under a target of its own, `manntall::…`; see `journal`.

mod escaped;
mod fold;
mod journal;
mod queue;
mod visible;

#[cfg(test)]
mod tests;

use std::os::fd::AsFd;
use std::sync::OnceLock;

use anstream::adapter::strip_str;
use serde::{Deserialize, Serialize};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::core::visible::plain;
use escaped::Escaped;
use queue::Queue;
use visible::Visible;

pub use fold::Fold;
pub use journal::MESSAGE_IDS;

/// What goes wrong with a peer. A command that ends tells it at its end.
const TOLD_AT_THE_END: [&str; 2] = ["manntall::trouble", "manntall::stuck"];

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing
    Off,
    /// Somebody has to act
    Error,
    /// Something is degraded
    Warn,
    /// A few lines a cycle
    Info,
    /// Each request
    Debug,
    /// Everything
    Trace,
}

/// Where lines go and what they look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The journal when systemd started us, else text
    Auto,
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
    /// The journal, with fields
    Journald,
}

/// Who is logging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// The service: everything up to this level, and nobody has to read it.
    Service(Level),
    /// A command that was asked to log up to this level.
    Asked(Level),
    /// A command that tells what went wrong at its end, so that it is not said twice.
    Command,
}

/// The form of the lines of the service.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// Changes how much this process logs. There is one log, as there is one stderr.
static SETTER: OnceLock<Box<dyn Fn(Level) -> bool + Send + Sync>> = OnceLock::new();

type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging; a second call changes nothing. `journal_stream` is the variable by which systemd says
/// where stderr leads (systemd.exec, "$JOURNAL_STREAM").
pub fn start(voice: Voice, format: Format, journal_stream: Option<&str>) {
    let is_journal = match format {
        Format::Journald => true,
        Format::Auto => journal_stream.is_some_and(leads_there),
        Format::Text | Format::Json => false,
    };
    // Who asks for the journal where there is none gets lines all the same.
    let journal = if is_journal { journal::layer() } else { None };
    let queue = match (voice, &journal) {
        (Voice::Service(_), None) => Queue::start(std::io::stderr()),
        _ => None,
    };
    if let Some(queue) = &queue {
        queue.install();
        let _ = FORMAT.set(format);
    }
    let lines: Lines = match (journal, queue) {
        (Some(journal), _) => Box::new(Visible(journal)),
        (None, Some(queue)) => written(format, queue),
        (None, None) => written(format, std::io::stderr),
    };
    let (filter, handle) = reload::Layer::new(wanted(voice));
    let subscriber = tracing_subscriber::registry().with(lines).with(filter).with(Fold::new());
    // Tests run several commands in one process.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        let _ =
            SETTER.set(Box::new(move |level| handle.reload(wanted(Voice::Service(level))).is_ok()));
    }
}

/// Whether stderr shows colours, and whoever started us wants them (`--color`, `NO_COLOR`).
fn is_coloured() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Lines in the form that is wanted.
fn written(format: Format, to: impl for<'line> MakeWriter<'line> + Send + Sync + 'static) -> Lines {
    match format {
        Format::Json => {
            let to = Escaped(to);
            Box::new(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(to))
        }
        Format::Auto | Format::Text | Format::Journald => Box::new(
            tracing_subscriber::fmt::layer()
                .fmt_fields(one_line())
                .with_writer(to)
                .with_ansi(is_coloured())
                .with_target(false),
        ),
    }
}

/// Says the last words of the service in the form of its log, and waits for all lines to be written, though
/// not for ever. `false` where no service logs here, and nothing was said.
pub fn end(words: Option<&str>) -> bool {
    let Some(queue) = Queue::own() else { return false };
    match (words, FORMAT.get()) {
        (None, _) => {}
        (Some(words), Some(Format::Json)) => tracing::error!("{}", strip_str(words)),
        (Some(words), _) if is_coloured() => queue.say(words),
        (Some(words), _) => queue.say(&strip_str(words).to_string()),
    }
    queue.finish();
    true
}

/// From now on the service logs so much; `false` when nothing is logged at all.
pub fn set_level(level: Level) -> bool {
    SETTER.get().is_some_and(|set| set(level))
}

/// Writes what an event says so that one event is one line, whatever a peer has put into it.
fn one_line() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    let fields = format::debug_fn(|writer, field, value| {
        let text = plain(&format!("{value:?}"));
        match field.name() {
            "message" => write!(writer, "{text}"),
            name => write!(writer, "{name}={text}"),
        }
    });
    fields.delimited(" ")
}

/// Only our own lines: a library's may quote what it was given.
fn wanted(voice: Voice) -> Targets {
    let level = match voice {
        Voice::Service(level) | Voice::Asked(level) => level,
        Voice::Command => Level::Warn,
    };
    let filter = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let own = Targets::new().with_target("manntall", filter);
    match voice {
        Voice::Service(_) | Voice::Asked(_) => own,
        Voice::Command => TOLD_AT_THE_END
            .into_iter()
            .fold(own, |own, told| own.with_target(told, LevelFilter::OFF)),
    }
}

/// Whether stderr is the stream that the variable names, as device and inode.
fn leads_there(stream: &str) -> bool {
    let Ok(stat) = rustix::fs::fstat(std::io::stderr().as_fd()) else { return false };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}
