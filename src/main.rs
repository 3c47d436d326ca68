//! The binary: hands the command line to the library and turns the result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Whatever is written from here on is for its owner only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    std::panic::set_hook(Box::new(manntall::errors::log_panic));
    let environment = std::env::vars_os().filter_map(|(name, value)| {
        // What is no text names no setting of ours.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    });
    ExitCode::from(manntall::cli::main(std::env::args_os(), environment.collect()))
}
