//! Sets up what is logged, and where: lines on stderr, with object ids and never with names or values.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
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

/// Starts logging; a second call changes nothing.
pub fn start(level: Level) {
    let filter = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // Only our own lines: a library's may quote what it was given.
    let own = tracing_subscriber::filter::Targets::new().with_target("manntall", filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_span_events(FmtSpan::NONE);
    let subscriber = {
        use tracing_subscriber::layer::SubscriberExt;
        tracing_subscriber::registry().with(own).with(lines)
    };
    // Tests run several commands in one process.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
